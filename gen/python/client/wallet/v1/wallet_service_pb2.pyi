from buf.validate import validate_pb2 as _validate_pb2
from wallet.v1 import activity_pb2 as _activity_pb2
from wallet.v1 import invoice_pb2 as _invoice_pb2
from wallet.v1 import meter_rate_pb2 as _meter_rate_pb2
from wallet.v1 import payment_method_pb2 as _payment_method_pb2
from wallet.v1 import promotion_pb2 as _promotion_pb2
from wallet.v1 import spending_pb2 as _spending_pb2
from wallet.v1 import top_up_pb2 as _top_up_pb2
from wallet.v1 import usage_pb2 as _usage_pb2
from wallet.v1 import wallet_pb2 as _wallet_pb2
from wallet.v1 import wallet_config_pb2 as _wallet_config_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListBillingAccountsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListBillingAccountsResponse(_message.Message):
    __slots__ = ("billing_accounts", "next_page_token")
    BILLING_ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    billing_accounts: _containers.RepeatedCompositeFieldContainer[_wallet_pb2.BillingAccount]
    next_page_token: str
    def __init__(self, billing_accounts: _Optional[_Iterable[_Union[_wallet_pb2.BillingAccount, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetBillingAccountRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetBillingAccountResponse(_message.Message):
    __slots__ = ("billing_account",)
    BILLING_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    billing_account: _wallet_pb2.BillingAccount
    def __init__(self, billing_account: _Optional[_Union[_wallet_pb2.BillingAccount, _Mapping]] = ...) -> None: ...

class GetWalletRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetWalletResponse(_message.Message):
    __slots__ = ("wallet",)
    WALLET_FIELD_NUMBER: _ClassVar[int]
    wallet: _wallet_pb2.Wallet
    def __init__(self, wallet: _Optional[_Union[_wallet_pb2.Wallet, _Mapping]] = ...) -> None: ...

class GetWalletBalanceRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetWalletBalanceResponse(_message.Message):
    __slots__ = ("wallet_name", "balance_minor", "currency", "last_journal_unix", "available_minor", "held_minor", "carry_minor_decimal")
    WALLET_NAME_FIELD_NUMBER: _ClassVar[int]
    BALANCE_MINOR_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    LAST_JOURNAL_UNIX_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_MINOR_FIELD_NUMBER: _ClassVar[int]
    HELD_MINOR_FIELD_NUMBER: _ClassVar[int]
    CARRY_MINOR_DECIMAL_FIELD_NUMBER: _ClassVar[int]
    wallet_name: str
    balance_minor: int
    currency: str
    last_journal_unix: int
    available_minor: int
    held_minor: int
    carry_minor_decimal: str
    def __init__(self, wallet_name: _Optional[str] = ..., balance_minor: _Optional[int] = ..., currency: _Optional[str] = ..., last_journal_unix: _Optional[int] = ..., available_minor: _Optional[int] = ..., held_minor: _Optional[int] = ..., carry_minor_decimal: _Optional[str] = ...) -> None: ...

class ListPublicMeterRatesRequest(_message.Message):
    __slots__ = ("meter_prefix", "currency", "page_size", "page_token")
    METER_PREFIX_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    meter_prefix: str
    currency: str
    page_size: int
    page_token: str
    def __init__(self, meter_prefix: _Optional[str] = ..., currency: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPublicMeterRatesResponse(_message.Message):
    __slots__ = ("public_meter_rates", "next_page_token")
    PUBLIC_METER_RATES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    public_meter_rates: _containers.RepeatedCompositeFieldContainer[_meter_rate_pb2.PublicMeterRate]
    next_page_token: str
    def __init__(self, public_meter_rates: _Optional[_Iterable[_Union[_meter_rate_pb2.PublicMeterRate, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class AttachPaymentMethodRequest(_message.Message):
    __slots__ = ("name", "billing_account_name", "stripe_payment_method_id", "make_default")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BILLING_ACCOUNT_NAME_FIELD_NUMBER: _ClassVar[int]
    STRIPE_PAYMENT_METHOD_ID_FIELD_NUMBER: _ClassVar[int]
    MAKE_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    name: str
    billing_account_name: str
    stripe_payment_method_id: str
    make_default: bool
    def __init__(self, name: _Optional[str] = ..., billing_account_name: _Optional[str] = ..., stripe_payment_method_id: _Optional[str] = ..., make_default: _Optional[bool] = ...) -> None: ...

class AttachPaymentMethodResponse(_message.Message):
    __slots__ = ("payment_method",)
    PAYMENT_METHOD_FIELD_NUMBER: _ClassVar[int]
    payment_method: _payment_method_pb2.PaymentMethod
    def __init__(self, payment_method: _Optional[_Union[_payment_method_pb2.PaymentMethod, _Mapping]] = ...) -> None: ...

class ListPaymentMethodsRequest(_message.Message):
    __slots__ = ("billing_account_name", "page_size", "page_token")
    BILLING_ACCOUNT_NAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    billing_account_name: str
    page_size: int
    page_token: str
    def __init__(self, billing_account_name: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPaymentMethodsResponse(_message.Message):
    __slots__ = ("payment_methods", "next_page_token")
    PAYMENT_METHODS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    payment_methods: _containers.RepeatedCompositeFieldContainer[_payment_method_pb2.PaymentMethod]
    next_page_token: str
    def __init__(self, payment_methods: _Optional[_Iterable[_Union[_payment_method_pb2.PaymentMethod, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DetachPaymentMethodRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DetachPaymentMethodResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SetDefaultPaymentMethodRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class SetDefaultPaymentMethodResponse(_message.Message):
    __slots__ = ("payment_method",)
    PAYMENT_METHOD_FIELD_NUMBER: _ClassVar[int]
    payment_method: _payment_method_pb2.PaymentMethod
    def __init__(self, payment_method: _Optional[_Union[_payment_method_pb2.PaymentMethod, _Mapping]] = ...) -> None: ...

class ListInvoicesRequest(_message.Message):
    __slots__ = ("billing_account_name", "page_size", "page_token", "type")
    BILLING_ACCOUNT_NAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    billing_account_name: str
    page_size: int
    page_token: str
    type: str
    def __init__(self, billing_account_name: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., type: _Optional[str] = ...) -> None: ...

class ListInvoicesResponse(_message.Message):
    __slots__ = ("invoices", "next_page_token")
    INVOICES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    invoices: _containers.RepeatedCompositeFieldContainer[_invoice_pb2.Invoice]
    next_page_token: str
    def __init__(self, invoices: _Optional[_Iterable[_Union[_invoice_pb2.Invoice, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetInvoiceRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetInvoiceResponse(_message.Message):
    __slots__ = ("invoice",)
    INVOICE_FIELD_NUMBER: _ClassVar[int]
    invoice: _invoice_pb2.Invoice
    def __init__(self, invoice: _Optional[_Union[_invoice_pb2.Invoice, _Mapping]] = ...) -> None: ...

class DownloadInvoicePDFRequest(_message.Message):
    __slots__ = ("name", "paper")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PAPER_FIELD_NUMBER: _ClassVar[int]
    name: str
    paper: str
    def __init__(self, name: _Optional[str] = ..., paper: _Optional[str] = ...) -> None: ...

class DownloadInvoicePDFResponse(_message.Message):
    __slots__ = ("download_url", "expires_at_unix")
    DOWNLOAD_URL_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_UNIX_FIELD_NUMBER: _ClassVar[int]
    download_url: str
    expires_at_unix: int
    def __init__(self, download_url: _Optional[str] = ..., expires_at_unix: _Optional[int] = ...) -> None: ...

class ConfigureAutoRechargeRequest(_message.Message):
    __slots__ = ("wallet_name", "enabled", "threshold_minor", "amount_minor", "payment_method_name", "daily_cap_minor", "monthly_cap_minor", "close_gap_max_minor", "cooldown_seconds", "mandate_text")
    WALLET_NAME_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_MINOR_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_METHOD_NAME_FIELD_NUMBER: _ClassVar[int]
    DAILY_CAP_MINOR_FIELD_NUMBER: _ClassVar[int]
    MONTHLY_CAP_MINOR_FIELD_NUMBER: _ClassVar[int]
    CLOSE_GAP_MAX_MINOR_FIELD_NUMBER: _ClassVar[int]
    COOLDOWN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MANDATE_TEXT_FIELD_NUMBER: _ClassVar[int]
    wallet_name: str
    enabled: bool
    threshold_minor: int
    amount_minor: int
    payment_method_name: str
    daily_cap_minor: int
    monthly_cap_minor: int
    close_gap_max_minor: int
    cooldown_seconds: int
    mandate_text: str
    def __init__(self, wallet_name: _Optional[str] = ..., enabled: _Optional[bool] = ..., threshold_minor: _Optional[int] = ..., amount_minor: _Optional[int] = ..., payment_method_name: _Optional[str] = ..., daily_cap_minor: _Optional[int] = ..., monthly_cap_minor: _Optional[int] = ..., close_gap_max_minor: _Optional[int] = ..., cooldown_seconds: _Optional[int] = ..., mandate_text: _Optional[str] = ...) -> None: ...

class ConfigureAutoRechargeResponse(_message.Message):
    __slots__ = ("config",)
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    config: _wallet_config_pb2.AutoRechargeConfig
    def __init__(self, config: _Optional[_Union[_wallet_config_pb2.AutoRechargeConfig, _Mapping]] = ...) -> None: ...

class GetAutoRechargeConfigRequest(_message.Message):
    __slots__ = ("wallet_name",)
    WALLET_NAME_FIELD_NUMBER: _ClassVar[int]
    wallet_name: str
    def __init__(self, wallet_name: _Optional[str] = ...) -> None: ...

class GetAutoRechargeConfigResponse(_message.Message):
    __slots__ = ("config",)
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    config: _wallet_config_pb2.AutoRechargeConfig
    def __init__(self, config: _Optional[_Union[_wallet_config_pb2.AutoRechargeConfig, _Mapping]] = ...) -> None: ...

class GetCostForecastRequest(_message.Message):
    __slots__ = ("billing_account_name", "period", "wallet_name")
    BILLING_ACCOUNT_NAME_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    WALLET_NAME_FIELD_NUMBER: _ClassVar[int]
    billing_account_name: str
    period: str
    wallet_name: str
    def __init__(self, billing_account_name: _Optional[str] = ..., period: _Optional[str] = ..., wallet_name: _Optional[str] = ...) -> None: ...

class GetCostForecastResponse(_message.Message):
    __slots__ = ("currency", "mtd_spend_minor", "days_elapsed", "days_in_period", "projected_period_total_minor", "daily_run_rate_minor", "period_start_unix", "period_end_unix", "pattern_total_minor", "pattern_total_p10_minor", "pattern_total_p90_minor", "depletes_at_unix", "depletes_at_p10_unix", "depletes_at_p90_unix", "days_remaining", "method", "categories", "committed_hourly_minor_decimal")
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    MTD_SPEND_MINOR_FIELD_NUMBER: _ClassVar[int]
    DAYS_ELAPSED_FIELD_NUMBER: _ClassVar[int]
    DAYS_IN_PERIOD_FIELD_NUMBER: _ClassVar[int]
    PROJECTED_PERIOD_TOTAL_MINOR_FIELD_NUMBER: _ClassVar[int]
    DAILY_RUN_RATE_MINOR_FIELD_NUMBER: _ClassVar[int]
    PERIOD_START_UNIX_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_UNIX_FIELD_NUMBER: _ClassVar[int]
    PATTERN_TOTAL_MINOR_FIELD_NUMBER: _ClassVar[int]
    PATTERN_TOTAL_P10_MINOR_FIELD_NUMBER: _ClassVar[int]
    PATTERN_TOTAL_P90_MINOR_FIELD_NUMBER: _ClassVar[int]
    DEPLETES_AT_UNIX_FIELD_NUMBER: _ClassVar[int]
    DEPLETES_AT_P10_UNIX_FIELD_NUMBER: _ClassVar[int]
    DEPLETES_AT_P90_UNIX_FIELD_NUMBER: _ClassVar[int]
    DAYS_REMAINING_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_HOURLY_MINOR_DECIMAL_FIELD_NUMBER: _ClassVar[int]
    currency: str
    mtd_spend_minor: int
    days_elapsed: int
    days_in_period: int
    projected_period_total_minor: int
    daily_run_rate_minor: int
    period_start_unix: int
    period_end_unix: int
    pattern_total_minor: int
    pattern_total_p10_minor: int
    pattern_total_p90_minor: int
    depletes_at_unix: int
    depletes_at_p10_unix: int
    depletes_at_p90_unix: int
    days_remaining: int
    method: str
    categories: _containers.RepeatedCompositeFieldContainer[CategoryForecast]
    committed_hourly_minor_decimal: str
    def __init__(self, currency: _Optional[str] = ..., mtd_spend_minor: _Optional[int] = ..., days_elapsed: _Optional[int] = ..., days_in_period: _Optional[int] = ..., projected_period_total_minor: _Optional[int] = ..., daily_run_rate_minor: _Optional[int] = ..., period_start_unix: _Optional[int] = ..., period_end_unix: _Optional[int] = ..., pattern_total_minor: _Optional[int] = ..., pattern_total_p10_minor: _Optional[int] = ..., pattern_total_p90_minor: _Optional[int] = ..., depletes_at_unix: _Optional[int] = ..., depletes_at_p10_unix: _Optional[int] = ..., depletes_at_p90_unix: _Optional[int] = ..., days_remaining: _Optional[int] = ..., method: _Optional[str] = ..., categories: _Optional[_Iterable[_Union[CategoryForecast, _Mapping]]] = ..., committed_hourly_minor_decimal: _Optional[str] = ...) -> None: ...

class CategoryForecast(_message.Message):
    __slots__ = ("category", "spend_minor", "projected_minor")
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    SPEND_MINOR_FIELD_NUMBER: _ClassVar[int]
    PROJECTED_MINOR_FIELD_NUMBER: _ClassVar[int]
    category: str
    spend_minor: int
    projected_minor: int
    def __init__(self, category: _Optional[str] = ..., spend_minor: _Optional[int] = ..., projected_minor: _Optional[int] = ...) -> None: ...

class ConfigureWalletAlertsRequest(_message.Message):
    __slots__ = ("wallet_name", "balance_alert_minor", "days_remaining_alert")
    WALLET_NAME_FIELD_NUMBER: _ClassVar[int]
    BALANCE_ALERT_MINOR_FIELD_NUMBER: _ClassVar[int]
    DAYS_REMAINING_ALERT_FIELD_NUMBER: _ClassVar[int]
    wallet_name: str
    balance_alert_minor: int
    days_remaining_alert: int
    def __init__(self, wallet_name: _Optional[str] = ..., balance_alert_minor: _Optional[int] = ..., days_remaining_alert: _Optional[int] = ...) -> None: ...

class ConfigureWalletAlertsResponse(_message.Message):
    __slots__ = ("config",)
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    config: _wallet_config_pb2.WalletAlertConfig
    def __init__(self, config: _Optional[_Union[_wallet_config_pb2.WalletAlertConfig, _Mapping]] = ...) -> None: ...

class GetWalletAlertsRequest(_message.Message):
    __slots__ = ("wallet_name",)
    WALLET_NAME_FIELD_NUMBER: _ClassVar[int]
    wallet_name: str
    def __init__(self, wallet_name: _Optional[str] = ...) -> None: ...

class GetWalletAlertsResponse(_message.Message):
    __slots__ = ("config",)
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    config: _wallet_config_pb2.WalletAlertConfig
    def __init__(self, config: _Optional[_Union[_wallet_config_pb2.WalletAlertConfig, _Mapping]] = ...) -> None: ...

class CreateStripeTopUpIntentRequest(_message.Message):
    __slots__ = ("wallet_name", "amount_minor", "currency", "payment_method_name", "idempotency_key")
    WALLET_NAME_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_METHOD_NAME_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    wallet_name: str
    amount_minor: int
    currency: str
    payment_method_name: str
    idempotency_key: str
    def __init__(self, wallet_name: _Optional[str] = ..., amount_minor: _Optional[int] = ..., currency: _Optional[str] = ..., payment_method_name: _Optional[str] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class CreateStripeTopUpIntentResponse(_message.Message):
    __slots__ = ("top_up", "client_secret")
    TOP_UP_FIELD_NUMBER: _ClassVar[int]
    CLIENT_SECRET_FIELD_NUMBER: _ClassVar[int]
    top_up: _top_up_pb2.TopUp
    client_secret: str
    def __init__(self, top_up: _Optional[_Union[_top_up_pb2.TopUp, _Mapping]] = ..., client_secret: _Optional[str] = ...) -> None: ...

class CreateCardSetupIntentRequest(_message.Message):
    __slots__ = ("billing_account_name", "idempotency_key")
    BILLING_ACCOUNT_NAME_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    billing_account_name: str
    idempotency_key: str
    def __init__(self, billing_account_name: _Optional[str] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class CreateCardSetupIntentResponse(_message.Message):
    __slots__ = ("client_secret",)
    CLIENT_SECRET_FIELD_NUMBER: _ClassVar[int]
    client_secret: str
    def __init__(self, client_secret: _Optional[str] = ...) -> None: ...

class CreateCoinbaseTopUpCheckoutRequest(_message.Message):
    __slots__ = ("wallet_name", "amount_minor", "currency", "idempotency_key")
    WALLET_NAME_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    wallet_name: str
    amount_minor: int
    currency: str
    idempotency_key: str
    def __init__(self, wallet_name: _Optional[str] = ..., amount_minor: _Optional[int] = ..., currency: _Optional[str] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class CreateCoinbaseTopUpCheckoutResponse(_message.Message):
    __slots__ = ("top_up", "hosted_url")
    TOP_UP_FIELD_NUMBER: _ClassVar[int]
    HOSTED_URL_FIELD_NUMBER: _ClassVar[int]
    top_up: _top_up_pb2.TopUp
    hosted_url: str
    def __init__(self, top_up: _Optional[_Union[_top_up_pb2.TopUp, _Mapping]] = ..., hosted_url: _Optional[str] = ...) -> None: ...

class ListTopUpsRequest(_message.Message):
    __slots__ = ("wallet_name", "state", "page_size", "page_token")
    WALLET_NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    wallet_name: str
    state: str
    page_size: int
    page_token: str
    def __init__(self, wallet_name: _Optional[str] = ..., state: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListTopUpsResponse(_message.Message):
    __slots__ = ("top_ups", "next_page_token")
    TOP_UPS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    top_ups: _containers.RepeatedCompositeFieldContainer[_top_up_pb2.TopUp]
    next_page_token: str
    def __init__(self, top_ups: _Optional[_Iterable[_Union[_top_up_pb2.TopUp, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetTopUpRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetTopUpResponse(_message.Message):
    __slots__ = ("top_up",)
    TOP_UP_FIELD_NUMBER: _ClassVar[int]
    top_up: _top_up_pb2.TopUp
    def __init__(self, top_up: _Optional[_Union[_top_up_pb2.TopUp, _Mapping]] = ...) -> None: ...

class QueryUsageRequest(_message.Message):
    __slots__ = ("project_name", "organization_name", "meter_prefix", "start_time_unix", "end_time_unix", "bucket", "dimensions", "page_size", "page_token", "group_by")
    PROJECT_NAME_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_NAME_FIELD_NUMBER: _ClassVar[int]
    METER_PREFIX_FIELD_NUMBER: _ClassVar[int]
    START_TIME_UNIX_FIELD_NUMBER: _ClassVar[int]
    END_TIME_UNIX_FIELD_NUMBER: _ClassVar[int]
    BUCKET_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    project_name: str
    organization_name: str
    meter_prefix: str
    start_time_unix: int
    end_time_unix: int
    bucket: str
    dimensions: _containers.RepeatedScalarFieldContainer[str]
    page_size: int
    page_token: str
    group_by: _usage_pb2.UsageGroupBy
    def __init__(self, project_name: _Optional[str] = ..., organization_name: _Optional[str] = ..., meter_prefix: _Optional[str] = ..., start_time_unix: _Optional[int] = ..., end_time_unix: _Optional[int] = ..., bucket: _Optional[str] = ..., dimensions: _Optional[_Iterable[str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., group_by: _Optional[_Union[_usage_pb2.UsageGroupBy, str]] = ...) -> None: ...

class QueryUsageResponse(_message.Message):
    __slots__ = ("rows", "next_page_token", "egress_free_gib")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EGRESS_FREE_GIB_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[_usage_pb2.UsageRow]
    next_page_token: str
    egress_free_gib: int
    def __init__(self, rows: _Optional[_Iterable[_Union[_usage_pb2.UsageRow, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., egress_free_gib: _Optional[int] = ...) -> None: ...

class ExportUsageRequest(_message.Message):
    __slots__ = ("project_name", "organization_name", "meter_prefix", "start_time_unix", "end_time_unix", "format", "max_rows")
    PROJECT_NAME_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_NAME_FIELD_NUMBER: _ClassVar[int]
    METER_PREFIX_FIELD_NUMBER: _ClassVar[int]
    START_TIME_UNIX_FIELD_NUMBER: _ClassVar[int]
    END_TIME_UNIX_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    MAX_ROWS_FIELD_NUMBER: _ClassVar[int]
    project_name: str
    organization_name: str
    meter_prefix: str
    start_time_unix: int
    end_time_unix: int
    format: str
    max_rows: int
    def __init__(self, project_name: _Optional[str] = ..., organization_name: _Optional[str] = ..., meter_prefix: _Optional[str] = ..., start_time_unix: _Optional[int] = ..., end_time_unix: _Optional[int] = ..., format: _Optional[str] = ..., max_rows: _Optional[int] = ...) -> None: ...

class ExportUsageResponse(_message.Message):
    __slots__ = ("download_url", "expires_at_unix", "row_count", "object_key")
    DOWNLOAD_URL_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_UNIX_FIELD_NUMBER: _ClassVar[int]
    ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    OBJECT_KEY_FIELD_NUMBER: _ClassVar[int]
    download_url: str
    expires_at_unix: int
    row_count: int
    object_key: str
    def __init__(self, download_url: _Optional[str] = ..., expires_at_unix: _Optional[int] = ..., row_count: _Optional[int] = ..., object_key: _Optional[str] = ...) -> None: ...

class RedeemPromotionCodeRequest(_message.Message):
    __slots__ = ("code", "organization_name")
    CODE_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_NAME_FIELD_NUMBER: _ClassVar[int]
    code: str
    organization_name: str
    def __init__(self, code: _Optional[str] = ..., organization_name: _Optional[str] = ...) -> None: ...

class RedeemPromotionCodeResponse(_message.Message):
    __slots__ = ("promotion",)
    PROMOTION_FIELD_NUMBER: _ClassVar[int]
    promotion: _promotion_pb2.ActivePromotion
    def __init__(self, promotion: _Optional[_Union[_promotion_pb2.ActivePromotion, _Mapping]] = ...) -> None: ...

class GetActivePromotionRequest(_message.Message):
    __slots__ = ("organization_name",)
    ORGANIZATION_NAME_FIELD_NUMBER: _ClassVar[int]
    organization_name: str
    def __init__(self, organization_name: _Optional[str] = ...) -> None: ...

class GetActivePromotionResponse(_message.Message):
    __slots__ = ("promotion",)
    PROMOTION_FIELD_NUMBER: _ClassVar[int]
    promotion: _promotion_pb2.ActivePromotion
    def __init__(self, promotion: _Optional[_Union[_promotion_pb2.ActivePromotion, _Mapping]] = ...) -> None: ...

class DeleteAutoRechargeRequest(_message.Message):
    __slots__ = ("wallet_name",)
    WALLET_NAME_FIELD_NUMBER: _ClassVar[int]
    wallet_name: str
    def __init__(self, wallet_name: _Optional[str] = ...) -> None: ...

class DeleteAutoRechargeResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ConfirmTopUpRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ConfirmTopUpResponse(_message.Message):
    __slots__ = ("top_up", "client_secret")
    TOP_UP_FIELD_NUMBER: _ClassVar[int]
    CLIENT_SECRET_FIELD_NUMBER: _ClassVar[int]
    top_up: _top_up_pb2.TopUp
    client_secret: str
    def __init__(self, top_up: _Optional[_Union[_top_up_pb2.TopUp, _Mapping]] = ..., client_secret: _Optional[str] = ...) -> None: ...

class GetInvoicePreviewRequest(_message.Message):
    __slots__ = ("billing_account_name",)
    BILLING_ACCOUNT_NAME_FIELD_NUMBER: _ClassVar[int]
    billing_account_name: str
    def __init__(self, billing_account_name: _Optional[str] = ...) -> None: ...

class GetInvoicePreviewResponse(_message.Message):
    __slots__ = ("invoice",)
    INVOICE_FIELD_NUMBER: _ClassVar[int]
    invoice: _invoice_pb2.Invoice
    def __init__(self, invoice: _Optional[_Union[_invoice_pb2.Invoice, _Mapping]] = ...) -> None: ...
