"""Times between the wire and the operations: aware UTC datetimes on our side, Timestamps and Unix seconds on theirs."""

from datetime import UTC, datetime, timedelta
from typing import Final

from protobuf.wkt import Duration, Timestamp

from wallet_service.errors import invalid_field

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_INFINITE: Final = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
"""The driver of the database takes them for infinity, and gives back something else than it was given."""

_NO_TIME: Final = "is not a time within the years 1 to 9999"


def to_proto_timestamp(at: datetime | None) -> Timestamp | None:
    """None stays unset."""
    return None if at is None else Timestamp.from_datetime(at)


def to_unix(at: datetime | None) -> int:
    """Whole seconds since 1970, rounded down; 0 for None."""
    return 0 if at is None else (at - _EPOCH) // _SECOND


def to_proto_duration(length: timedelta | None) -> Duration | None:
    """None stays unset."""
    return None if length is None else Duration.from_timedelta(length)


def from_proto_timestamp(value: Timestamp | None, field: str) -> datetime | None:
    """To the microsecond; None when unset. Raises INVALID_FIELD for what no calendar of years 1 to 9999 has."""
    if value is None:
        return None
    if not 0 <= value.nanos < 1_000_000_000:
        raise invalid_field(field, "has nanoseconds out of range")
    try:
        at = _EPOCH + timedelta(seconds=value.seconds, microseconds=value.nanos // 1000)
    except OverflowError as error:
        raise invalid_field(field, _NO_TIME) from error
    if at in _INFINITE:
        raise invalid_field(field, _NO_TIME)
    return at


def from_unix(seconds: int, field: str) -> datetime | None:
    """None for 0, which means unset. Raises INVALID_FIELD for what no calendar of years 1 to 9999 has."""
    return from_proto_timestamp(Timestamp(seconds=seconds), field) if seconds else None


def from_proto_duration(value: Duration | None, field: str) -> timedelta | None:
    """To the microsecond; None when unset. Raises INVALID_FIELD for more than a timedelta holds."""
    if value is None:
        return None
    try:
        return timedelta(seconds=value.seconds, microseconds=value.nanos // 1000)
    except OverflowError as error:
        raise invalid_field(field, "is too long") from error
