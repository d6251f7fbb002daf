"""A PostgreSQL server of this process's own, and one empty database after the other."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
from sqlalchemy import make_url

from wallet_service.embedded_postgres import ConnectionInfo, EmbeddedPostgres, find_binaries
from wallet_service.migrate import upgrade

TEMPLATE = "simulation_template"


class Databases:
    """Copies of one migrated database."""

    def __init__(self, info: ConnectionInfo, admin: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._info = info
        self._admin = admin
        self._made_count = 0

    @asynccontextmanager
    async def empty(self) -> AsyncGenerator[str, None]:
        """The URL of an empty database, which is gone after the block."""
        self._made_count += 1
        name = f"simulation_{self._made_count}"
        await self._admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}" STRATEGY file_copy')
        try:
            yield self._info.url_of(name)
        finally:
            await self._admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@asynccontextmanager
async def databases() -> AsyncGenerator[Databases, None]:
    """A server without fsync, in a temporary folder that is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="wallet-simulation-"))
    options = {
        "autovacuum": "off",
        "shared_buffers": "256MB",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "1h",
    }
    postgres = EmbeddedPostgres(folder / "postgres", next(find_binaries()).bin_dir, durable=False, options=options)
    try:
        info = postgres.start()
        await _make_template(info)
        admin = await asyncpg.connect(host=str(info.socket_dir), user=info.user, database="postgres")
        try:
            yield Databases(info, admin)
        finally:
            await admin.close()
    finally:
        postgres.stop()
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _make_template(info: ConnectionInfo) -> None:
    admin = await asyncpg.connect(host=str(info.socket_dir), user=info.user, database="postgres")
    await admin.execute(f'CREATE DATABASE "{TEMPLATE}"')
    url = info.url_of(TEMPLATE)
    await upgrade(url)
    parts = make_url(url)
    inner = await asyncpg.connect(host=str(parts.query["host"]), user=parts.username, database=parts.database)
    await inner.execute("VACUUM ANALYZE")
    await inner.close()
    await admin.close()
