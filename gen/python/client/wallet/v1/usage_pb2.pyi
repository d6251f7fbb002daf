from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class UsageGroupBy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    USAGE_GROUP_BY_UNSPECIFIED: _ClassVar[UsageGroupBy]
    USAGE_GROUP_BY_CATEGORY: _ClassVar[UsageGroupBy]
    USAGE_GROUP_BY_RESOURCE: _ClassVar[UsageGroupBy]
    USAGE_GROUP_BY_DATACENTER: _ClassVar[UsageGroupBy]
    USAGE_GROUP_BY_PROJECT: _ClassVar[UsageGroupBy]
    USAGE_GROUP_BY_METER: _ClassVar[UsageGroupBy]
USAGE_GROUP_BY_UNSPECIFIED: UsageGroupBy
USAGE_GROUP_BY_CATEGORY: UsageGroupBy
USAGE_GROUP_BY_RESOURCE: UsageGroupBy
USAGE_GROUP_BY_DATACENTER: UsageGroupBy
USAGE_GROUP_BY_PROJECT: UsageGroupBy
USAGE_GROUP_BY_METER: UsageGroupBy

class UsageRow(_message.Message):
    __slots__ = ("bucket_start_unix", "project_name", "meter", "datacenter_name", "resource_name", "quantity", "unit", "cost_minor", "currency", "category", "cost_minor_decimal", "discount_minor_decimal")
    BUCKET_START_UNIX_FIELD_NUMBER: _ClassVar[int]
    PROJECT_NAME_FIELD_NUMBER: _ClassVar[int]
    METER_FIELD_NUMBER: _ClassVar[int]
    DATACENTER_NAME_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_NAME_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    COST_MINOR_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    COST_MINOR_DECIMAL_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_MINOR_DECIMAL_FIELD_NUMBER: _ClassVar[int]
    bucket_start_unix: int
    project_name: str
    meter: str
    datacenter_name: str
    resource_name: str
    quantity: str
    unit: str
    cost_minor: int
    currency: str
    category: str
    cost_minor_decimal: str
    discount_minor_decimal: str
    def __init__(self, bucket_start_unix: _Optional[int] = ..., project_name: _Optional[str] = ..., meter: _Optional[str] = ..., datacenter_name: _Optional[str] = ..., resource_name: _Optional[str] = ..., quantity: _Optional[str] = ..., unit: _Optional[str] = ..., cost_minor: _Optional[int] = ..., currency: _Optional[str] = ..., category: _Optional[str] = ..., cost_minor_decimal: _Optional[str] = ..., discount_minor_decimal: _Optional[str] = ...) -> None: ...
