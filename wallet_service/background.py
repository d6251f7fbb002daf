"""Work that runs beside a block of code, as part of it, and how it waits."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any


@asynccontextmanager
async def beside(
    work: Coroutine[Any, Any, None], *, stop: Callable[[], Awaitable[None]]
) -> AsyncGenerator[asyncio.Task[None]]:
    """Run `work` beside the block, which gets its task. At the end of the block `stop` is called and the work awaited.

    When the work fails, the block is cancelled and the failure raised as itself, not as a group of one.
    """
    try:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(work)
            try:
                yield task
            finally:
                await stop()
    except BaseExceptionGroup as group:
        first, *others = group.exceptions
        if others:
            raise
        raise first from None


async def pause(length: timedelta, *, unless: asyncio.Event) -> None:
    """Wait for a time, or until `unless` is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(length.total_seconds()):
            await unless.wait()
