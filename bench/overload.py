"""`make overload`: what a process answers at four times what it can do.

For each kind of call the capacity is measured with callers that wait for their answers; then four times as many calls arrive
as time passes, whether or not the ones before were answered. Health is asked beside them ten times a second. One JSON line a
figure, as `make bench`; what arrived is measured too, because the load is made on the same machine.
"""

import asyncio
import itertools
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final
from uuid import UUID

import uvloop
from protobuf.wkt import Timestamp
from pyqwest import Client
from wallet_api.billing.v1.ledger_service_pb import CreateHoldRequest
from wallet_api.billing.v1.usage_service_pb import RecordUsageEventsRequest, UsageEventInput

from wallet_service.catalog.files import read_catalog
from wallet_service.catalog.rules import CatalogDocument, NewMeter, NewRate
from wallet_service.cli.dev import SAMPLE_CATALOG
from wallet_service.clock import SystemClock
from wallet_service.development import Instance, private_settings, running
from wallet_service.limits.model import Duration, Strategy
from wallet_service.logs import configure_logging

TIMES: Final = 4
CAPACITY_SECONDS: Final = 3.0
OVERLOAD_SECONDS: Final = 6.0
TICK_SECONDS: Final = 0.005
METER: Final = "overload.meter"
SLUG: Final = "overload"
PLENTY_MINOR: Final = 10**12
ACCEPTED_P99_MAX_MS: Final = 2000.0
SHED_P50_MAX_MS: Final = 250.0


@dataclass(frozen=True, slots=True)
class Target:
    """A running server, and an operator's key."""

    url: str
    key: str


@dataclass(frozen=True, slots=True)
class Load:
    """A kind of call: each body is sent once. With so many `callers` its capacity is measured."""

    name: str
    method: str
    bodies: Iterator[bytes]
    callers: int = 64


@dataclass(slots=True)
class Answers:
    """Milliseconds to each answer, by what it was. `arrived_per_second`: calls, as far as they could be made."""

    accepted: list[float] = field(default_factory=list[float])
    shed: list[float] = field(default_factory=list[float])
    health: list[float] = field(default_factory=list[float])
    other: Counter[str] = field(default_factory=Counter[str])
    unhealthy_count: int = 0
    arrived_per_second: float = 0.0


async def run(instance: Instance) -> None:
    """Measure each kind against a running service."""
    target = Target(instance.url, instance.operator_key)
    org_id = await _organization(instance)
    for load in (holds("holds", SLUG), _usage(100)):
        await _measure(target, load)
    await instance.service.spending_limits.set(
        org_id, amount_minor=PLENTY_MINOR, duration=Duration.MONTHLY, strategy=Strategy.FIXED
    )
    await _measure(target, holds("holds_of_a_limited_wallet", SLUG, callers=16))


def holds(name: str, slug: str, *, callers: int = 64) -> Load:
    """A minor unit of an organization is set aside, again and again."""

    def bodies() -> Iterator[bytes]:
        wallet = f"organizations/{slug}/wallets/default"
        while True:
            yield CreateHoldRequest(wallet_name=wallet, amount_minor=1, request_id=os.urandom(8).hex()).to_binary()

    return Load(name, "billing.v1.LedgerService/CreateHold", bodies(), callers)


async def capacity(target: Target, load: Load, *, seconds: float = CAPACITY_SECONDS) -> float:
    """Calls per second of callers that wait for their answers. Raises RuntimeError when one is not served."""
    answers, client = Answers(), Client()

    async def caller() -> None:
        while time.monotonic() < end:
            await _call(client, target, load, next(load.bodies), answers)

    end = time.monotonic()
    await asyncio.gather(*(_call(client, target, load, next(load.bodies), answers) for _ in range(load.callers)))
    answers.accepted.clear()
    begin = time.monotonic()
    end = begin + seconds
    await asyncio.gather(*(caller() for _ in range(load.callers)))
    if answers.other or answers.shed:
        raise RuntimeError(f"not within its capacity: {len(answers.shed)} shed, {answers.other}")
    return len(answers.accepted) / (time.monotonic() - begin)


async def overload(target: Target, load: Load, *, per_second: float, seconds: float = OVERLOAD_SECONDS) -> Answers:
    """Calls that arrive at a rate, and what they were answered."""
    answers, client = Answers(), Client()
    made = list(itertools.islice(load.bodies, int(per_second * seconds)))
    async with _health_watched(target, answers), asyncio.TaskGroup() as tasks:
        begin, sent = time.monotonic(), 0
        while (passed := time.monotonic() - begin) < seconds:
            due = min(len(made), int(per_second * passed))
            for body in made[sent:due]:
                tasks.create_task(_call(client, target, load, body, answers))
            sent = due
            await asyncio.sleep(TICK_SECONDS)
        answers.arrived_per_second = sent / (time.monotonic() - begin)
    return answers


def percentile(values: list[float], share: float) -> float:
    """0.0 of none."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


async def _measure(target: Target, load: Load) -> None:
    most = await capacity(target, load)
    answers = await overload(target, load, per_second=TIMES * most)
    count = len(answers.accepted) + len(answers.shed) + answers.other.total()
    beside = (
        f"capacity {most:.0f} calls/s, {answers.arrived_per_second:.0f} arrived, other answers {dict(answers.other)}"
    )

    def show(name: str, value: float, unit: str, target: float | None = None) -> None:
        _print(f"overload_{load.name}_{name}", value, unit, beside, target)

    show("accepted", len(answers.accepted) / OVERLOAD_SECONDS, "calls/s")
    show("accepted_p50", percentile(answers.accepted, 0.50), "ms")
    show("accepted_p99", percentile(answers.accepted, 0.99), "ms", ACCEPTED_P99_MAX_MS)
    show("shed_share", len(answers.shed) / max(1, count), "of calls")
    show("shed_p50", percentile(answers.shed, 0.50), "ms", SHED_P50_MAX_MS)
    show("shed_p99", percentile(answers.shed, 0.99), "ms")
    show("health_p99", percentile(answers.health, 0.99), "ms")
    show("unhealthy", answers.unhealthy_count, "answers", 0)


def _print(name: str, value: float, unit: str, yardstick: str, target: float | None) -> None:
    """Targets are upper bounds."""
    met = None if target is None else value <= target
    figure = {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "yardstick": yardstick,
        "target": target,
        "met": met,
    }
    print(json.dumps(figure), flush=True)


async def _organization(instance: Instance) -> UUID:
    """With a project of the same name, a meter, and money."""
    service = instance.service
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    meter, rate = NewMeter(METER, "hour", "Overload"), NewRate(METER, "USD", Decimal("0.342466"), begin)
    await service.catalog.apply(CatalogDocument((meter,), (rate,)))
    org_id = (await service.organizations.create(slug=SLUG)).org_id
    await service.projects.create(org_id, slug=SLUG, display_name="", request_id="")
    await service.journal.deposit(org_id, amount_minor=PLENTY_MINOR, currency="USD", description="", key=SLUG)
    return org_id


def _usage(event_count: int) -> Load:
    def bodies() -> Iterator[bytes]:
        now = Timestamp.from_datetime(SystemClock().now())
        for batch in itertools.count():
            events = [
                UsageEventInput(
                    project_name=f"projects/{SLUG}",
                    meter=METER,
                    resource_name=f"vm-{number % 50}",
                    quantity="0.25",
                    event_time=now,
                    idempotency_key=f"{batch}-{number}",
                )
                for number in range(event_count)
            ]
            yield RecordUsageEventsRequest(organization_name=f"organizations/{SLUG}", events=events).to_binary()

    return Load(f"usage_batches_of_{event_count}", "billing.v1.UsageService/RecordUsageEvents", bodies())


async def _call(client: Client, target: Target, load: Load, body: bytes, answers: Answers) -> None:
    headers = {"authorization": f"Bearer {target.key}", "content-type": "application/proto"}
    begin = time.perf_counter()
    response = await client.post(f"{target.url}/{load.method}", headers=headers, content=body)
    took = (time.perf_counter() - begin) * 1000
    if response.status == 200:
        answers.accepted.append(took)
    elif response.status == 429 and b"OVERLOADED" in bytes(response.content):
        answers.shed.append(took)
    else:
        answers.other[f"HTTP {response.status}: {bytes(response.content)[:120]!r}"] += 1


@asynccontextmanager
async def _health_watched(target: Target, answers: Answers) -> AsyncGenerator[None]:
    client = Client()

    async def watch() -> None:
        while True:
            begin = time.perf_counter()
            response = await client.get(f"{target.url}/healthz")
            answers.health.append((time.perf_counter() - begin) * 1000)
            answers.unhealthy_count += response.status != 200
            await asyncio.sleep(0.1)

    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch())
        try:
            yield
        finally:
            watching.cancel()


def main() -> None:
    """On an instance of its own, in a folder that is removed afterwards."""
    configure_logging(format="json", level="error")
    with (
        tempfile.TemporaryDirectory(prefix="wallet-overload-") as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_alone(Path(folder)))


async def _alone(folder: Path) -> None:
    async with running(private_settings(folder), read_catalog(SAMPLE_CATALOG)) as instance:
        await run(instance)


if __name__ == "__main__":
    main()
