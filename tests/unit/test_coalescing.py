"""Reads that share statements."""

import asyncio
from collections.abc import Sequence

import pytest

from wallet_service.coalescing import CoalescedReads
from wallet_service.errors import Code, ServiceError


class Source:
    """Answers `key -> key * 10` for positive keys, when it is let go."""

    def __init__(self) -> None:
        self.statements: list[list[int]] = []
        self.go = asyncio.Event()
        self.go.set()

    async def fetch(self, keys: Sequence[int]) -> dict[int, int]:
        self.statements.append(list(keys))
        await self.go.wait()
        if -13 in keys:
            raise LookupError("thirteen")
        return {key: key * 10 for key in keys if key > 0}


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_arrives_during_a_statement_shares_the_next_one():
    source = Source()
    source.go.clear()
    async with CoalescedReads(source.fetch) as reads:
        first = asyncio.create_task(reads.read(1))
        await settle()
        later = [asyncio.create_task(reads.read(key)) for key in (1, 2, 2, -3)]
        await settle()
        assert source.statements == [[1]]
        source.go.set()
        assert await asyncio.gather(first, *later) == [10, 10, 20, 20, None]
    assert source.statements == [[1], [1, 2, -3]]


async def test_two_lanes_run_two_statements_at_a_time():
    source = Source()
    source.go.clear()
    async with CoalescedReads(source.fetch, lanes=2) as reads:
        waiting: list[asyncio.Task[int | None]] = []
        for key in (1, 2, 3, 4):
            waiting.append(asyncio.create_task(reads.read(key)))
            await settle()
        assert source.statements == [[1], [2]]
        source.go.set()
        assert await asyncio.gather(*waiting) == [10, 20, 30, 40]
    assert source.statements == [[1], [2], [3, 4]]


async def test_a_failure_belongs_to_its_statement():
    source = Source()
    async with CoalescedReads(source.fetch) as reads:
        failed = await asyncio.gather(reads.read(-13), reads.read(1), return_exceptions=True)
        assert [type(one) for one in failed] == [LookupError, LookupError]
        assert await reads.read(1) == 10


async def test_a_caller_who_leaves_takes_no_other_with_it():
    source = Source()
    source.go.clear()
    async with CoalescedReads(source.fetch, waiting_max=2) as reads:
        leaving = asyncio.create_task(reads.read(1))
        staying = asyncio.create_task(reads.read(1))
        await settle()
        leaving.cancel()
        await settle()
        source.go.set()
        assert await staying == 10
        assert leaving.cancelled()


async def test_a_full_queue_refuses():
    source = Source()
    source.go.clear()
    async with CoalescedReads(source.fetch, waiting_max=2) as reads:
        waiting = [asyncio.create_task(reads.read(1)) for _ in range(2)]
        await settle()
        with pytest.raises(ServiceError) as refused:
            await reads.read(1)
        assert refused.value.code is Code.RESOURCE_EXHAUSTED
        source.go.set()
        assert await asyncio.gather(*waiting) == [10, 10]
        assert await reads.read(2) == 20


async def test_a_thousand_keys_go_into_one_statement():
    source = Source()
    async with CoalescedReads(source.fetch) as reads:
        keys = range(1, 1501)
        found = await asyncio.gather(*(reads.read(key) for key in keys))
    assert found == [key * 10 for key in keys]
    assert [len(statement) for statement in source.statements] == [1000, 500]


async def test_the_end_fails_who_still_waits():
    source = Source()
    source.go.clear()
    async with CoalescedReads(source.fetch) as reads:
        waiting = [asyncio.create_task(reads.read(1))]
        await settle()
        waiting.append(asyncio.create_task(reads.read(2)))
        await settle()
    failed = await asyncio.gather(*waiting, return_exceptions=True)
    assert [one.code for one in failed] == [Code.UNAVAILABLE, Code.UNAVAILABLE]
    with pytest.raises(ServiceError):
        await reads.read(1)
