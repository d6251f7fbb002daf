"""The other end of a connection may fall silent without a word: both sides notice."""

import asyncio
import socket
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.conftest import TestServer
from tests.system.cables import Cable, CableRoom
from wallet_service import silence
from wallet_service.db import Database, driver, engine_for
from wallet_service.errors import Code, Reason, ServiceError
from wallet_service.exports import store as exports


async def test_a_transaction_that_falls_silent_is_ended_and_lets_go_of_its_locks(
    database_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(silence.SESSION_SETTINGS, "idle_in_transaction_session_timeout", "300")
    engine = engine_for(database_url, pool_size=2)
    db = Database(engine, statement_timeout=timedelta(seconds=20))

    async def lock(conn: AsyncConnection) -> None:
        await conn.execute(text("SELECT pg_advisory_xact_lock(1)"))

    async def lock_and_fall_silent(conn: AsyncConnection) -> None:
        await lock(conn)
        await asyncio.sleep(1.5)
        await lock(conn)

    try:
        silent = asyncio.create_task(db.transact(lock_and_fall_silent))
        await asyncio.sleep(0.1)
        async with asyncio.timeout(10):
            await db.transact(lock)
        with pytest.raises(ServiceError) as refused:
            await silent
        assert (refused.value.code, refused.value.reason) == (Code.UNAVAILABLE, Reason.DATABASE_UNAVAILABLE)
        # The connection that was lost is not used again.
        await db.transact(lock)
    finally:
        await engine.dispose()


async def test_a_file_that_is_slow_to_be_written_is_not_silence(database_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(silence.SESSION_SETTINGS, "idle_in_transaction_session_timeout", "300")
    engine = engine_for(database_url, pool_size=1)
    db = Database(engine, statement_timeout=timedelta(seconds=20))

    async def pause(conn: AsyncConnection) -> str:
        await exports.allow_long_reading(conn)
        await asyncio.sleep(1)
        return await pause_allowed(conn)

    async def pause_allowed(conn: AsyncConnection) -> str:
        return (await conn.execute(text("SHOW idle_in_transaction_session_timeout"))).scalar_one()

    try:
        assert await db.read(pause) == "10min"
        # For that transaction only.
        assert await db.read(pause_allowed) == "300ms"
    finally:
        await engine.dispose()


async def test_the_kernel_watches_connections_over_tcp(postgres_server: TestServer, database_url: str):
    room = CableRoom()
    cable = Cable(room, postgres_server.info.socket_dir / ".s.PGSQL.5432")
    engine = engine_for(cable.url_of(database_url), pool_size=1)
    try:
        async with engine.connect() as conn:
            raw: Any = await driver(conn)
            used: socket.socket = raw._transport.get_extra_info("socket")
            assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000
            assert used.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    finally:
        await engine.dispose()
        cable.close()
        room.close()
