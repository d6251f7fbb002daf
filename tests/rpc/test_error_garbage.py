"""A call that failed leaves nothing to the garbage collector that is as large as its request."""

import gc
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from connectrpc.errors import ConnectError
from wallet_api.billing.v1 import usage_service_pb as rpc

from tests.operations.usage_scene import VCPU
from tests.rpc.usage_app import Api, running
from wallet_service.clock import ManualClock
from wallet_service.db import Database, engine_for
from wallet_service.principal import Role


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    engine = engine_for(database_url, pool_size=4)
    clock = ManualClock(datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC))
    async with running(Database(engine, statement_timeout=timedelta(seconds=20)), clock) as made:
        yield made
    await engine.dispose()


@pytest.fixture
def without_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"quantity": "1", "meter": "nope"}, id="refused by its rules"),
        pytest.param({"quantity": "1" * 100, "meter": VCPU}, id="refused by its form"),
    ],
)
async def test_the_request_of_a_call_that_failed_is_freed_at_once(
    api: Api, without_collection: None, fields: dict[str, Any]
) -> None:
    async def fail() -> bool:
        event = rpc.UsageEventInput(project_name="projects/my-app", idempotency_key="a", **fields)
        request = rpc.RecordUsageEventsRequest(
            organization_name="organizations/my-org", events=[event], all_or_nothing=True
        )
        try:
            await api.usage.record_usage_events(request, headers=api.headers(Role.EDITOR))
        except ConnectError:
            return True
        return False

    assert [await fail() for _ in range(3)] == [True] * 3
    assert not any(isinstance(thing, rpc.RecordUsageEventsRequest) for thing in gc.get_objects())
