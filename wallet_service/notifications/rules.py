"""Who wants which event, what is shown of an address, and what a message says. Pure."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from ledger.money import EXPONENTS, Money
from wallet_service.errors import invalid_field
from wallet_service.events.model import Data, Event, EventType
from wallet_service.events.wording import sentence
from wallet_service.notifications.model import Message, Target, Wanted

TARGETS_MAX: Final = 10
ATTEMPTS_MAX: Final = 5
DEFAULT_TYPES: Final = (
    "wallet.alert.*",
    EventType.AUTO_RECHARGE_FAILED.value,
    EventType.AUTO_RECHARGE_DISABLED.value,
    EventType.AUTO_RECHARGE_ACTION_REQUIRED.value,
    EventType.BILLING_ACCOUNT_WARNED.value,
    EventType.BILLING_ACCOUNT_GRACE_STARTED.value,
    EventType.BILLING_ACCOUNT_SUSPENDED.value,
    EventType.BILLING_ACCOUNT_RESUMED.value,
    "dispute.*",
    EventType.FRAUD_WARNING_CREATED.value,
)

_EMAIL: Final = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9._+-]{0,62}[A-Za-z0-9])?@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,63}",
    re.ASCII,
)
_SCHEME: Final = re.compile(r"([a-z]+)://\S+", re.ASCII)
_MASK: Final = "****"
_RETRY_FIRST: Final = timedelta(seconds=30)


def is_email(address: str) -> bool:
    """Whether it is one plain email address of at most 254 characters."""
    return len(address) <= 254 and _EMAIL.fullmatch(address) is not None


def scheme_of(address: str) -> str:
    """The scheme of a URL in lower case; '' for what is no URL."""
    found = _SCHEME.fullmatch(address)
    return "" if found is None else found.group(1)


def shown_address(target: Target) -> str:
    """An email address as it is; of a URL the scheme, and a mark that tells it from others of the scheme."""
    if is_email(target.address):
        return target.address
    return f"{scheme_of(target.address)}://{_MASK}/{target.target_id.hex[-8:]}"


def merged(
    existing: Sequence[Target], wanted: Sequence[Wanted], *, new_id: Callable[[], UUID], now: datetime
) -> list[Target]:
    """The targets that take the place of `existing`; one that is named again, masked or not, stays the same target.

    Raises INVALID_FIELD for more than ten, for one named twice, for a masked address of none, and for types that no event
    has.
    """
    if len(wanted) > TARGETS_MAX:
        raise invalid_field("targets", f"must have at most {TARGETS_MAX} entries")
    known = {target.address: target for target in existing} | {shown_address(target): target for target in existing}
    made: dict[str, Target] = {}
    for index, want in enumerate(wanted):
        _check_types(want.event_types, f"targets[{index}].event_types")
        address = want.address.strip()
        before = known.get(address)
        if before is None and _MASK in address:
            raise invalid_field(f"targets[{index}].url", "is masked, and no target of now has this mask")
        target = (
            Target(new_id(), address, want.event_types, now)
            if before is None
            else Target(before.target_id, before.address, want.event_types, before.created_at)
        )
        if target.address in made:
            raise invalid_field(f"targets[{index}].url", "is named twice")
        made[target.address] = target
    return list(made.values())


def wants(event_types: Sequence[str], event_type: str) -> bool:
    """Whether an event type is among those, exactly or by a prefix with `.*`; none stands for the default ones."""
    return any(_covers(pattern, event_type) for pattern in event_types or DEFAULT_TYPES)


def retry_after(attempt_count: int) -> timedelta | None:
    """How long to wait after that many attempts: 30 s, 2 min, 8 min, 32 min; None when that were enough."""
    return None if attempt_count >= ATTEMPTS_MAX else _RETRY_FIRST * 4 ** (attempt_count - 1)


def message_of(event: Event) -> Message:
    """What people are told of an event: what happened, whose it is, and the figures with their currency."""
    title = sentence(event.type, event.data)
    lines = [f"{title}.", *_figures(event.data), f"About: {event.subject}", f"Event: {event.type}, number {event.seq}"]
    return Message(title.splitlines()[0][:200], "\n".join(lines))


_FIGURES: Final = (
    ("amount_minor", "Amount"),
    ("balance_minor", "Balance"),
    ("threshold_minor", "Alert below"),
    ("daily_burn_minor", "Spent a day"),
)
_COUNTS: Final = (
    ("days_remaining", "Days remaining"),
    ("threshold_days", "Alert below days"),
    ("hours_remaining", "Hours remaining"),
)


def _figures(data: Data) -> list[str]:
    currency = data.get("currency")
    lines: list[str] = []
    for key, title in _FIGURES:
        minor = data.get(key)
        if isinstance(minor, int) and isinstance(currency, str) and currency in EXPONENTS:
            lines.append(f"{title}: {Money(minor, currency)}")
    for key, title in _COUNTS:
        count = data.get(key)
        if isinstance(count, int):
            lines.append(f"{title}: {count}")
    return lines


def _covers(pattern: str, event_type: str) -> bool:
    return event_type.startswith(pattern[:-1]) if pattern.endswith(".*") else event_type == pattern


def _check_types(event_types: Sequence[str], field: str) -> None:
    for pattern in event_types:
        if not any(_covers(pattern, known.value) for known in EventType):
            raise invalid_field(field, f"no event has the type {pattern}")
