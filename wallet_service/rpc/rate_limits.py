"""How often a key may call, and how often an address may try keys that are none: token buckets in this process.

Limits are per process: with four processes a caller may get through four times as often. A valid key is never refused for
what others on its address do, and what needs no key (health, metrics, webhooks, downloads) is not limited here.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from wallet_service.errors import Code, Reason, ServiceError

_BUCKETS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """Tokens that come back each second, and how many there are at most; both above zero."""

    per_second: float
    burst: int

    def __post_init__(self) -> None:
        if self.per_second <= 0 or self.burst < 1:
            raise ValueError("a rate gives something back and holds at least one token")


class TokenBuckets:
    """A bucket for each of the 10,000 holders seen last; one that is forgotten begins anew, full."""

    def __init__(self, rate: Rate, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._monotonic = monotonic
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, holder: Hashable) -> float:
        """Take a token: 0.0, or when there is none the seconds until there will be."""
        now = self._monotonic()
        tokens, filled_at = self._buckets.pop(holder, (float(self._rate.burst), now))
        tokens = min(float(self._rate.burst), tokens + (now - filled_at) * self._rate.per_second)
        wait = 0.0
        if tokens >= 1.0:
            tokens -= 1.0
        else:
            wait = (1.0 - tokens) / self._rate.per_second
        if len(self._buckets) >= _BUCKETS_MAX:
            self._buckets.popitem(last=False)
        self._buckets[holder] = (tokens, now)
        return wait


@dataclass(frozen=True, slots=True)
class RateLimits:
    """`calls` by key id, `failures` of authentication by address."""

    calls: TokenBuckets
    failures: TokenBuckets

    def count_call(self, key_id: Hashable) -> None:
        """Raises RATE_LIMITED when this key has called too often."""
        if wait := self.calls.take(key_id):
            raise _limited("this key calls more often than it may", wait)

    def count_failure(self, address: str) -> None:
        """Raises RATE_LIMITED when too many keys from this address were none."""
        if wait := self.failures.take(address):
            raise _limited("too many calls from this address had no valid API key", wait)


def default_limits() -> RateLimits:
    """Far above what a process can serve to one key, and above what a person or a broken client tries."""
    return RateLimits(TokenBuckets(Rate(20_000, 40_000)), TokenBuckets(Rate(10, 100)))


def _limited(message: str, wait_seconds: float) -> ServiceError:
    return ServiceError(
        Code.RESOURCE_EXHAUSTED,
        Reason.RATE_LIMITED,
        message,
        retry_after=timedelta(milliseconds=max(1, round(wait_seconds * 1000))),
    )
