"""What commands share: the settings, the event loop, and the service's parts opened on the configured database."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import uvloop

from wallet_service.config import Settings
from wallet_service.development import with_database
from wallet_service.logs import configure_logging
from wallet_service.service import Service
from wallet_service.tenancy import Reach, within

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end on uvloop; Ctrl-C and SIGTERM cancel it, unless it takes them itself."""

    async def main() -> T:
        task = asyncio.current_task()
        assert task is not None, "a runner runs tasks"
        # Ctrl-C is the runner's own.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


def settings_with_logs() -> Settings:
    """The settings of the environment, with logging configured by them."""
    settings = Settings()
    configure_logging(format=settings.log_format, level=settings.log_level)
    return settings


@asynccontextmanager
async def opened(settings: Settings) -> AsyncGenerator[Service]:
    """The service's parts on the configured database; without a URL on the embedded one, started or attached to."""
    async with AsyncExitStack() as stack:
        with_url = await with_database(settings, stack)
        yield await stack.enter_async_context(Service(with_url))


def with_service(work: Callable[[Service], Awaitable[T]]) -> T:
    """Run one operation of a command, which may be about any organization."""

    async def main() -> T:
        async with opened(settings_with_logs()) as service:
            with within(Reach.EVERYONE):
                return await work(service)

    return run(main())
