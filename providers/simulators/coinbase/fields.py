"""A JSON body or a query, read field by field, so that an unknown one is refused."""

import re
from datetime import datetime
from decimal import Decimal

from providers.simulators.account import Json
from providers.simulators.coinbase.errors import invalid

AMOUNT = re.compile(r"\d+(\.\d{1,2})?")
AMOUNT_MAX = Decimal(100_000_000)
METADATA_KEYS_MAX = 20
METADATA_VALUE_MAX = 100
URL_MAX = 2048


class Fields:
    """Typed access. `finish` refuses what nobody read; call it before the first effect."""

    def __init__(self, given: Json) -> None:
        self._given = given
        self._read: set[str] = set()

    def text(self, name: str, *, longest: int = 500) -> str | None:
        self._read.add(name)
        value = self._given.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or len(value) > longest:
            raise invalid(f"{name} must be a string of at most {longest} characters.")
        return value

    def choice(self, name: str, *choices: str) -> str | None:
        value = self.text(name)
        if value is not None and value not in choices:
            raise invalid(f"{name} must be one of {', '.join(choices)}.")
        return value

    def amount(self, name: str) -> Decimal:
        """A required amount: a string with at most two decimals, more than nothing."""
        value = self.text(name)
        if value is None or AMOUNT.fullmatch(value) is None or not 0 < Decimal(value) <= AMOUNT_MAX:
            raise invalid(f"{name} must be an amount with at most 2 decimals, from 0.01 to {AMOUNT_MAX}.")
        return Decimal(value)

    def time(self, name: str) -> datetime | None:
        value = self.text(name)
        if value is None:
            return None
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError as error:
            raise invalid(f"{name} must be an RFC 3339 time.") from error
        if parsed.tzinfo is None:
            raise invalid(f"{name} must have a time zone.")
        return parsed

    def https_url(self, name: str) -> str | None:
        value = self.text(name, longest=URL_MAX)
        if value is not None and not value.startswith("https://"):
            raise invalid(f"{name} must be an https address.")
        return value

    def metadata(self) -> Json | None:
        self._read.add("metadata")
        value = self._given.get("metadata")
        if value is None:
            return None
        fits = isinstance(value, dict) and len(value) <= METADATA_KEYS_MAX  # pyright: ignore[reportUnknownArgumentType]
        if not fits or not all(isinstance(item, str) and len(item) <= METADATA_VALUE_MAX for item in value.values()):  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType, reportUnknownVariableType]
            raise invalid(
                f"metadata must have at most {METADATA_KEYS_MAX} strings of at most {METADATA_VALUE_MAX} characters."
            )
        return value  # pyright: ignore[reportUnknownVariableType]

    def texts(self, name: str) -> list[str]:
        """A query parameter that may be repeated."""
        self._read.add(name)
        value = self._given.get(name, [])
        return [value] if isinstance(value, str) else list(value)

    def finish(self) -> None:
        unknown = sorted(set(self._given) - self._read)
        if unknown:
            raise invalid(f"Unknown: {', '.join(unknown)}.")
