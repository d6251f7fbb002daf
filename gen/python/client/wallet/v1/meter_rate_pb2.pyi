from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class PublicMeterRate(_message.Message):
    __slots__ = ("meter", "currency", "unit_price_minor", "display_name", "effective_at_unix", "unit_price_minor_decimal")
    METER_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    UNIT_PRICE_MINOR_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_AT_UNIX_FIELD_NUMBER: _ClassVar[int]
    UNIT_PRICE_MINOR_DECIMAL_FIELD_NUMBER: _ClassVar[int]
    meter: str
    currency: str
    unit_price_minor: int
    display_name: str
    effective_at_unix: int
    unit_price_minor_decimal: str
    def __init__(self, meter: _Optional[str] = ..., currency: _Optional[str] = ..., unit_price_minor: _Optional[int] = ..., display_name: _Optional[str] = ..., effective_at_unix: _Optional[int] = ..., unit_price_minor_decimal: _Optional[str] = ...) -> None: ...
