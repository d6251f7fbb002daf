"""The memory of the server's processes while usage comes in as fast as it can, beside what they have when idle.

WALLET_BENCH_MEMORY_SECONDS is how long: a minute by default, 600 for the whole of the target.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from bench.figures import print_figure

SECONDS: Final = int(os.environ.get("WALLET_BENCH_MEMORY_SECONDS", "60"))
TARGET_MB: Final = 200.0
FLAT_MB: Final = 20.0
"""How much more in the last quarter than in the second counts as flat."""
_PROGRAM: Final = "envoy"


async def run(callers: Sequence[Callable[[], Awaitable[None]]], *, idle_mb: float) -> None:
    """Print the growth over `idle_mb`, and that from the second to the last quarter of the time."""
    end = time.monotonic() + SECONDS

    async def loop(work: Callable[[], Awaitable[None]]) -> None:
        while time.monotonic() < end:
            await work()

    seen: list[float] = []

    async def watch() -> None:
        while time.monotonic() < end:
            await asyncio.sleep(SECONDS / 60)
            seen.append(resident_mb())

    await asyncio.gather(watch(), *(loop(work) for work in callers))
    quarter = len(seen) // 4
    creep = max(seen[-quarter:]) - max(seen[quarter : 2 * quarter])
    yardstick = f"idle: {idle_mb:.0f} MB; {SECONDS} s of batches of 1000"
    print_figure("server_memory_growth_under_ingest", max(seen) - idle_mb, "MB", yardstick, TARGET_MB, at_most=True)
    print_figure("server_memory_growth_in_second_half", creep, "MB", yardstick, FLAT_MB, at_most=True)


def resident_mb() -> float:
    """Of all server processes below this one."""
    parents: dict[int, tuple[int, str, int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                head, _, rest = (folder / "stat").read_text().rpartition(")")
                pages = int((folder / "statm").read_text().split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents[int(folder.name)] = (int(rest.split()[1]), head.partition("(")[2], pages)
    total = 0
    for pid, (_, program, pages) in parents.items():
        above = pid
        while above in parents and above != os.getpid():
            above = parents[above][0]
        if above == os.getpid() and program == _PROGRAM:
            total += pages
    return total * os.sysconf("SC_PAGE_SIZE") / 2**20
