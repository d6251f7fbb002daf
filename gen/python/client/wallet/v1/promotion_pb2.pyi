from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class ActivePromotion(_message.Message):
    __slots__ = ("campaign_name", "display_name", "discount_pct", "discount_starts_at_unix", "discount_ends_at_unix", "applies_to_usage", "applies_to_prepaid")
    CAMPAIGN_NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_PCT_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_STARTS_AT_UNIX_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_ENDS_AT_UNIX_FIELD_NUMBER: _ClassVar[int]
    APPLIES_TO_USAGE_FIELD_NUMBER: _ClassVar[int]
    APPLIES_TO_PREPAID_FIELD_NUMBER: _ClassVar[int]
    campaign_name: str
    display_name: str
    discount_pct: int
    discount_starts_at_unix: int
    discount_ends_at_unix: int
    applies_to_usage: bool
    applies_to_prepaid: bool
    def __init__(self, campaign_name: _Optional[str] = ..., display_name: _Optional[str] = ..., discount_pct: _Optional[int] = ..., discount_starts_at_unix: _Optional[int] = ..., discount_ends_at_unix: _Optional[int] = ..., applies_to_usage: _Optional[bool] = ..., applies_to_prepaid: _Optional[bool] = ...) -> None: ...
