"""The command of the simulation: run, report, and shrink what fails.

A run of more steps than an episode has goes on with the next seed in a new database, on `--workers` processes.
"""

import argparse
import logging
import multiprocessing
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

import structlog

from tests.simulation.databases import Databases, databases
from tests.simulation.episode import run
from tests.simulation.report import Report, present_commit, sum_up
from tests.simulation.shrinking import shrink, sort_of
from wallet_service.cli import session

EPISODE_STEPS = 1_000
STOP_SECONDS = 40
"""A worker that is asked to stop gets so long to stop its database server."""

Part = tuple[int, tuple[int, ...] | int]
"""A seed, and its steps: these, or the first so many."""


def main() -> int:
    chosen = _arguments().parse_args()
    started = time.perf_counter()
    shares = _shared(_parts(chosen), chosen.workers)
    reports = _work(shares[0], chosen) if len(shares) == 1 else _work_apart(shares, chosen)
    print(sum_up(reports, time.perf_counter() - started))
    return any(report.failure for report in reports)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=EPISODE_STEPS)
    parser.add_argument("--only", default="", help="numbers of the steps to take, with commas; others are left out")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--record", type=Path, help="a file that gets a line of JSON for each seed")
    parser.add_argument("--no-shrink", action="store_true", help="do not look for the steps that make a failure")
    return parser


def _parts(chosen: argparse.Namespace) -> list[Part]:
    if chosen.only:
        return [(chosen.seed, tuple(int(index) for index in chosen.only.split(",")))]
    whole, rest = divmod(chosen.steps, EPISODE_STEPS)
    parts: list[Part] = [(chosen.seed + place, EPISODE_STEPS) for place in range(whole)]
    return [*parts, (chosen.seed + whole, rest)] if rest else parts


def _shared(parts: Sequence[Part], workers: int) -> list[list[Part]]:
    return [found for place in range(workers) if (found := list(parts[place::workers]))]


def _work_apart(shares: Sequence[list[Part]], chosen: argparse.Namespace) -> list[Report]:
    """Each share in a process. When this one is interrupted, they are stopped, and ended if they do not stop."""
    signal.signal(signal.SIGTERM, _interrupt)
    context = multiprocessing.get_context("spawn")
    receivers: list[Connection] = []
    workers: list[SpawnProcess] = []
    for parts in shares:
        receiver, sender = context.Pipe(duplex=False)
        workers.append(context.Process(target=_work_and_send, args=(parts, chosen, sender), daemon=True))
        workers[-1].start()
        sender.close()
        receivers.append(receiver)
    try:
        return [report for receiver in receivers for report in receiver.recv()]
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join(STOP_SECONDS)
            worker.kill()


def _interrupt(number: int, _: object) -> None:
    sys.exit(128 + number)


def _work_and_send(parts: Sequence[Part], chosen: argparse.Namespace, sender: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sender.send([replace(report, trace="") for report in _work(parts, chosen)])


def _work(parts: Sequence[Part], chosen: argparse.Namespace) -> list[Report]:
    """With a database server of its own. It stops at the first failure."""
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    return session.run(_episodes(parts, chosen))


async def _episodes(parts: Sequence[Part], chosen: argparse.Namespace) -> list[Report]:
    reports: list[Report] = []
    async with databases() as made:
        for seed, which in parts:
            indexes = range(which) if isinstance(which, int) else which
            report = replace(await _run(made, seed, indexes), commit=present_commit())
            reports.append(report)
            print(report.line(), flush=True)
            if chosen.record is not None:
                with chosen.record.open("a") as file:
                    file.write(report.record() + "\n")
            if report.failure is not None:
                print(f"seed {seed} fails at step {report.failed_at}: {report.failure}\n{report.trace}", flush=True)
                if not chosen.no_shrink:
                    await _explain(made, report, indexes)
                break
    return reports


async def _run(made: Databases, seed: int, indexes: Sequence[int]) -> Report:
    async with made.empty() as url:
        return await run(url, seed, indexes)


async def _explain(made: Databases, report: Report, indexes: Sequence[int]) -> None:
    """Shrink a failure, and say how to see it again."""
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
