"""What the Coinbase module must be told. Every value is explicit, so that tests and the service build it the same way."""

from dataclasses import dataclass, field
from datetime import timedelta

SANDBOX_API_BASE = "https://business.coinbase.com/sandbox/api/v1"
TOKEN_LIFETIME_MAX = timedelta(seconds=120)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoinbaseSettings:
    """Credentials, addresses and limits. Raises ValueError for a token lifetime that Coinbase would refuse.

    `api_key_secret` is the 64-byte Ed25519 key in base64 or an EC P-256 key in PEM, as the developer portal hands it out.
    `webhook_secrets` are all accepted, so that one can be rotated. `attempt_timeout` bounds one HTTP exchange, `deadline`
    a whole call with its retries, which wait `retry_delay`, then twice as long each time. `webhook_tolerance` bounds the
    age of a delivery, past and future alike. `minimum_minor` is our own minimum in US cents: Coinbase takes one cent.
    The redirects must be https addresses; the payer's return to them proves nothing.
    """

    api_key_id: str
    api_key_secret: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    api_base: str = "https://business.coinbase.com/api/v1"
    success_redirect_url: str | None = None
    fail_redirect_url: str | None = None
    attempt_timeout: timedelta = timedelta(seconds=10)
    deadline: timedelta = timedelta(seconds=25)
    network_retries_max: int = 2
    retry_delay: timedelta = timedelta(milliseconds=500)
    token_lifetime: timedelta = TOKEN_LIFETIME_MAX
    webhook_tolerance: timedelta = timedelta(seconds=300)
    webhook_bytes_max: int = 1024 * 1024
    webhook_signed_headers: tuple[str, ...] = ("content-type",)
    """Headers that a signature must cover, besides one of `webhook_id_headers`; lower case."""
    webhook_id_headers: tuple[str, ...] = ("x-hook0-id", "x-event-id")
    """Where the id of an event may stand; the first one that the signature covers is the key that tells a duplicate."""
    list_pages_max: int = 50
    minimum_minor: int = 500

    def __post_init__(self) -> None:
        if not timedelta(0) < self.token_lifetime <= TOKEN_LIFETIME_MAX:
            raise ValueError(f"a token lives at most {TOKEN_LIFETIME_MAX}, not {self.token_lifetime}")
