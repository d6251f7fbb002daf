"""What the Stripe module must be told. Every value is explicit, so that tests and the service build it the same way."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType

API_VERSION = "2026-10-28.endive"
"""The version this module was written against; a library bump must not move it silently."""

DEFAULT_MINIMUM_MINOR: Mapping[str, int] = MappingProxyType(
    {
        "AED": 200,
        "AUD": 50,
        "BRL": 50,
        "CAD": 50,
        "CHF": 50,
        "CZK": 1500,
        "DKK": 250,
        "EUR": 50,
        "GBP": 30,
        "HKD": 400,
        "HUF": 17500,
        "INR": 50,
        "JPY": 50,
        "MXN": 1000,
        "MYR": 200,
        "NOK": 300,
        "NZD": 50,
        "PLN": 200,
        "RON": 200,
        "SEK": 300,
        "SGD": 50,
        "THB": 1000,
        "USD": 50,
    }
)
"""Smallest charge by currency, ISO minor units. Stripe changes these: override, and expect `amount_too_small`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeSettings:
    """Credentials, addresses and limits.

    `api_key` starts with sk_ or rk_. `webhook_secrets` are all accepted, so that one can be rotated.
    `attempt_timeout` bounds one HTTP exchange, `deadline` a whole call with its retries.
    `webhook_tolerance` bounds the age of a delivery, past and future alike.
    """

    api_key: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    api_base: str = "https://api.stripe.com"
    attempt_timeout: timedelta = timedelta(seconds=10)
    deadline: timedelta = timedelta(seconds=25)
    network_retries_max: int = 2
    webhook_tolerance: timedelta = timedelta(seconds=300)
    webhook_bytes_max: int = 1024 * 1024
    list_pages_max: int = 50
    minimum_minor: Mapping[str, int] = field(default_factory=lambda: DEFAULT_MINIMUM_MINOR)

    @property
    def livemode(self) -> bool:
        """Whether the key moves real money."""
        return "_live_" in self.api_key
