import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JournalEntryKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOURNAL_ENTRY_KIND_UNSPECIFIED: _ClassVar[JournalEntryKind]
    JOURNAL_ENTRY_KIND_TRANSFER: _ClassVar[JournalEntryKind]
    JOURNAL_ENTRY_KIND_TOP_UP: _ClassVar[JournalEntryKind]
    JOURNAL_ENTRY_KIND_DEPOSIT: _ClassVar[JournalEntryKind]
    JOURNAL_ENTRY_KIND_USAGE: _ClassVar[JournalEntryKind]
    JOURNAL_ENTRY_KIND_HOLD: _ClassVar[JournalEntryKind]
    JOURNAL_ENTRY_KIND_CAPTURE: _ClassVar[JournalEntryKind]
    JOURNAL_ENTRY_KIND_RELEASE: _ClassVar[JournalEntryKind]
    JOURNAL_ENTRY_KIND_REVERSAL: _ClassVar[JournalEntryKind]
    JOURNAL_ENTRY_KIND_REFUND: _ClassVar[JournalEntryKind]
    JOURNAL_ENTRY_KIND_DISPUTE: _ClassVar[JournalEntryKind]
    JOURNAL_ENTRY_KIND_FEE: _ClassVar[JournalEntryKind]

class EntrySide(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENTRY_SIDE_UNSPECIFIED: _ClassVar[EntrySide]
    ENTRY_SIDE_DEBIT: _ClassVar[EntrySide]
    ENTRY_SIDE_CREDIT: _ClassVar[EntrySide]

class HoldState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HOLD_STATE_UNSPECIFIED: _ClassVar[HoldState]
    HOLD_STATE_OPEN: _ClassVar[HoldState]
    HOLD_STATE_CAPTURED: _ClassVar[HoldState]
    HOLD_STATE_RELEASED: _ClassVar[HoldState]
    HOLD_STATE_EXPIRED: _ClassVar[HoldState]
JOURNAL_ENTRY_KIND_UNSPECIFIED: JournalEntryKind
JOURNAL_ENTRY_KIND_TRANSFER: JournalEntryKind
JOURNAL_ENTRY_KIND_TOP_UP: JournalEntryKind
JOURNAL_ENTRY_KIND_DEPOSIT: JournalEntryKind
JOURNAL_ENTRY_KIND_USAGE: JournalEntryKind
JOURNAL_ENTRY_KIND_HOLD: JournalEntryKind
JOURNAL_ENTRY_KIND_CAPTURE: JournalEntryKind
JOURNAL_ENTRY_KIND_RELEASE: JournalEntryKind
JOURNAL_ENTRY_KIND_REVERSAL: JournalEntryKind
JOURNAL_ENTRY_KIND_REFUND: JournalEntryKind
JOURNAL_ENTRY_KIND_DISPUTE: JournalEntryKind
JOURNAL_ENTRY_KIND_FEE: JournalEntryKind
ENTRY_SIDE_UNSPECIFIED: EntrySide
ENTRY_SIDE_DEBIT: EntrySide
ENTRY_SIDE_CREDIT: EntrySide
HOLD_STATE_UNSPECIFIED: HoldState
HOLD_STATE_OPEN: HoldState
HOLD_STATE_CAPTURED: HoldState
HOLD_STATE_RELEASED: HoldState
HOLD_STATE_EXPIRED: HoldState

class Posting(_message.Message):
    __slots__ = ("account_code", "amount_minor", "currency", "side")
    ACCOUNT_CODE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    account_code: str
    amount_minor: int
    currency: str
    side: EntrySide
    def __init__(self, account_code: _Optional[str] = ..., amount_minor: _Optional[int] = ..., currency: _Optional[str] = ..., side: _Optional[_Union[EntrySide, str]] = ...) -> None: ...

class JournalEntry(_message.Message):
    __slots__ = ("name", "sequence", "kind", "description", "postings", "effective_time", "record_time", "reversed_entry", "metadata", "hash")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    POSTINGS_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    RECORD_TIME_FIELD_NUMBER: _ClassVar[int]
    REVERSED_ENTRY_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    name: str
    sequence: int
    kind: JournalEntryKind
    description: str
    postings: _containers.RepeatedCompositeFieldContainer[Posting]
    effective_time: _timestamp_pb2.Timestamp
    record_time: _timestamp_pb2.Timestamp
    reversed_entry: str
    metadata: _containers.ScalarMap[str, str]
    hash: str
    def __init__(self, name: _Optional[str] = ..., sequence: _Optional[int] = ..., kind: _Optional[_Union[JournalEntryKind, str]] = ..., description: _Optional[str] = ..., postings: _Optional[_Iterable[_Union[Posting, _Mapping]]] = ..., effective_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., record_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reversed_entry: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., hash: _Optional[str] = ...) -> None: ...

class Hold(_message.Message):
    __slots__ = ("name", "wallet_name", "amount_minor", "captured_minor", "remaining_minor", "currency", "state", "description", "expire_time", "create_time", "update_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    WALLET_NAME_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CAPTURED_MINOR_FIELD_NUMBER: _ClassVar[int]
    REMAINING_MINOR_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    wallet_name: str
    amount_minor: int
    captured_minor: int
    remaining_minor: int
    currency: str
    state: HoldState
    description: str
    expire_time: _timestamp_pb2.Timestamp
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., wallet_name: _Optional[str] = ..., amount_minor: _Optional[int] = ..., captured_minor: _Optional[int] = ..., remaining_minor: _Optional[int] = ..., currency: _Optional[str] = ..., state: _Optional[_Union[HoldState, str]] = ..., description: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
