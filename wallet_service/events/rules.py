"""Filters of event types, split for the query."""

from collections.abc import Sequence

from wallet_service.errors import invalid_field
from wallet_service.events.model import Data, EventType


def matches_type(event_type: str, wanted: Sequence[str]) -> bool:
    """Whether a filter lets a type through: exact, or all below a prefix with a trailing `.*`. An empty one lets all."""
    return not wanted or any(
        event_type.startswith(pattern[:-1]) if pattern.endswith(".*") else event_type == pattern for pattern in wanted
    )


def check_event_types(wanted: Sequence[str], field: str) -> None:
    """Each is a type that exists, or a prefix of one with a trailing `.*`. Raises INVALID_FIELD."""
    for index, pattern in enumerate(wanted):
        if not any(matches_type(known.value, [pattern]) for known in EventType):
            raise invalid_field(f"{field}[{index}]", "is no type of event and no prefix of one")


def published(data: Data) -> dict[str, str | int | bool | None]:
    """Facts as they leave the service: integers that a double does not hold exactly become text."""
    return {key: str(value) if _is_large(value) else value for key, value in data.items()}


def _is_large(value: str | int | bool | None) -> bool:
    return isinstance(value, int) and abs(value) > 2**53


def split_filter(wanted: Sequence[str]) -> tuple[list[str], list[str]]:
    """The exact types of a filter, and its prefixes up to and with the point."""
    exact = [pattern for pattern in wanted if not pattern.endswith(".*")]
    return exact, [pattern[:-1] for pattern in wanted if pattern.endswith(".*")]
