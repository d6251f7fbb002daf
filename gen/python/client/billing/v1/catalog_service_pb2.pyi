import datetime

from billing.v1 import catalog_pb2 as _catalog_pb2
from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateMeterRequest(_message.Message):
    __slots__ = ("meter_id", "display_name", "unit", "category", "aggregation", "request_id")
    METER_ID_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    AGGREGATION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    meter_id: str
    display_name: str
    unit: str
    category: str
    aggregation: _catalog_pb2.Aggregation
    request_id: str
    def __init__(self, meter_id: _Optional[str] = ..., display_name: _Optional[str] = ..., unit: _Optional[str] = ..., category: _Optional[str] = ..., aggregation: _Optional[_Union[_catalog_pb2.Aggregation, str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateMeterResponse(_message.Message):
    __slots__ = ("meter",)
    METER_FIELD_NUMBER: _ClassVar[int]
    meter: _catalog_pb2.Meter
    def __init__(self, meter: _Optional[_Union[_catalog_pb2.Meter, _Mapping]] = ...) -> None: ...

class GetMeterRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetMeterResponse(_message.Message):
    __slots__ = ("meter",)
    METER_FIELD_NUMBER: _ClassVar[int]
    meter: _catalog_pb2.Meter
    def __init__(self, meter: _Optional[_Union[_catalog_pb2.Meter, _Mapping]] = ...) -> None: ...

class ListMetersRequest(_message.Message):
    __slots__ = ("meter_prefix", "page_size", "page_token")
    METER_PREFIX_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    meter_prefix: str
    page_size: int
    page_token: str
    def __init__(self, meter_prefix: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListMetersResponse(_message.Message):
    __slots__ = ("meters", "next_page_token")
    METERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    meters: _containers.RepeatedCompositeFieldContainer[_catalog_pb2.Meter]
    next_page_token: str
    def __init__(self, meters: _Optional[_Iterable[_Union[_catalog_pb2.Meter, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateMeterRequest(_message.Message):
    __slots__ = ("name", "display_name", "category")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    name: str
    display_name: str
    category: str
    def __init__(self, name: _Optional[str] = ..., display_name: _Optional[str] = ..., category: _Optional[str] = ...) -> None: ...

class UpdateMeterResponse(_message.Message):
    __slots__ = ("meter",)
    METER_FIELD_NUMBER: _ClassVar[int]
    meter: _catalog_pb2.Meter
    def __init__(self, meter: _Optional[_Union[_catalog_pb2.Meter, _Mapping]] = ...) -> None: ...

class CreateRateRequest(_message.Message):
    __slots__ = ("meter_name", "currency", "unit_price_minor_decimal", "effective_time", "request_id")
    METER_NAME_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    UNIT_PRICE_MINOR_DECIMAL_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    meter_name: str
    currency: str
    unit_price_minor_decimal: str
    effective_time: _timestamp_pb2.Timestamp
    request_id: str
    def __init__(self, meter_name: _Optional[str] = ..., currency: _Optional[str] = ..., unit_price_minor_decimal: _Optional[str] = ..., effective_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateRateResponse(_message.Message):
    __slots__ = ("rate",)
    RATE_FIELD_NUMBER: _ClassVar[int]
    rate: _catalog_pb2.Rate
    def __init__(self, rate: _Optional[_Union[_catalog_pb2.Rate, _Mapping]] = ...) -> None: ...

class ListRatesRequest(_message.Message):
    __slots__ = ("meter_name", "currency", "in_force_time", "page_size", "page_token")
    METER_NAME_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    IN_FORCE_TIME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    meter_name: str
    currency: str
    in_force_time: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    def __init__(self, meter_name: _Optional[str] = ..., currency: _Optional[str] = ..., in_force_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRatesResponse(_message.Message):
    __slots__ = ("rates", "next_page_token")
    RATES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    rates: _containers.RepeatedCompositeFieldContainer[_catalog_pb2.Rate]
    next_page_token: str
    def __init__(self, rates: _Optional[_Iterable[_Union[_catalog_pb2.Rate, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
