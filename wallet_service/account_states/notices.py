"""What the events of a standing say. Pure."""

from datetime import datetime

from wallet_service import names
from wallet_service.account_states.model import AccountStanding, Funds
from wallet_service.account_states.rules import state_of
from wallet_service.accounts.model import BillingAccountState
from wallet_service.events.model import EventType, NewEvent, rfc3339

Facts = dict[str, str | int | bool | None]


def of_change(slug: str, before: AccountStanding, after: AccountStanding, funds: Funds | None) -> list[NewEvent]:
    """Grace begun; suspended, or for another reason; resumed."""
    events: list[NewEvent] = []
    if after.suspend_at is not None and before.grace_started_at != after.grace_started_at:
        facts = {**_of_funds(funds), "suspend_at": rfc3339(after.suspend_at)}
        events.append(_event(EventType.BILLING_ACCOUNT_GRACE_STARTED, slug, facts))
    (_, old_reason), (state, reason) = state_of(before), state_of(after)
    if reason == old_reason:
        return events
    if state is BillingAccountState.SUSPENDED:
        facts = {**_of_funds(funds), "reason": reason, "previous_reason": old_reason}
        return [*events, _event(EventType.BILLING_ACCOUNT_SUSPENDED, slug, facts)]
    return [_event(EventType.BILLING_ACCOUNT_RESUMED, slug, {**_of_funds(funds), "reason": old_reason}), *events]


def of_warning(slug: str, hours: int, *, empty_at: datetime, funds: Funds) -> NewEvent:
    """The balance ends in less than `hours`."""
    facts: Facts = {**_of_funds(funds), "hours": hours, "depletes_at": rfc3339(empty_at)}
    return _event(EventType.BILLING_ACCOUNT_WARNED, slug, facts)


def of_closing(slug: str) -> NewEvent:
    return _event(EventType.BILLING_ACCOUNT_CLOSED, slug, {})


def _event(happened: EventType, slug: str, facts: Facts) -> NewEvent:
    return NewEvent(happened, names.billing_account(slug), facts)


def _of_funds(funds: Funds | None) -> Facts:
    return {} if funds is None else {"balance_minor": funds.balance_minor, "currency": funds.currency}
