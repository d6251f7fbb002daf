from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class WalletAlertConfig(_message.Message):
    __slots__ = ("wallet_name", "balance_alert_minor", "days_remaining_alert", "last_balance_fired_at_unix", "last_days_fired_at_unix", "currency")
    WALLET_NAME_FIELD_NUMBER: _ClassVar[int]
    BALANCE_ALERT_MINOR_FIELD_NUMBER: _ClassVar[int]
    DAYS_REMAINING_ALERT_FIELD_NUMBER: _ClassVar[int]
    LAST_BALANCE_FIRED_AT_UNIX_FIELD_NUMBER: _ClassVar[int]
    LAST_DAYS_FIRED_AT_UNIX_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    wallet_name: str
    balance_alert_minor: int
    days_remaining_alert: int
    last_balance_fired_at_unix: int
    last_days_fired_at_unix: int
    currency: str
    def __init__(self, wallet_name: _Optional[str] = ..., balance_alert_minor: _Optional[int] = ..., days_remaining_alert: _Optional[int] = ..., last_balance_fired_at_unix: _Optional[int] = ..., last_days_fired_at_unix: _Optional[int] = ..., currency: _Optional[str] = ...) -> None: ...

class AutoRechargeConfig(_message.Message):
    __slots__ = ("wallet_name", "enabled", "threshold_minor", "amount_minor", "payment_method_name", "currency", "last_auto_recharge_at_unix", "disabled_reason", "last_error", "last_failed_at_unix", "next_attempt_at_unix", "daily_cap_minor", "monthly_cap_minor", "close_gap_max_minor", "cooldown_seconds", "consented_at_unix", "mandate_text", "pending_top_up_name")
    WALLET_NAME_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_MINOR_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_METHOD_NAME_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    LAST_AUTO_RECHARGE_AT_UNIX_FIELD_NUMBER: _ClassVar[int]
    DISABLED_REASON_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    LAST_FAILED_AT_UNIX_FIELD_NUMBER: _ClassVar[int]
    NEXT_ATTEMPT_AT_UNIX_FIELD_NUMBER: _ClassVar[int]
    DAILY_CAP_MINOR_FIELD_NUMBER: _ClassVar[int]
    MONTHLY_CAP_MINOR_FIELD_NUMBER: _ClassVar[int]
    CLOSE_GAP_MAX_MINOR_FIELD_NUMBER: _ClassVar[int]
    COOLDOWN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CONSENTED_AT_UNIX_FIELD_NUMBER: _ClassVar[int]
    MANDATE_TEXT_FIELD_NUMBER: _ClassVar[int]
    PENDING_TOP_UP_NAME_FIELD_NUMBER: _ClassVar[int]
    wallet_name: str
    enabled: bool
    threshold_minor: int
    amount_minor: int
    payment_method_name: str
    currency: str
    last_auto_recharge_at_unix: int
    disabled_reason: str
    last_error: str
    last_failed_at_unix: int
    next_attempt_at_unix: int
    daily_cap_minor: int
    monthly_cap_minor: int
    close_gap_max_minor: int
    cooldown_seconds: int
    consented_at_unix: int
    mandate_text: str
    pending_top_up_name: str
    def __init__(self, wallet_name: _Optional[str] = ..., enabled: _Optional[bool] = ..., threshold_minor: _Optional[int] = ..., amount_minor: _Optional[int] = ..., payment_method_name: _Optional[str] = ..., currency: _Optional[str] = ..., last_auto_recharge_at_unix: _Optional[int] = ..., disabled_reason: _Optional[str] = ..., last_error: _Optional[str] = ..., last_failed_at_unix: _Optional[int] = ..., next_attempt_at_unix: _Optional[int] = ..., daily_cap_minor: _Optional[int] = ..., monthly_cap_minor: _Optional[int] = ..., close_gap_max_minor: _Optional[int] = ..., cooldown_seconds: _Optional[int] = ..., consented_at_unix: _Optional[int] = ..., mandate_text: _Optional[str] = ..., pending_top_up_name: _Optional[str] = ...) -> None: ...
