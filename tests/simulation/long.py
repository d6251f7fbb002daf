"""`python -m tests.simulation.long`: a run of many seeds that can be stopped, resumed and added up.

Each chunk is one `make simulate SEED=.. STEPS=..` in a process of its own. Its record is a line of `chunks.jsonl` in the
folder, so a stop loses the chunks in progress and nothing else. A seed that has a record is not run again.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from tests.simulation.report import read, sum_up
from wallet_service.cli.session import run

CHUNK_STEPS = 1_000
FAILURES_MAX = 3
"""After so many failures something is broken that the next seeds would only find again."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.long", description=__doc__)
    parser.add_argument("--operations", type=int, default=1_000_000, help="go on until so many calls were made")
    parser.add_argument("--seed", type=int, default=1, help="the first seed; each chunk takes the next")
    parser.add_argument("--steps", type=int, default=CHUNK_STEPS, help="of each chunk")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("build/simulation"))
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    made = Chunks(chosen.folder / "chunks.jsonl", chosen.seed, chosen.steps, chosen.operations)
    run(made.all(chosen.workers))
    reports = read(made.path)
    print(sum_up(reports, sum(report.seconds for report in reports)))
    return any(report.failure for report in reports)


class Chunks:
    """The chunks of one folder. Operations are calls; those of seeds that failed do not count."""

    def __init__(self, path: Path, seed: int, steps: int, operations: int) -> None:
        self.path = path
        self._steps = steps
        self._operations = operations
        self._next = seed
        self._begun: set[int] = set()
        self._failed_count = 0

    async def all(self, workers: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._some())

    async def _some(self) -> None:
        while self._count() < self._operations and self._failed_count < FAILURES_MAX:
            seed = self._seed()
            await self._one(seed)
            found = [report for report in read(self.path) if report.seed == seed]
            if not found:
                raise RuntimeError(f"seed {seed} ended without a record")
            self._failed_count += found[0].failure is not None
            print(f"{self._count()} of {self._operations}; {found[0].line()}", flush=True)

    def _count(self) -> int:
        return sum(report.call_count for report in read(self.path) if report.failure is None)

    def _seed(self) -> int:
        taken = self._begun | {report.seed for report in read(self.path)}
        while self._next in taken:
            self._next += 1
        self._begun.add(self._next)
        return self._next

    async def _one(self, seed: int) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.simulation", "--seed", str(seed), "--steps", str(self._steps)),
            *("--record", str(self.path), "--no-shrink"),
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            await process.wait()
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()


if __name__ == "__main__":
    sys.exit(main())
