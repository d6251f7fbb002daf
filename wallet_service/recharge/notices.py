"""What the world is told of automatic recharging. Pure: values in, events out."""

from wallet_service import names
from wallet_service.events.model import Data, EventType, NewEvent
from wallet_service.recharge.model import RechargeConfig
from wallet_service.recharge.rules import Skip
from wallet_service.topups.model import TopUp, TopUpFailure


def of_configuration(slug: str, config: RechargeConfig, currency: str) -> NewEvent:
    """Turned on, changed, or turned off by the customer."""
    terms = config.terms
    return _event(
        EventType.AUTO_RECHARGE_CONFIGURED,
        slug,
        {
            "enabled": config.is_enabled,
            "threshold_minor": terms.threshold_minor,
            "amount_minor": terms.amount_minor,
            "close_gap_max_minor": terms.close_gap_max_minor,
            "daily_cap_minor": terms.daily_cap_minor,
            "monthly_cap_minor": terms.monthly_cap_minor,
            "currency": currency,
            "payment_method": names.child("payment-methods", slug, terms.payment_method_id),
        },
    )


def of_deletion(slug: str) -> NewEvent:
    return _event(EventType.AUTO_RECHARGE_DELETED, slug, {})


def of_start(slug: str, topup: TopUp, *, available_minor: int, threshold_minor: int) -> NewEvent:
    about = {**_about(slug, topup), "available_minor": available_minor, "threshold_minor": threshold_minor}
    return _event(EventType.AUTO_RECHARGE_STARTED, slug, about)


def of_success(slug: str, topup: TopUp) -> NewEvent:
    return _event(EventType.AUTO_RECHARGE_SUCCEEDED, slug, _about(slug, topup))


def of_failure(slug: str, topup: TopUp, failure: TopUpFailure, config: RechargeConfig | None) -> NewEvent:
    """With the time of the next attempt, where one is planned."""
    planned = None if config is None or not config.is_enabled else config.next_attempt_at
    return _event(
        EventType.AUTO_RECHARGE_FAILED,
        slug,
        {
            **_about(slug, topup),
            "reason": failure.reason.value,
            "code": failure.code,
            "message": failure.message,
            "next_attempt_time": None if planned is None else planned.isoformat(),
        },
    )


def of_required_action(slug: str, topup: TopUp) -> NewEvent:
    """The customer can confirm this very payment."""
    return _event(EventType.AUTO_RECHARGE_ACTION_REQUIRED, slug, _about(slug, topup))


def of_skip(slug: str, skip: Skip, *, available_minor: int, threshold_minor: int, currency: str) -> NewEvent:
    return _event(
        EventType.AUTO_RECHARGE_SKIPPED,
        slug,
        {
            "reason": skip.reason.value,
            "available_minor": available_minor,
            "threshold_minor": threshold_minor,
            "currency": currency,
            "until_time": None if skip.until is None else skip.until.isoformat(),
        },
    )


def of_disabling(slug: str, config: RechargeConfig) -> NewEvent:
    assert config.disabled_reason is not None, "the service says why it turns it off"
    return _event(
        EventType.AUTO_RECHARGE_DISABLED,
        slug,
        {"reason": config.disabled_reason.value, "code": config.last_error_code, "message": config.last_error},
    )


def _about(slug: str, topup: TopUp) -> dict[str, str | int | bool | None]:
    method = topup.payment_method_id
    return {
        "top_up": names.child("topUps", slug, str(topup.topup_id)),
        "amount_minor": topup.amount_minor,
        "currency": topup.currency,
        "payment_method": None if method is None else names.child("payment-methods", slug, method),
    }


def _event(kind: EventType, slug: str, data: Data) -> NewEvent:
    return NewEvent(kind, names.wallet(slug), data)
