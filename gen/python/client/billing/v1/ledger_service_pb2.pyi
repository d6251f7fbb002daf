import datetime

from billing.v1 import error_reason_pb2 as _error_reason_pb2
from billing.v1 import ledger_pb2 as _ledger_pb2
from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from wallet.v1 import operator_messages_pb2 as _operator_messages_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JournalEntryStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOURNAL_ENTRY_STATUS_UNSPECIFIED: _ClassVar[JournalEntryStatus]
    JOURNAL_ENTRY_STATUS_RECORDED: _ClassVar[JournalEntryStatus]
    JOURNAL_ENTRY_STATUS_DUPLICATE: _ClassVar[JournalEntryStatus]
    JOURNAL_ENTRY_STATUS_REFUSED: _ClassVar[JournalEntryStatus]
    JOURNAL_ENTRY_STATUS_UNKNOWN: _ClassVar[JournalEntryStatus]
JOURNAL_ENTRY_STATUS_UNSPECIFIED: JournalEntryStatus
JOURNAL_ENTRY_STATUS_RECORDED: JournalEntryStatus
JOURNAL_ENTRY_STATUS_DUPLICATE: JournalEntryStatus
JOURNAL_ENTRY_STATUS_REFUSED: JournalEntryStatus
JOURNAL_ENTRY_STATUS_UNKNOWN: JournalEntryStatus

class RecordJournalEntriesRequest(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[_operator_messages_pb2.RecordJournalEntryRequest]
    def __init__(self, entries: _Optional[_Iterable[_Union[_operator_messages_pb2.RecordJournalEntryRequest, _Mapping]]] = ...) -> None: ...

class JournalEntryResult(_message.Message):
    __slots__ = ("index", "status", "journal_entry_name", "reason", "message")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    JOURNAL_ENTRY_NAME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    index: int
    status: JournalEntryStatus
    journal_entry_name: str
    reason: _error_reason_pb2.ErrorReason
    message: str
    def __init__(self, index: _Optional[int] = ..., status: _Optional[_Union[JournalEntryStatus, str]] = ..., journal_entry_name: _Optional[str] = ..., reason: _Optional[_Union[_error_reason_pb2.ErrorReason, str]] = ..., message: _Optional[str] = ...) -> None: ...

class RecordJournalEntriesResponse(_message.Message):
    __slots__ = ("results", "recorded_count", "duplicate_count", "refused_count", "unknown_count")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    RECORDED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    REFUSED_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_COUNT_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[JournalEntryResult]
    recorded_count: int
    duplicate_count: int
    refused_count: int
    unknown_count: int
    def __init__(self, results: _Optional[_Iterable[_Union[JournalEntryResult, _Mapping]]] = ..., recorded_count: _Optional[int] = ..., duplicate_count: _Optional[int] = ..., refused_count: _Optional[int] = ..., unknown_count: _Optional[int] = ...) -> None: ...

class ListJournalEntriesRequest(_message.Message):
    __slots__ = ("organization_name", "kinds", "start_time", "end_time", "page_size", "page_token")
    ORGANIZATION_NAME_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    organization_name: str
    kinds: _containers.RepeatedScalarFieldContainer[_ledger_pb2.JournalEntryKind]
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    def __init__(self, organization_name: _Optional[str] = ..., kinds: _Optional[_Iterable[_Union[_ledger_pb2.JournalEntryKind, str]]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListJournalEntriesResponse(_message.Message):
    __slots__ = ("journal_entries", "next_page_token")
    JOURNAL_ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    journal_entries: _containers.RepeatedCompositeFieldContainer[_ledger_pb2.JournalEntry]
    next_page_token: str
    def __init__(self, journal_entries: _Optional[_Iterable[_Union[_ledger_pb2.JournalEntry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetJournalEntryRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetJournalEntryResponse(_message.Message):
    __slots__ = ("journal_entry",)
    JOURNAL_ENTRY_FIELD_NUMBER: _ClassVar[int]
    journal_entry: _ledger_pb2.JournalEntry
    def __init__(self, journal_entry: _Optional[_Union[_ledger_pb2.JournalEntry, _Mapping]] = ...) -> None: ...

class CreateHoldRequest(_message.Message):
    __slots__ = ("wallet_name", "amount_minor", "currency", "expire_time", "description", "request_id")
    WALLET_NAME_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    wallet_name: str
    amount_minor: int
    currency: str
    expire_time: _timestamp_pb2.Timestamp
    description: str
    request_id: str
    def __init__(self, wallet_name: _Optional[str] = ..., amount_minor: _Optional[int] = ..., currency: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., description: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateHoldResponse(_message.Message):
    __slots__ = ("hold",)
    HOLD_FIELD_NUMBER: _ClassVar[int]
    hold: _ledger_pb2.Hold
    def __init__(self, hold: _Optional[_Union[_ledger_pb2.Hold, _Mapping]] = ...) -> None: ...

class ExtendHoldRequest(_message.Message):
    __slots__ = ("name", "expire_time", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    expire_time: _timestamp_pb2.Timestamp
    request_id: str
    def __init__(self, name: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class ExtendHoldResponse(_message.Message):
    __slots__ = ("hold",)
    HOLD_FIELD_NUMBER: _ClassVar[int]
    hold: _ledger_pb2.Hold
    def __init__(self, hold: _Optional[_Union[_ledger_pb2.Hold, _Mapping]] = ...) -> None: ...

class CaptureHoldRequest(_message.Message):
    __slots__ = ("name", "amount_minor", "keep_remaining", "description", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    KEEP_REMAINING_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    amount_minor: int
    keep_remaining: bool
    description: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., amount_minor: _Optional[int] = ..., keep_remaining: _Optional[bool] = ..., description: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class CaptureHoldResponse(_message.Message):
    __slots__ = ("hold", "journal_entry_name")
    HOLD_FIELD_NUMBER: _ClassVar[int]
    JOURNAL_ENTRY_NAME_FIELD_NUMBER: _ClassVar[int]
    hold: _ledger_pb2.Hold
    journal_entry_name: str
    def __init__(self, hold: _Optional[_Union[_ledger_pb2.Hold, _Mapping]] = ..., journal_entry_name: _Optional[str] = ...) -> None: ...

class ReleaseHoldRequest(_message.Message):
    __slots__ = ("name", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ReleaseHoldResponse(_message.Message):
    __slots__ = ("hold",)
    HOLD_FIELD_NUMBER: _ClassVar[int]
    hold: _ledger_pb2.Hold
    def __init__(self, hold: _Optional[_Union[_ledger_pb2.Hold, _Mapping]] = ...) -> None: ...

class ListHoldsRequest(_message.Message):
    __slots__ = ("wallet_name", "state", "page_size", "page_token")
    WALLET_NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    wallet_name: str
    state: _ledger_pb2.HoldState
    page_size: int
    page_token: str
    def __init__(self, wallet_name: _Optional[str] = ..., state: _Optional[_Union[_ledger_pb2.HoldState, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListHoldsResponse(_message.Message):
    __slots__ = ("holds", "next_page_token")
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    holds: _containers.RepeatedCompositeFieldContainer[_ledger_pb2.Hold]
    next_page_token: str
    def __init__(self, holds: _Optional[_Iterable[_Union[_ledger_pb2.Hold, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DepositRequest(_message.Message):
    __slots__ = ("wallet_name", "amount_minor", "currency", "description", "request_id")
    WALLET_NAME_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    wallet_name: str
    amount_minor: int
    currency: str
    description: str
    request_id: str
    def __init__(self, wallet_name: _Optional[str] = ..., amount_minor: _Optional[int] = ..., currency: _Optional[str] = ..., description: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DepositResponse(_message.Message):
    __slots__ = ("journal_entry", "balance_minor")
    JOURNAL_ENTRY_FIELD_NUMBER: _ClassVar[int]
    BALANCE_MINOR_FIELD_NUMBER: _ClassVar[int]
    journal_entry: _ledger_pb2.JournalEntry
    balance_minor: int
    def __init__(self, journal_entry: _Optional[_Union[_ledger_pb2.JournalEntry, _Mapping]] = ..., balance_minor: _Optional[int] = ...) -> None: ...

class RefundRequest(_message.Message):
    __slots__ = ("journal_entry_name", "amount_minor", "description", "request_id")
    JOURNAL_ENTRY_NAME_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    journal_entry_name: str
    amount_minor: int
    description: str
    request_id: str
    def __init__(self, journal_entry_name: _Optional[str] = ..., amount_minor: _Optional[int] = ..., description: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class RefundResponse(_message.Message):
    __slots__ = ("journal_entry", "remaining_minor")
    JOURNAL_ENTRY_FIELD_NUMBER: _ClassVar[int]
    REMAINING_MINOR_FIELD_NUMBER: _ClassVar[int]
    journal_entry: _ledger_pb2.JournalEntry
    remaining_minor: int
    def __init__(self, journal_entry: _Optional[_Union[_ledger_pb2.JournalEntry, _Mapping]] = ..., remaining_minor: _Optional[int] = ...) -> None: ...

class GetStatementRequest(_message.Message):
    __slots__ = ("wallet_name", "start_time", "end_time", "page_size", "page_token")
    WALLET_NAME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    wallet_name: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    def __init__(self, wallet_name: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class StatementLine(_message.Message):
    __slots__ = ("journal_entry_name", "kind", "description", "amount_minor", "balance_minor", "record_time")
    JOURNAL_ENTRY_NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    BALANCE_MINOR_FIELD_NUMBER: _ClassVar[int]
    RECORD_TIME_FIELD_NUMBER: _ClassVar[int]
    journal_entry_name: str
    kind: _ledger_pb2.JournalEntryKind
    description: str
    amount_minor: int
    balance_minor: int
    record_time: _timestamp_pb2.Timestamp
    def __init__(self, journal_entry_name: _Optional[str] = ..., kind: _Optional[_Union[_ledger_pb2.JournalEntryKind, str]] = ..., description: _Optional[str] = ..., amount_minor: _Optional[int] = ..., balance_minor: _Optional[int] = ..., record_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StatementTotal(_message.Message):
    __slots__ = ("kind", "amount_minor", "line_count")
    KIND_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    LINE_COUNT_FIELD_NUMBER: _ClassVar[int]
    kind: _ledger_pb2.JournalEntryKind
    amount_minor: int
    line_count: int
    def __init__(self, kind: _Optional[_Union[_ledger_pb2.JournalEntryKind, str]] = ..., amount_minor: _Optional[int] = ..., line_count: _Optional[int] = ...) -> None: ...

class GetStatementResponse(_message.Message):
    __slots__ = ("currency", "opening_balance_minor", "closing_balance_minor", "totals", "lines", "next_page_token")
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    OPENING_BALANCE_MINOR_FIELD_NUMBER: _ClassVar[int]
    CLOSING_BALANCE_MINOR_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    currency: str
    opening_balance_minor: int
    closing_balance_minor: int
    totals: _containers.RepeatedCompositeFieldContainer[StatementTotal]
    lines: _containers.RepeatedCompositeFieldContainer[StatementLine]
    next_page_token: str
    def __init__(self, currency: _Optional[str] = ..., opening_balance_minor: _Optional[int] = ..., closing_balance_minor: _Optional[int] = ..., totals: _Optional[_Iterable[_Union[StatementTotal, _Mapping]]] = ..., lines: _Optional[_Iterable[_Union[StatementLine, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class VerifyLedgerRequest(_message.Message):
    __slots__ = ("organization_name",)
    ORGANIZATION_NAME_FIELD_NUMBER: _ClassVar[int]
    organization_name: str
    def __init__(self, organization_name: _Optional[str] = ...) -> None: ...

class LawViolation(_message.Message):
    __slots__ = ("law", "organization_name", "row", "detail")
    LAW_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_NAME_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    law: str
    organization_name: str
    row: str
    detail: str
    def __init__(self, law: _Optional[str] = ..., organization_name: _Optional[str] = ..., row: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class VerifyLedgerResponse(_message.Message):
    __slots__ = ("ok", "violations", "organization_count", "entry_count", "laws")
    OK_FIELD_NUMBER: _ClassVar[int]
    VIOLATIONS_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_COUNT_FIELD_NUMBER: _ClassVar[int]
    ENTRY_COUNT_FIELD_NUMBER: _ClassVar[int]
    LAWS_FIELD_NUMBER: _ClassVar[int]
    ok: bool
    violations: _containers.RepeatedCompositeFieldContainer[LawViolation]
    organization_count: int
    entry_count: int
    laws: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ok: _Optional[bool] = ..., violations: _Optional[_Iterable[_Union[LawViolation, _Mapping]]] = ..., organization_count: _Optional[int] = ..., entry_count: _Optional[int] = ..., laws: _Optional[_Iterable[str]] = ...) -> None: ...
