"""Read back what was acknowledged, out of the database and through the API, while nobody writes."""

from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final
from uuid import UUID

import asyncpg
from billing.v1 import ledger_service_pb2
from sqlalchemy import make_url
from wallet.v1 import wallet_service_pb2

from tests.simulation.books import Book, Books, Broken
from tests.torture.calling import Client
from tests.torture.journal import Tenant, Write
from tests.torture.scene import Scene
from tests.torture.spending import LEDGER, WALLET, id_of

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

AUDIT_SECONDS: Final = 60

_MOMENTS_MAX: Final = 20
_LIVE: Final = "SELECT available_minor, held_minor FROM ledger_wallets WHERE org_id = $1"

_TABLES: Final[Mapping[str, str]] = {
    "deposit": "ledger_entries",
    "purchase": "ledger_entries",
    "refund": "ledger_entries",
    "capture": "ledger_entries",
    "hold": "ledger_holds",
    "release": "ledger_holds",
    "usage event": "usage_events",
    "usage batch": "usage_events",
    "top-up": "topups",
}
"""Where the database has what a kind of write has made."""

_IDS: Final[Mapping[str, str]] = {
    "ledger_entries": "entry_id",
    "ledger_holds": "hold_id",
    "usage_events": "event_id",
    "topups": "topup_id",
}
_ONCE: Final[Mapping[str, tuple[str, str]]] = {
    "deposit": ("ledger_entries", "coalesce(metadata->>'purpose', kind) = 'deposit'"),
    "purchase": ("ledger_entries", "coalesce(metadata->>'purpose', kind) = 'entry'"),
    "refund": ("ledger_entries", "coalesce(metadata->>'purpose', kind) = 'reversal'"),
    "capture": ("ledger_entries", "coalesce(metadata->>'purpose', kind) = 'capture'"),
    "hold": ("ledger_holds", "TRUE"),
    "top-up": ("topups", "origin = 'manual'"),
}
"""What there is of a kind of write, each of which makes one."""


class ReadingBack:
    """Goes on with the books of all tenants where it has ended last."""

    def __init__(self, scene: Scene, database_url: str) -> None:
        self._scene = scene
        self._parts = make_url(database_url)
        self._by_org: dict[UUID, Book] = {
            tenant.customer.org_id: Book(tenant.customer.wallet) for tenant in scene.tenants
        }
        self.entry_count = 0

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """As the owner of the tables."""
        conn = await asyncpg.connect(
            host=str(self._parts.query["host"]), user=self._parts.username, database=self._parts.database
        )
        try:
            yield conn
        finally:
            await conn.close()

    @asynccontextmanager
    async def moment(self) -> AsyncGenerator[Connection]:
        """A connection that goes on seeing the database as it is now, whatever is written meanwhile."""
        async with self.connection() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
            # The first statement that reads is what sets the moment.
            await conn.execute("SELECT FROM ledger_books")
            yield conn

    @property
    def books(self) -> Iterable[Book]:
        """As of the last check."""
        return self._by_org.values()

    async def check(self, client: Client) -> None:
        """Every acknowledged write is there, nothing is doubled, the sums are the journal's. Raises Broken."""
        fresh = self._scene.journal.take_fresh()
        async with self.moment() as conn:
            await self.check_stored(conn, fresh)
        async with self.connection() as conn:
            await self.check_shown(conn, client)

    async def check_stored(self, conn: Connection, fresh: Sequence[Write]) -> None:
        """What the database holds, at one moment of it. `fresh`: acknowledged since the last check. Raises Broken."""
        await Books.prepare(conn)
        books = Books(conn, ())
        books.by_org = self._by_org
        live = await books.read()
        self.entry_count += books.entry_count
        for tenant in self._scene.tenants:
            tenant.customer.check(self._by_org[tenant.customer.org_id], live[tenant.customer.org_id])
        await find(conn, fresh)
        await self._count(conn)
        await self._check_limits(conn)

    async def check_shown(self, conn: Connection, client: Client) -> None:
        """What customers are shown is what the database holds. Raises Broken."""
        for tenant in self._scene.tenants:
            await _check_shown(conn, client, tenant)

    def audit(self, client: Client) -> int:
        """`wallet audit` by the running service: how many entries it has looked at. Raises Broken."""
        found = client.call(
            f"{LEDGER}/VerifyLedger",
            ledger_service_pb2.VerifyLedgerRequest(),
            self._scene.operator_key,
            seconds=AUDIT_SECONDS,
        )
        if not found.ok:
            raise Broken(f"audit: {found.violations}")
        return found.entry_count

    async def _count(self, conn: Connection) -> None:
        for kind, (table, where) in _ONCE.items():
            [found] = await conn.fetchrow(f"SELECT count(*) FROM {table} WHERE {where}") or [0]
            expected = self._scene.journal.acknowledged[kind]
            if kind == "top-up":
                # One that was declined is kept.
                expected += self._scene.journal.refused[kind]
            if found != expected:
                raise Broken(f"{kind}: {found} in the database, {expected} were acknowledged")
        rows = await conn.fetch("SELECT org_id, count(*), count(DISTINCT idempotency_key) FROM usage_events GROUP BY 1")
        counts = {row[0]: (row[1], row[2]) for row in rows}
        for tenant in self._scene.tenants:
            found = counts.get(tenant.customer.org_id, (0, 0))
            if found != (tenant.event_count, tenant.event_count):
                raise Broken(f"{tenant.slug}: {found} events and keys, {tenant.event_count} were acknowledged")

    async def _check_limits(self, conn: Connection) -> None:
        rows = await conn.fetch("SELECT org_id, amount_minor FROM spending_limits")
        stored = {row[0]: row[1] for row in rows}
        for tenant in self._scene.tenants:
            found = stored.get(tenant.customer.org_id)
            if found != tenant.limit_minor and found not in tenant.limits_open:
                raise Broken(f"{tenant.slug}: a limit of {found}, {tenant.limit_minor} was acknowledged")


async def find(conn: Connection, fresh: Sequence[Write]) -> None:
    """Look for each by what it was answered with. Raises Broken."""
    wanted: dict[str, dict[UUID, Write]] = defaultdict(dict)
    for write in fresh:
        if write.kind in _TABLES:
            wanted[_TABLES[write.kind]] |= {id_of(name): write for name in write.names}
    for table, writes in wanted.items():
        rows = await conn.fetch(f"SELECT {_IDS[table]} FROM {table} WHERE {_IDS[table]} = ANY($1)", list(writes))
        lost = set(writes) - {row[0] for row in rows}
        if lost:
            raise Broken(f"acknowledged and not there: {[(writes[one].key, str(one)) for one in lost]}")


async def _check_shown(conn: Connection, client: Client, tenant: Tenant) -> None:
    """What the customer is shown is what there is, of a moment in which no webhook changed it."""
    request = wallet_service_pb2.GetWalletBalanceRequest(name=tenant.wallet)
    org_id = tenant.customer.org_id
    for _ in range(_MOMENTS_MAX):
        before = await conn.fetchrow(_LIVE, org_id)
        shown = client.read(f"{WALLET}/GetWalletBalance", request, tenant.api_key)
        seen = (shown.available_minor, shown.held_minor)
        if before == await conn.fetchrow(_LIVE, org_id):
            if before is None or tuple(before) != seen:
                raise Broken(f"{tenant.slug} is shown {seen}, and has {before}")
            return
    raise Broken(f"{tenant.slug}: its balance does not stand still")
