from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Invoice(_message.Message):
    __slots__ = ("name", "billing_account_name", "period_start_unix", "period_end_unix", "currency", "amount_minor", "status", "create_time_unix", "finalize_time_unix", "pay_time_unix", "line_items", "kind", "number", "opening_balance_minor", "topped_up_minor", "refunded_minor", "spent_minor", "adjusted_minor", "closing_balance_minor", "top_up_name", "origin", "categories", "projects", "days", "carried_in_minor_decimal", "carried_out_minor_decimal")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BILLING_ACCOUNT_NAME_FIELD_NUMBER: _ClassVar[int]
    PERIOD_START_UNIX_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_UNIX_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_UNIX_FIELD_NUMBER: _ClassVar[int]
    FINALIZE_TIME_UNIX_FIELD_NUMBER: _ClassVar[int]
    PAY_TIME_UNIX_FIELD_NUMBER: _ClassVar[int]
    LINE_ITEMS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    OPENING_BALANCE_MINOR_FIELD_NUMBER: _ClassVar[int]
    TOPPED_UP_MINOR_FIELD_NUMBER: _ClassVar[int]
    REFUNDED_MINOR_FIELD_NUMBER: _ClassVar[int]
    SPENT_MINOR_FIELD_NUMBER: _ClassVar[int]
    ADJUSTED_MINOR_FIELD_NUMBER: _ClassVar[int]
    CLOSING_BALANCE_MINOR_FIELD_NUMBER: _ClassVar[int]
    TOP_UP_NAME_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    PROJECTS_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    CARRIED_IN_MINOR_DECIMAL_FIELD_NUMBER: _ClassVar[int]
    CARRIED_OUT_MINOR_DECIMAL_FIELD_NUMBER: _ClassVar[int]
    name: str
    billing_account_name: str
    period_start_unix: int
    period_end_unix: int
    currency: str
    amount_minor: int
    status: str
    create_time_unix: int
    finalize_time_unix: int
    pay_time_unix: int
    line_items: _containers.RepeatedCompositeFieldContainer[InvoiceLineItem]
    kind: str
    number: str
    opening_balance_minor: int
    topped_up_minor: int
    refunded_minor: int
    spent_minor: int
    adjusted_minor: int
    closing_balance_minor: int
    top_up_name: str
    origin: str
    categories: _containers.RepeatedCompositeFieldContainer[InvoiceShare]
    projects: _containers.RepeatedCompositeFieldContainer[InvoiceShare]
    days: _containers.RepeatedCompositeFieldContainer[InvoiceDay]
    carried_in_minor_decimal: str
    carried_out_minor_decimal: str
    def __init__(self, name: _Optional[str] = ..., billing_account_name: _Optional[str] = ..., period_start_unix: _Optional[int] = ..., period_end_unix: _Optional[int] = ..., currency: _Optional[str] = ..., amount_minor: _Optional[int] = ..., status: _Optional[str] = ..., create_time_unix: _Optional[int] = ..., finalize_time_unix: _Optional[int] = ..., pay_time_unix: _Optional[int] = ..., line_items: _Optional[_Iterable[_Union[InvoiceLineItem, _Mapping]]] = ..., kind: _Optional[str] = ..., number: _Optional[str] = ..., opening_balance_minor: _Optional[int] = ..., topped_up_minor: _Optional[int] = ..., refunded_minor: _Optional[int] = ..., spent_minor: _Optional[int] = ..., adjusted_minor: _Optional[int] = ..., closing_balance_minor: _Optional[int] = ..., top_up_name: _Optional[str] = ..., origin: _Optional[str] = ..., categories: _Optional[_Iterable[_Union[InvoiceShare, _Mapping]]] = ..., projects: _Optional[_Iterable[_Union[InvoiceShare, _Mapping]]] = ..., days: _Optional[_Iterable[_Union[InvoiceDay, _Mapping]]] = ..., carried_in_minor_decimal: _Optional[str] = ..., carried_out_minor_decimal: _Optional[str] = ...) -> None: ...

class InvoiceLineItem(_message.Message):
    __slots__ = ("meter", "display_name", "quantity", "unit_price_minor", "amount_minor", "unit_price_minor_decimal", "kind", "quantity_decimal", "amount_minor_decimal", "unit", "category", "used_month_unix")
    METER_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    UNIT_PRICE_MINOR_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    UNIT_PRICE_MINOR_DECIMAL_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_DECIMAL_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_DECIMAL_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    USED_MONTH_UNIX_FIELD_NUMBER: _ClassVar[int]
    meter: str
    display_name: str
    quantity: float
    unit_price_minor: int
    amount_minor: int
    unit_price_minor_decimal: str
    kind: str
    quantity_decimal: str
    amount_minor_decimal: str
    unit: str
    category: str
    used_month_unix: int
    def __init__(self, meter: _Optional[str] = ..., display_name: _Optional[str] = ..., quantity: _Optional[float] = ..., unit_price_minor: _Optional[int] = ..., amount_minor: _Optional[int] = ..., unit_price_minor_decimal: _Optional[str] = ..., kind: _Optional[str] = ..., quantity_decimal: _Optional[str] = ..., amount_minor_decimal: _Optional[str] = ..., unit: _Optional[str] = ..., category: _Optional[str] = ..., used_month_unix: _Optional[int] = ...) -> None: ...

class InvoiceShare(_message.Message):
    __slots__ = ("title", "amount_minor")
    TITLE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    title: str
    amount_minor: int
    def __init__(self, title: _Optional[str] = ..., amount_minor: _Optional[int] = ...) -> None: ...

class InvoiceDay(_message.Message):
    __slots__ = ("day_start_unix", "amount_minor")
    DAY_START_UNIX_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    day_start_unix: int
    amount_minor: int
    def __init__(self, day_start_unix: _Optional[int] = ..., amount_minor: _Optional[int] = ...) -> None: ...
