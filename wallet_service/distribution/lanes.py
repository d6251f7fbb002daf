"""Which lane the work of an organization takes: any on one server, that of its shard where tables are distributed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.background import pause
from wallet_service.db import Database
from wallet_service.distribution import catalog
from wallet_service.distribution.model import DistributionRefused
from wallet_service.distribution.placing import shard_index, uuid_hash
from wallet_service.distribution.rules import SHARDS_MAX
from wallet_service.errors import ServiceError
from wallet_service.tenancy import Reach, within

CACHED_MAX: Final = 100_000
CONNECTIONS_PER_LANE: Final = 2
CONNECTIONS_BESIDE: Final = 4
"""What is left of a pool for everything that is not the ledger's lanes."""

_CHECKED_COUNT: Final = 16
_ASKED_AGAIN_AFTER: Final = timedelta(seconds=1)
_NOT_ANSWERED: Final = (ServiceError, DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)

_log: Final = structlog.get_logger("wallet.distribution")


class Lanes:
    """A function from an organization to its lane, which asks nobody.

    Organizations are spread over `lane_count` lanes by their id, unless `follow_shards` has found that the tables are
    distributed: then a lane is a shard. Shards that are split while a process runs share a lane until it is started anew;
    the ledger takes their batches apart, at a loss of speed.
    """

    def __init__(self, lane_count: int) -> None:
        self._lane_count = lane_count
        self._on_one_server = False
        self._firsts: tuple[int, ...] = ()
        self._known: dict[UUID, int] = {}

    def __call__(self, org_id: UUID) -> int:
        if not self._firsts:
            return org_id.int % self._lane_count
        lane = self._known.get(org_id)
        if lane is None:
            lane = shard_index(uuid_hash(org_id), self._firsts)
            if len(self._known) >= CACHED_MAX:
                self._known.clear()
            self._known[org_id] = lane
        return lane

    def are_shards(self) -> bool:
        """Whether the tables are distributed; yes until the database has told: one server runs what is made for shards."""
        return not self._on_one_server

    @asynccontextmanager
    async def following(self, db: Database, *, pool_size: int) -> AsyncGenerator[None]:
        """`follow_shards` at the begin of the block, or beside it while the database does not answer or has no schema yet.

        Until then the lanes are those of one server: slower on shards, and as correct.
        """
        stopping = asyncio.Event()
        try:
            await self.follow_shards(db, pool_size=pool_size)
        except _NOT_ANSWERED:
            later = asyncio.create_task(self._follow_later(db, pool_size, stopping), name="lanes")
        else:
            later = None
        try:
            yield
        finally:
            stopping.set()
            if later is not None:
                await later

    async def _follow_later(self, db: Database, pool_size: int, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            await pause(_ASKED_AGAIN_AFTER, unless=stopping)
            try:
                await self.follow_shards(db, pool_size=pool_size)
            except _NOT_ANSWERED:
                continue
            except DistributionRefused as error:
                _log.error("lanes_do_not_follow_shards", error=str(error))
            return

    async def follow_shards(self, db: Database, *, pool_size: int) -> int:
        """Take the shards of the database as lanes, where it has any; how many.

        Raises DistributionRefused when there are more shards than lanes, too few connections for that many lanes, or when
        Citus places organizations otherwise than is worked out here.
        """

        async def work(conn: AsyncConnection) -> list[tuple[int, int]]:
            if not await catalog.is_there(conn):
                return []
            shards = await catalog.shards(conn)
            if shards:
                await _check(conn, shards)
            return shards

        with within(Reach.NOBODY):
            shards = await db.read(work)
        self._on_one_server = not shards
        if not shards:
            return 0
        kept = CONNECTIONS_PER_LANE * len(shards)
        needed = kept + CONNECTIONS_BESIDE
        if len(shards) > SHARDS_MAX:
            raise DistributionRefused(f"{len(shards)} shards are more than the {SHARDS_MAX} lanes there can be")
        if pool_size < needed:
            raise DistributionRefused(
                f"{len(shards)} shards need {needed} connections: set WALLET_DATABASE_POOL_SIZE, which is {pool_size}"
            )
        self._firsts = tuple(first for first, _ in shards)
        db.leave(kept)
        _log.info("lanes_follow_shards", shard_count=len(shards))
        return len(shards)


async def _check(conn: AsyncConnection, shards: list[tuple[int, int]]) -> None:
    """That Citus puts some ids where we would."""
    firsts = [first for first, _ in shards]
    for _ in range(_CHECKED_COUNT):
        org_id = uuid4()
        _, expected = shards[shard_index(uuid_hash(org_id), firsts)]
        found = await catalog.shard_of(conn, org_id)
        if found != expected:
            raise DistributionRefused(f"Citus puts {org_id} on shard {found}, which was thought to be on {expected}")
