from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class TopUp(_message.Message):
    __slots__ = ("name", "wallet_name", "method", "amount_minor", "currency", "state", "external_id", "journal_entry_id", "create_time_unix", "update_time_unix")
    NAME_FIELD_NUMBER: _ClassVar[int]
    WALLET_NAME_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_ID_FIELD_NUMBER: _ClassVar[int]
    JOURNAL_ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_UNIX_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_UNIX_FIELD_NUMBER: _ClassVar[int]
    name: str
    wallet_name: str
    method: str
    amount_minor: int
    currency: str
    state: str
    external_id: str
    journal_entry_id: str
    create_time_unix: int
    update_time_unix: int
    def __init__(self, name: _Optional[str] = ..., wallet_name: _Optional[str] = ..., method: _Optional[str] = ..., amount_minor: _Optional[int] = ..., currency: _Optional[str] = ..., state: _Optional[str] = ..., external_id: _Optional[str] = ..., journal_entry_id: _Optional[str] = ..., create_time_unix: _Optional[int] = ..., update_time_unix: _Optional[int] = ...) -> None: ...
