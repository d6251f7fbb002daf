import datetime

from billing.v1 import error_reason_pb2 as _error_reason_pb2
from billing.v1 import usage_pb2 as _usage_pb2
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

class UsageEventStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    USAGE_EVENT_STATUS_UNSPECIFIED: _ClassVar[UsageEventStatus]
    USAGE_EVENT_STATUS_RECORDED: _ClassVar[UsageEventStatus]
    USAGE_EVENT_STATUS_DUPLICATE: _ClassVar[UsageEventStatus]
    USAGE_EVENT_STATUS_REFUSED: _ClassVar[UsageEventStatus]
USAGE_EVENT_STATUS_UNSPECIFIED: UsageEventStatus
USAGE_EVENT_STATUS_RECORDED: UsageEventStatus
USAGE_EVENT_STATUS_DUPLICATE: UsageEventStatus
USAGE_EVENT_STATUS_REFUSED: UsageEventStatus

class UsageEventInput(_message.Message):
    __slots__ = ("project_name", "resource_name", "datacenter_name", "meter", "quantity", "unit", "event_time", "metadata", "idempotency_key")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PROJECT_NAME_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_NAME_FIELD_NUMBER: _ClassVar[int]
    DATACENTER_NAME_FIELD_NUMBER: _ClassVar[int]
    METER_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    project_name: str
    resource_name: str
    datacenter_name: str
    meter: str
    quantity: str
    unit: str
    event_time: _timestamp_pb2.Timestamp
    metadata: _containers.ScalarMap[str, str]
    idempotency_key: str
    def __init__(self, project_name: _Optional[str] = ..., resource_name: _Optional[str] = ..., datacenter_name: _Optional[str] = ..., meter: _Optional[str] = ..., quantity: _Optional[str] = ..., unit: _Optional[str] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class RecordUsageEventsRequest(_message.Message):
    __slots__ = ("organization_name", "events", "all_or_nothing", "ignore_age")
    ORGANIZATION_NAME_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    ALL_OR_NOTHING_FIELD_NUMBER: _ClassVar[int]
    IGNORE_AGE_FIELD_NUMBER: _ClassVar[int]
    organization_name: str
    events: _containers.RepeatedCompositeFieldContainer[UsageEventInput]
    all_or_nothing: bool
    ignore_age: bool
    def __init__(self, organization_name: _Optional[str] = ..., events: _Optional[_Iterable[_Union[UsageEventInput, _Mapping]]] = ..., all_or_nothing: _Optional[bool] = ..., ignore_age: _Optional[bool] = ...) -> None: ...

class UsageEventResult(_message.Message):
    __slots__ = ("index", "status", "usage_event_name", "cost_minor_decimal", "reason", "message", "correction")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    USAGE_EVENT_NAME_FIELD_NUMBER: _ClassVar[int]
    COST_MINOR_DECIMAL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CORRECTION_FIELD_NUMBER: _ClassVar[int]
    index: int
    status: UsageEventStatus
    usage_event_name: str
    cost_minor_decimal: str
    reason: _error_reason_pb2.ErrorReason
    message: str
    correction: bool
    def __init__(self, index: _Optional[int] = ..., status: _Optional[_Union[UsageEventStatus, str]] = ..., usage_event_name: _Optional[str] = ..., cost_minor_decimal: _Optional[str] = ..., reason: _Optional[_Union[_error_reason_pb2.ErrorReason, str]] = ..., message: _Optional[str] = ..., correction: _Optional[bool] = ...) -> None: ...

class RecordUsageEventsResponse(_message.Message):
    __slots__ = ("results", "recorded_count", "duplicate_count", "refused_count")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    RECORDED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    REFUSED_COUNT_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[UsageEventResult]
    recorded_count: int
    duplicate_count: int
    refused_count: int
    def __init__(self, results: _Optional[_Iterable[_Union[UsageEventResult, _Mapping]]] = ..., recorded_count: _Optional[int] = ..., duplicate_count: _Optional[int] = ..., refused_count: _Optional[int] = ...) -> None: ...

class ListUsageEventsRequest(_message.Message):
    __slots__ = ("organization_name", "project_name", "meter_prefix", "start_time", "end_time", "page_size", "page_token")
    ORGANIZATION_NAME_FIELD_NUMBER: _ClassVar[int]
    PROJECT_NAME_FIELD_NUMBER: _ClassVar[int]
    METER_PREFIX_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    organization_name: str
    project_name: str
    meter_prefix: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    def __init__(self, organization_name: _Optional[str] = ..., project_name: _Optional[str] = ..., meter_prefix: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListUsageEventsResponse(_message.Message):
    __slots__ = ("usage_events", "next_page_token")
    USAGE_EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    usage_events: _containers.RepeatedCompositeFieldContainer[_usage_pb2.UsageEvent]
    next_page_token: str
    def __init__(self, usage_events: _Optional[_Iterable[_Union[_usage_pb2.UsageEvent, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
