from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class TopUp(_message.Message):
    __slots__ = ("name", "wallet_name", "method", "amount_minor", "currency", "state", "external_id", "journal_entry_id", "create_time_unix", "update_time_unix", "origin", "failure_message", "fee_minor", "fee_currency", "refunded_minor", "hosted_url")
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
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    FAILURE_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FEE_MINOR_FIELD_NUMBER: _ClassVar[int]
    FEE_CURRENCY_FIELD_NUMBER: _ClassVar[int]
    REFUNDED_MINOR_FIELD_NUMBER: _ClassVar[int]
    HOSTED_URL_FIELD_NUMBER: _ClassVar[int]
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
    origin: str
    failure_message: str
    fee_minor: int
    fee_currency: str
    refunded_minor: int
    hosted_url: str
    def __init__(self, name: _Optional[str] = ..., wallet_name: _Optional[str] = ..., method: _Optional[str] = ..., amount_minor: _Optional[int] = ..., currency: _Optional[str] = ..., state: _Optional[str] = ..., external_id: _Optional[str] = ..., journal_entry_id: _Optional[str] = ..., create_time_unix: _Optional[int] = ..., update_time_unix: _Optional[int] = ..., origin: _Optional[str] = ..., failure_message: _Optional[str] = ..., fee_minor: _Optional[int] = ..., fee_currency: _Optional[str] = ..., refunded_minor: _Optional[int] = ..., hosted_url: _Optional[str] = ...) -> None: ...
