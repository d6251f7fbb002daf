from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class Wallet(_message.Message):
    __slots__ = ("name", "billing_account_name", "currency", "create_time_unix")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BILLING_ACCOUNT_NAME_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_UNIX_FIELD_NUMBER: _ClassVar[int]
    name: str
    billing_account_name: str
    currency: str
    create_time_unix: int
    def __init__(self, name: _Optional[str] = ..., billing_account_name: _Optional[str] = ..., currency: _Optional[str] = ..., create_time_unix: _Optional[int] = ...) -> None: ...

class BillingAccount(_message.Message):
    __slots__ = ("name", "organization_name", "display_name", "state", "create_time_unix", "suspended_reason")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_UNIX_FIELD_NUMBER: _ClassVar[int]
    SUSPENDED_REASON_FIELD_NUMBER: _ClassVar[int]
    name: str
    organization_name: str
    display_name: str
    state: str
    create_time_unix: int
    suspended_reason: str
    def __init__(self, name: _Optional[str] = ..., organization_name: _Optional[str] = ..., display_name: _Optional[str] = ..., state: _Optional[str] = ..., create_time_unix: _Optional[int] = ..., suspended_reason: _Optional[str] = ...) -> None: ...
