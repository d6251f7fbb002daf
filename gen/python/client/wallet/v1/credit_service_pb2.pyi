from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TopUpConfig(_message.Message):
    __slots__ = ("amount", "threshold", "disabled_reason", "error", "last_failed_at")
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    DISABLED_REASON_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    LAST_FAILED_AT_FIELD_NUMBER: _ClassVar[int]
    amount: int
    threshold: int
    disabled_reason: str
    error: str
    last_failed_at: int
    def __init__(self, amount: _Optional[int] = ..., threshold: _Optional[int] = ..., disabled_reason: _Optional[str] = ..., error: _Optional[str] = ..., last_failed_at: _Optional[int] = ...) -> None: ...

class CreditPaymentMethod(_message.Message):
    __slots__ = ("brand", "last4")
    BRAND_FIELD_NUMBER: _ClassVar[int]
    LAST4_FIELD_NUMBER: _ClassVar[int]
    brand: str
    last4: str
    def __init__(self, brand: _Optional[str] = ..., last4: _Optional[str] = ...) -> None: ...

class GetCreditBalanceRequest(_message.Message):
    __slots__ = ("organization_name",)
    ORGANIZATION_NAME_FIELD_NUMBER: _ClassVar[int]
    organization_name: str
    def __init__(self, organization_name: _Optional[str] = ...) -> None: ...

class GetCreditBalanceResponse(_message.Message):
    __slots__ = ("balance", "balance_decimal", "currency", "has_default_payment_method", "payment_method", "topup_config", "first_topup_success")
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    BALANCE_DECIMAL_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    HAS_DEFAULT_PAYMENT_METHOD_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_METHOD_FIELD_NUMBER: _ClassVar[int]
    TOPUP_CONFIG_FIELD_NUMBER: _ClassVar[int]
    FIRST_TOPUP_SUCCESS_FIELD_NUMBER: _ClassVar[int]
    balance: float
    balance_decimal: str
    currency: str
    has_default_payment_method: bool
    payment_method: CreditPaymentMethod
    topup_config: TopUpConfig
    first_topup_success: bool
    def __init__(self, balance: _Optional[float] = ..., balance_decimal: _Optional[str] = ..., currency: _Optional[str] = ..., has_default_payment_method: _Optional[bool] = ..., payment_method: _Optional[_Union[CreditPaymentMethod, _Mapping]] = ..., topup_config: _Optional[_Union[TopUpConfig, _Mapping]] = ..., first_topup_success: _Optional[bool] = ...) -> None: ...

class GetUsageHistoryRequest(_message.Message):
    __slots__ = ("organization_name", "value_grouping_window", "start_time", "end_time", "page_size", "page_token")
    ORGANIZATION_NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_GROUPING_WINDOW_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    organization_name: str
    value_grouping_window: str
    start_time: int
    end_time: int
    page_size: int
    page_token: str
    def __init__(self, organization_name: _Optional[str] = ..., value_grouping_window: _Optional[str] = ..., start_time: _Optional[int] = ..., end_time: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class GetUsageHistoryResponse(_message.Message):
    __slots__ = ("history", "next_page_token")
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    history: _containers.RepeatedCompositeFieldContainer[UsageWindow]
    next_page_token: str
    def __init__(self, history: _Optional[_Iterable[_Union[UsageWindow, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UsageWindow(_message.Message):
    __slots__ = ("id", "aggregated_value", "aggregated_value_decimal", "start_time", "end_time")
    ID_FIELD_NUMBER: _ClassVar[int]
    AGGREGATED_VALUE_FIELD_NUMBER: _ClassVar[int]
    AGGREGATED_VALUE_DECIMAL_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    id: str
    aggregated_value: float
    aggregated_value_decimal: str
    start_time: int
    end_time: int
    def __init__(self, id: _Optional[str] = ..., aggregated_value: _Optional[float] = ..., aggregated_value_decimal: _Optional[str] = ..., start_time: _Optional[int] = ..., end_time: _Optional[int] = ...) -> None: ...

class GetInvoiceHistoryRequest(_message.Message):
    __slots__ = ("organization_name", "type", "page_size", "page_token")
    ORGANIZATION_NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    organization_name: str
    type: str
    page_size: int
    page_token: str
    def __init__(self, organization_name: _Optional[str] = ..., type: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class GetInvoiceHistoryResponse(_message.Message):
    __slots__ = ("invoices", "next_page_token")
    INVOICES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    invoices: _containers.RepeatedCompositeFieldContainer[CreditInvoice]
    next_page_token: str
    def __init__(self, invoices: _Optional[_Iterable[_Union[CreditInvoice, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CreditInvoice(_message.Message):
    __slots__ = ("id", "amount_due", "amount_paid", "amount_remaining", "currency", "created", "description", "invoice_origin", "status")
    ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_DUE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_PAID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_REMAINING_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    INVOICE_ORIGIN_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    id: str
    amount_due: int
    amount_paid: int
    amount_remaining: int
    currency: str
    created: int
    description: str
    invoice_origin: str
    status: str
    def __init__(self, id: _Optional[str] = ..., amount_due: _Optional[int] = ..., amount_paid: _Optional[int] = ..., amount_remaining: _Optional[int] = ..., currency: _Optional[str] = ..., created: _Optional[int] = ..., description: _Optional[str] = ..., invoice_origin: _Optional[str] = ..., status: _Optional[str] = ...) -> None: ...

class CreditServiceGetInvoicePreviewRequest(_message.Message):
    __slots__ = ("organization_name",)
    ORGANIZATION_NAME_FIELD_NUMBER: _ClassVar[int]
    organization_name: str
    def __init__(self, organization_name: _Optional[str] = ...) -> None: ...

class CreditServiceGetInvoicePreviewResponse(_message.Message):
    __slots__ = ("amount_due", "amount_paid", "amount_remaining", "currency", "invoice_lines", "period_start", "period_end", "status")
    AMOUNT_DUE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_PAID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_REMAINING_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    INVOICE_LINES_FIELD_NUMBER: _ClassVar[int]
    PERIOD_START_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    amount_due: int
    amount_paid: int
    amount_remaining: int
    currency: str
    invoice_lines: _containers.RepeatedCompositeFieldContainer[CreditInvoiceLine]
    period_start: int
    period_end: int
    status: str
    def __init__(self, amount_due: _Optional[int] = ..., amount_paid: _Optional[int] = ..., amount_remaining: _Optional[int] = ..., currency: _Optional[str] = ..., invoice_lines: _Optional[_Iterable[_Union[CreditInvoiceLine, _Mapping]]] = ..., period_start: _Optional[int] = ..., period_end: _Optional[int] = ..., status: _Optional[str] = ...) -> None: ...

class CreditInvoiceLine(_message.Message):
    __slots__ = ("amount", "currency", "description", "unit_amount_decimal", "quantity")
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    UNIT_AMOUNT_DECIMAL_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    amount: int
    currency: str
    description: str
    unit_amount_decimal: str
    quantity: str
    def __init__(self, amount: _Optional[int] = ..., currency: _Optional[str] = ..., description: _Optional[str] = ..., unit_amount_decimal: _Optional[str] = ..., quantity: _Optional[str] = ...) -> None: ...

class CreateTopUpRequest(_message.Message):
    __slots__ = ("organization_name", "amount", "idempotency_key")
    ORGANIZATION_NAME_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    organization_name: str
    amount: int
    idempotency_key: str
    def __init__(self, organization_name: _Optional[str] = ..., amount: _Optional[int] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class CreateTopUpResponse(_message.Message):
    __slots__ = ("client_secret", "onboarding", "payment_intent_id", "brand", "last4")
    CLIENT_SECRET_FIELD_NUMBER: _ClassVar[int]
    ONBOARDING_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_INTENT_ID_FIELD_NUMBER: _ClassVar[int]
    BRAND_FIELD_NUMBER: _ClassVar[int]
    LAST4_FIELD_NUMBER: _ClassVar[int]
    client_secret: str
    onboarding: bool
    payment_intent_id: str
    brand: str
    last4: str
    def __init__(self, client_secret: _Optional[str] = ..., onboarding: _Optional[bool] = ..., payment_intent_id: _Optional[str] = ..., brand: _Optional[str] = ..., last4: _Optional[str] = ...) -> None: ...

class GetTopUpStatusRequest(_message.Message):
    __slots__ = ("organization_name", "payment_intent_id")
    ORGANIZATION_NAME_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_INTENT_ID_FIELD_NUMBER: _ClassVar[int]
    organization_name: str
    payment_intent_id: str
    def __init__(self, organization_name: _Optional[str] = ..., payment_intent_id: _Optional[str] = ...) -> None: ...

class GetTopUpStatusResponse(_message.Message):
    __slots__ = ("payment_intent_id", "status", "failure_message")
    PAYMENT_INTENT_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    payment_intent_id: str
    status: str
    failure_message: str
    def __init__(self, payment_intent_id: _Optional[str] = ..., status: _Optional[str] = ..., failure_message: _Optional[str] = ...) -> None: ...

class GetTopUpConfigRequest(_message.Message):
    __slots__ = ("organization_name",)
    ORGANIZATION_NAME_FIELD_NUMBER: _ClassVar[int]
    organization_name: str
    def __init__(self, organization_name: _Optional[str] = ...) -> None: ...

class GetTopUpConfigResponse(_message.Message):
    __slots__ = ("config",)
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    config: TopUpConfig
    def __init__(self, config: _Optional[_Union[TopUpConfig, _Mapping]] = ...) -> None: ...

class SetTopUpConfigRequest(_message.Message):
    __slots__ = ("organization_name", "amount", "threshold")
    ORGANIZATION_NAME_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    organization_name: str
    amount: int
    threshold: int
    def __init__(self, organization_name: _Optional[str] = ..., amount: _Optional[int] = ..., threshold: _Optional[int] = ...) -> None: ...

class SetTopUpConfigResponse(_message.Message):
    __slots__ = ("config",)
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    config: TopUpConfig
    def __init__(self, config: _Optional[_Union[TopUpConfig, _Mapping]] = ...) -> None: ...

class DeleteTopUpConfigRequest(_message.Message):
    __slots__ = ("organization_name",)
    ORGANIZATION_NAME_FIELD_NUMBER: _ClassVar[int]
    organization_name: str
    def __init__(self, organization_name: _Optional[str] = ...) -> None: ...

class DeleteTopUpConfigResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CreditServiceGetSpendingLimitRequest(_message.Message):
    __slots__ = ("organization_name",)
    ORGANIZATION_NAME_FIELD_NUMBER: _ClassVar[int]
    organization_name: str
    def __init__(self, organization_name: _Optional[str] = ...) -> None: ...

class CreditServiceGetSpendingLimitResponse(_message.Message):
    __slots__ = ("enabled", "config")
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    enabled: bool
    config: SpendingLimitConfig
    def __init__(self, enabled: _Optional[bool] = ..., config: _Optional[_Union[SpendingLimitConfig, _Mapping]] = ...) -> None: ...

class SpendingLimitConfig(_message.Message):
    __slots__ = ("amount", "duration", "strategy")
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    amount: int
    duration: str
    strategy: str
    def __init__(self, amount: _Optional[int] = ..., duration: _Optional[str] = ..., strategy: _Optional[str] = ...) -> None: ...

class CreditServiceSetSpendingLimitRequest(_message.Message):
    __slots__ = ("organization_name", "config")
    ORGANIZATION_NAME_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    organization_name: str
    config: SpendingLimitConfig
    def __init__(self, organization_name: _Optional[str] = ..., config: _Optional[_Union[SpendingLimitConfig, _Mapping]] = ...) -> None: ...

class CreditServiceSetSpendingLimitResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CreditServiceDeleteSpendingLimitRequest(_message.Message):
    __slots__ = ("organization_name",)
    ORGANIZATION_NAME_FIELD_NUMBER: _ClassVar[int]
    organization_name: str
    def __init__(self, organization_name: _Optional[str] = ...) -> None: ...

class CreditServiceDeleteSpendingLimitResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
