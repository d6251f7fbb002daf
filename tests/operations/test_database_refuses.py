"""A database that lets nobody in for a while (a restore, a changed password) is waited for, like one that is gone."""

import asyncio
from contextlib import nullcontext
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from wallet_service.clock import SystemClock
from wallet_service.db import Database, engine_for
from wallet_service.event_webhooks.dispatch import WebhookDispatcher
from wallet_service.events.feed import EventFeed
from wallet_service.leases.operations import Leadership
from wallet_service.watching.operations import BalanceWatch


def _loops(db: Database) -> dict[str, Any]:
    clock = SystemClock()
    nobody: Any = None
    return {
        "leadership": Leadership(db, "watching", renewed_every=timedelta(milliseconds=10)),
        "watch": BalanceWatch(db, clock, (), time_of=lambda _: nullcontext()),
        "dispatcher": WebhookDispatcher(
            db,
            clock,
            nobody,
            time_of=lambda _: nullcontext(),
            machine_clock=clock,
        ),
    }


@pytest.mark.parametrize("name", ["leadership", "watch", "dispatcher"])
async def test_a_loop_outlives_it(database_url: str, name: str):
    url = make_url(database_url).set(database="not_there_now")
    engine = engine_for(url.render_as_string(hide_password=False), pool_size=2)
    db = Database(engine, statement_timeout=timedelta(seconds=20))
    loop = _loops(db)[name]
    try:
        with pytest.raises(DBAPIError):
            await db.fetch("SELECT 1")
        running = asyncio.create_task(loop.run())
        await asyncio.wait({running}, timeout=0.5)
        assert not running.done()
        await loop.stop()
        await asyncio.wait_for(running, 20)
    finally:
        await engine.dispose()


async def test_streams_of_events_outlive_it(database_url: str):
    url = make_url(database_url).set(database="not_there_now")
    engine = engine_for(url.render_as_string(hide_password=False), pool_size=2)
    feed = EventFeed(Database(engine, statement_timeout=timedelta(seconds=20)))
    try:
        with feed.subscribe(UUID(int=1)) as subscription:
            async with feed.running(asyncio.Event()):
                await asyncio.sleep(0.5)
                assert not subscription.is_closed
    finally:
        await engine.dispose()
