"""The command of the simulation: run, report, and shrink what fails.

A run of more steps than an episode has goes on with the next seed in a new database, on `--workers` processes.
"""

import argparse
import asyncio
import logging
import multiprocessing
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

import structlog

from tests.simulation.databases import Databases, databases
from tests.simulation.episode import Report, run
from tests.simulation.shrinking import shrink, sort_of

EPISODE_STEPS = 2_500
Part = tuple[int, tuple[int, ...] | int]
"""A seed, and its steps: these, or the first so many."""


def main() -> int:
    chosen = _arguments().parse_args()
    started = time.perf_counter()
    reports: list[Report] = []
    with ProcessPoolExecutor(chosen.workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(_work, parts) for parts in _shared(_parts(chosen), chosen.workers)]
        for future in as_completed(futures):
            reports += future.result()
    _sum_up(reports, time.perf_counter() - started)
    return any(report.failure for report in reports)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=EPISODE_STEPS)
    parser.add_argument("--only", default="", help="numbers of the steps to take, with commas; others are left out")
    parser.add_argument("--workers", type=int, default=1)
    return parser


def _parts(chosen: argparse.Namespace) -> list[Part]:
    if chosen.only:
        return [(chosen.seed, tuple(int(index) for index in chosen.only.split(",")))]
    whole, rest = divmod(chosen.steps, EPISODE_STEPS)
    parts: list[Part] = [(chosen.seed + place, EPISODE_STEPS) for place in range(whole)]
    return [*parts, (chosen.seed + whole, rest)] if rest else parts


def _shared(parts: Sequence[Part], workers: int) -> list[list[Part]]:
    return [found for place in range(workers) if (found := list(parts[place::workers]))]


def _work(parts: Sequence[Part]) -> list[Report]:
    """The share of one process, with a database server of its own. It stops at the first failure."""
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    return asyncio.run(_episodes(parts))


async def _episodes(parts: Sequence[Part]) -> list[Report]:
    reports: list[Report] = []
    async with databases() as made:
        for seed, which in parts:
            indexes = range(which) if isinstance(which, int) else which
            report = await _run(made, seed, indexes)
            reports.append(report)
            print(_line(report), flush=True)
            if report.failure is not None:
                await _explain(made, report, indexes)
                break
    return reports


async def _run(made: Databases, seed: int, indexes: Sequence[int]) -> Report:
    async with made.empty() as url:
        return await run(url, seed, indexes)


async def _explain(made: Databases, report: Report, indexes: Sequence[int]) -> None:
    """Shrink a failure, and say how to see it again."""
    print(f"seed {report.seed} fails at step {report.failed_at}: {report.failure}\n{report.trace}", flush=True)
    failed_at, wanted = report.failed_at, sort_of(report.failure)
    until = [index for index in indexes if failed_at is None or index <= failed_at]

    async def fails(steps: Sequence[int]) -> bool:
        return sort_of((await _run(made, report.seed, steps)).failure) == wanted

    if not await fails(until):
        print("it does not fail again in the same way: look for what is not drawn from the seed", flush=True)
        return
    smallest, runs = await shrink(until, fails)
    only = ",".join(map(str, smallest))
    print(f"{len(smallest)} of {len(until)} steps are enough (found in {runs} runs):", flush=True)
    print(f"  make simulate SEED={report.seed} ONLY={only}", flush=True)


def _line(report: Report) -> str:
    calls = sum(report.calls.values())
    faults = sum(count for name, count in report.struck.items() if name != "restart")
    return (
        f"seed {report.seed}: {report.steps} steps, {calls} calls, {faults} faults,"
        f" {report.struck['restart']} restarts, {report.entries} entries, {sum(report.events.values())} events,"
        f" {calls / report.seconds:.0f} calls/s{'' if report.failure is None else ', FAILED'}"
    )


def _sum_up(reports: Sequence[Report], seconds: float) -> None:
    for what in ("calls", "refusals", "struck", "events"):
        total: Counter[str] = Counter()
        for report in reports:
            total.update(getattr(report, what))
        print(f"{what}: {', '.join(f'{name} {count}' for name, count in total.most_common())}")
    calls = sum(sum(report.calls.values()) for report in reports)
    steps = sum(report.steps for report in reports)
    failed = [report.seed for report in reports if report.failure is not None]
    print(
        f"{len(reports)} seeds, {steps} steps, {calls} calls, {sum(report.entries for report in reports)} entries"
        f" in {seconds:.0f} s ({calls / seconds:.0f} calls/s); failed: {failed or 'none'}"
    )
