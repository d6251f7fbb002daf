"""Lanes of usage without a database: what becomes of calls whose commit fails."""

import asyncio
import gc
import uuid
from collections.abc import Callable, Iterator, Sequence

import pytest

from wallet_service.db import unavailable
from wallet_service.usage.lanes import UsageLanes
from wallet_service.usage.model import Call, CallResult


@pytest.fixture
def without_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("make_error", [unavailable, lambda: RuntimeError("a bug")])
async def test_calls_that_failed_are_gone_without_garbage_collection(
    without_collection: None, make_error: Callable[[], Exception]
) -> None:
    org_id = uuid.uuid4()

    async def commit(calls: Sequence[Call]) -> Sequence[CallResult]:
        await asyncio.sleep(0)
        raise make_error()

    async def fail(lanes: UsageLanes) -> bool:
        try:
            await lanes.submit(Call(org_id, ()))
        except type(make_error()):
            return True
        return False

    async with UsageLanes(commit, lane_of=lambda _: 0) as lanes:
        assert all(await asyncio.gather(*(fail(lanes) for _ in range(3))))
        assert [thing for thing in gc.get_objects() if isinstance(thing, Call) and thing.org_id == org_id] == []
