from buf.validate import validate_pb2 as _validate_pb2
from wallet.v1 import journal_pb2 as _journal_pb2
from wallet.v1 import wallet_pb2 as _wallet_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RecordJournalEntryRequest(_message.Message):
    __slots__ = ("wallet_name", "idempotency_key", "description", "postings")
    WALLET_NAME_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    POSTINGS_FIELD_NUMBER: _ClassVar[int]
    wallet_name: str
    idempotency_key: str
    description: str
    postings: _containers.RepeatedCompositeFieldContainer[_journal_pb2.LedgerPosting]
    def __init__(self, wallet_name: _Optional[str] = ..., idempotency_key: _Optional[str] = ..., description: _Optional[str] = ..., postings: _Optional[_Iterable[_Union[_journal_pb2.LedgerPosting, _Mapping]]] = ...) -> None: ...

class RecordJournalEntryResponse(_message.Message):
    __slots__ = ("journal_entry_id",)
    JOURNAL_ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    journal_entry_id: str
    def __init__(self, journal_entry_id: _Optional[str] = ...) -> None: ...

class RecordUsageEventRequest(_message.Message):
    __slots__ = ("project_name", "resource_name", "meter", "quantity", "unit", "event_time_unix", "metadata", "idempotency_key")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PROJECT_NAME_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_NAME_FIELD_NUMBER: _ClassVar[int]
    METER_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_UNIX_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    project_name: str
    resource_name: str
    meter: str
    quantity: str
    unit: str
    event_time_unix: int
    metadata: _containers.ScalarMap[str, str]
    idempotency_key: str
    def __init__(self, project_name: _Optional[str] = ..., resource_name: _Optional[str] = ..., meter: _Optional[str] = ..., quantity: _Optional[str] = ..., unit: _Optional[str] = ..., event_time_unix: _Optional[int] = ..., metadata: _Optional[_Mapping[str, str]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class RecordUsageEventResponse(_message.Message):
    __slots__ = ("usage_event_id",)
    USAGE_EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    usage_event_id: str
    def __init__(self, usage_event_id: _Optional[str] = ...) -> None: ...

class SettleUsageToLedgerRequest(_message.Message):
    __slots__ = ("usage_event_id", "wallet_name", "amount_minor", "currency", "idempotency_key", "description", "use_registered_meter_rate")
    USAGE_EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    WALLET_NAME_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    USE_REGISTERED_METER_RATE_FIELD_NUMBER: _ClassVar[int]
    usage_event_id: str
    wallet_name: str
    amount_minor: int
    currency: str
    idempotency_key: str
    description: str
    use_registered_meter_rate: bool
    def __init__(self, usage_event_id: _Optional[str] = ..., wallet_name: _Optional[str] = ..., amount_minor: _Optional[int] = ..., currency: _Optional[str] = ..., idempotency_key: _Optional[str] = ..., description: _Optional[str] = ..., use_registered_meter_rate: _Optional[bool] = ...) -> None: ...

class SettleUsageToLedgerResponse(_message.Message):
    __slots__ = ("journal_entry_id", "computed_amount_minor")
    JOURNAL_ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    COMPUTED_AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    journal_entry_id: str
    computed_amount_minor: int
    def __init__(self, journal_entry_id: _Optional[str] = ..., computed_amount_minor: _Optional[int] = ...) -> None: ...

class CreateWalletRequest(_message.Message):
    __slots__ = ("name", "billing_account_name", "currency", "display_name")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BILLING_ACCOUNT_NAME_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    billing_account_name: str
    currency: str
    display_name: str
    def __init__(self, name: _Optional[str] = ..., billing_account_name: _Optional[str] = ..., currency: _Optional[str] = ..., display_name: _Optional[str] = ...) -> None: ...

class CreateWalletResponse(_message.Message):
    __slots__ = ("wallet",)
    WALLET_FIELD_NUMBER: _ClassVar[int]
    wallet: _wallet_pb2.Wallet
    def __init__(self, wallet: _Optional[_Union[_wallet_pb2.Wallet, _Mapping]] = ...) -> None: ...

class DeleteWalletRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeleteWalletResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
