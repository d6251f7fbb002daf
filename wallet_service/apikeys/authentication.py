"""Who calls with this key: asked on every call, answered from the last second.

The noting of uses happens off the request path: a call leaves the minute in memory, and one loop, owned by whoever enters
the authenticator, writes what is new every few seconds.
"""

import asyncio
import hmac
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.apikeys import store
from wallet_service.apikeys.rules import hash_of
from wallet_service.clock import Clock
from wallet_service.coalescing import CoalescedReads
from wallet_service.db import Database
from wallet_service.errors import ServiceError, unauthenticated
from wallet_service.principal import Principal, Role
from wallet_service.tenancy import Reach, within

CACHE_SECONDS: Final = 1.0
"""How long an answer may be used: a revoked key works no longer than this."""
_CACHE_ENTRIES_MAX: Final = 10_000
_USES_MAX: Final = 10_000
_FLUSH_SECONDS: Final = 5.0
_log: Final = structlog.get_logger("wallet.authentication")

_KEYS: Final = """
    SELECT k.key_hash, k.key_id, k.org_id, d.slug AS org_slug, k.role, k.expires_at, k.revoked_at, k.last_used_at
    FROM api_keys k LEFT JOIN organization_directory d ON d.org_id = k.org_id
    WHERE k.key_hash = ANY($1::bytea[])
"""


@dataclass(frozen=True, slots=True)
class _Known:
    key_hash: bytes
    principal: Principal
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class Authenticator:
    """Authenticates between `async with` and its end."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._reads = CoalescedReads(self._fetch)
        self._cache: dict[bytes, tuple[float, _Known]] = {}
        self._uses: dict[uuid.UUID, datetime] = {}
        self._loop: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._reads.__aenter__()
        self._loop = asyncio.create_task(self._flush_forever())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.wait([self._loop])
        await self._flush_or_log()
        await self._reads.__aexit__(kind, error, trace)

    async def authenticate(self, secret: str) -> Principal:
        """The principal of the key with this secret. Raises UNAUTHENTICATED, in the same words whatever is wrong with it.

        Every secret takes the same path (hash, look up, compare), so that the time taken tells nothing about it.
        """
        digest = hash_of(secret)
        known = await self._known(digest)
        now = self._clock.now()
        is_same = hmac.compare_digest(digest, known.key_hash if known else bytes(32))
        if known is None or not is_same or known.revoked_at is not None:
            raise unauthenticated()
        if known.expires_at is not None and known.expires_at <= now:
            raise unauthenticated()
        self._note_use(known, now)
        return known.principal

    async def flush(self) -> None:
        """Write the uses noted so far."""
        uses, self._uses = self._uses, {}
        if not uses:
            return

        async def work(conn: AsyncConnection) -> None:
            await store.note_uses(conn, uses)

        try:
            with within(Reach.NOBODY):
                await self._db.transact(work)
        except BaseException:
            self._uses = uses | self._uses
            raise

    async def _known(self, digest: bytes) -> _Known | None:
        asked_at = time.monotonic()
        cached = self._cache.get(digest)
        if cached is not None and asked_at < cached[0] + CACHE_SECONDS:
            return cached[1]
        known = await self._reads.read(digest)
        # The age counts from before the read, and only what exists is kept: a guesser fills no memory.
        self._cache.pop(digest, None)
        if known is not None:
            if len(self._cache) >= _CACHE_ENTRIES_MAX:
                del self._cache[next(iter(self._cache))]
            self._cache[digest] = (asked_at, known)
        return known

    async def _fetch(self, digests: Sequence[bytes]) -> dict[bytes, _Known]:
        rows = await self._db.fetch(_KEYS, digests)
        return {row["key_hash"]: _from_record(row) for row in rows}

    def _note_use(self, known: _Known, now: datetime) -> None:
        minute = now.replace(second=0, microsecond=0)
        if known.last_used_at is not None and minute <= known.last_used_at:
            return
        key_id = known.principal.key_id
        if key_id in self._uses or len(self._uses) < _USES_MAX:
            self._uses[key_id] = minute

    async def _flush_forever(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            await self._flush_or_log()

    async def _flush_or_log(self) -> None:
        try:
            await self.flush()
        except ServiceError as error:
            _log.warning("key_uses_not_written", reason=error.reason.value)
        except Exception:
            # The time of the last use is information; calls go on without it.
            _log.exception("key_uses_not_written")


def _from_record(row: Any) -> _Known:
    return _Known(
        key_hash=row["key_hash"],
        principal=Principal(
            key_id=row["key_id"],
            org_id=row["org_id"],
            org_slug=row["org_slug"],
            role=Role[row["role"].upper()],
        ),
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
    )
