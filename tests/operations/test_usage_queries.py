"""Sums of usage against sums made by hand, pages, events and settlements."""

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.ids import new_id
from tests.operations.usage_scene import EGRESS, GPU, VCPU, Scene, event, scene_on
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.errors import Reason, ServiceError
from wallet_service.usage.model import NewEvent, Recorded
from wallet_service.usage.query_rules import Bucket, Dimension, UsageRow, bucket_start

PRICES = {VCPU: Decimal("0.5"), GPU: Decimal(249), EGRESS: Decimal("0.9765625")}
CATEGORIES = {VCPU: "vCPU", GPU: "GPU", EGRESS: "Data Transfer"}
BEGIN = datetime(2026, 2, 25, tzinfo=UTC)
FIELDS = tuple(dimension.value for dimension in Dimension)


@pytest.fixture
async def scene(db: Database, clock: ManualClock) -> AsyncIterator[Scene]:
    async with scene_on(db, clock) as made:
        await made.project(made.org_id, "second")
        await made.recorder.record(made.org_id, some_events())
        yield made


def some_events() -> list[NewEvent]:
    """Events over four days, on and around the full hours, the same on every run."""
    chance = random.Random(7)
    return [
        event(
            f"k{number}",
            str(chance.choice([1, 2, "0.25", "-0.5", 0])),
            meter=chance.choice([VCPU, GPU, EGRESS]),
            project=chance.choice(["my-app", "second"]),
            resource=chance.choice(["", "vm-1", "vm-2", "ü" * 500 + "1", "ü" * 500 + "2"]),
            datacenter=chance.choice(["", "eu-1"]),
            event_time=BEGIN
            + timedelta(
                hours=chance.randrange(96), microseconds=chance.choice([0, 0, 1, 1_800_000_000, 3_599_999_999])
            ),
        )
        for number in range(400)
    ]


def expected(
    start: datetime | None, end: datetime, bucket: Bucket, dimensions: tuple[Dimension, ...], prefix: str = ""
) -> dict[tuple[object, ...], Decimal]:
    sums: dict[tuple[object, ...], Decimal] = {}
    for made in some_events():
        at = made.event_time
        assert at is not None
        if (start is None or at >= start) and at < end and made.meter.startswith(prefix):
            values = {
                "category": CATEGORIES[made.meter],
                "project": made.project,
                "meter": made.meter,
                "resource": made.resource,
                "datacenter": made.datacenter,
            }
            key = (bucket_start(bucket, at), *(values[d.value] if d in dimensions else "" for d in Dimension))
            sums[key] = sums.get(key, Decimal(0)) + Decimal(made.quantity) * PRICES[made.meter]
    return sums


def found(rows: list[UsageRow]) -> dict[tuple[object, ...], Decimal]:
    result = {(row.bucket_start, *(getattr(row, name) for name in FIELDS)): row.cost_minor_exact for row in rows}
    assert len(result) == len(rows)
    return result


bounds = st.one_of(
    st.integers(0, 97).map(lambda n: BEGIN + timedelta(hours=n)),
    st.integers(0, 96 * 3600).map(lambda n: BEGIN + timedelta(seconds=n)),
    st.integers(0, 96).map(lambda n: BEGIN + timedelta(hours=n, microseconds=1)),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.one_of(st.none(), bounds),
    end=bounds,
    bucket=st.sampled_from(Bucket),
    dimensions=st.lists(st.sampled_from(Dimension), unique=True),
    prefix=st.sampled_from(["", "compute.", "network", "compute.vm.vcpu_hours", "%"]),
)
async def test_sums_are_those_of_the_events_in_the_half_open_range(
    scene: Scene, start: datetime | None, end: datetime, bucket: Bucket, dimensions: list[Dimension], prefix: str
) -> None:
    page = await scene.queries.query(
        scene.org_id, start=start, end=end, bucket=bucket, dimensions=dimensions, meter_prefix=prefix, size=1000
    )
    assert page.next_page_token == ""
    assert found(list(page.rows)) == expected(start, end, bucket, tuple(dimensions), prefix)


async def test_adjacent_ranges_add_up(scene: Scene) -> None:
    whole = (await scene.queries.query(scene.org_id, bucket=Bucket.MONTH)).rows
    middle = BEGIN + timedelta(hours=50, minutes=30)
    parts = [
        row
        for bounds in ({"end": middle}, {"start": middle})
        for row in (await scene.queries.query(scene.org_id, bucket=Bucket.MONTH, **bounds)).rows
    ]
    for month in {row.bucket_start for row in whole}:
        assert sum(row.cost_minor_exact for row in parts if row.bucket_start == month) == next(
            row.cost_minor_exact for row in whole if row.bucket_start == month
        )


@pytest.mark.parametrize("size", [1, 7, 50])
async def test_pages_are_the_whole_once_in_order(scene: Scene, size: int) -> None:
    every = tuple(Dimension)
    whole = (await scene.queries.query(scene.org_id, dimensions=every, size=1000)).rows
    rows: list[UsageRow] = []
    token = ""
    while True:
        page = await scene.queries.query(scene.org_id, dimensions=every, size=size, token=token)
        assert len(page.rows) <= size
        rows += page.rows
        token = page.next_page_token
        assert len(token) <= 1024
        if not token:
            break
    assert tuple(rows) == whole
    assert [row.bucket_start for row in rows] == sorted(row.bucket_start for row in rows)


async def test_a_token_belongs_to_its_query(scene: Scene) -> None:
    token = (await scene.queries.query(scene.org_id, dimensions=[Dimension.METER], size=1)).next_page_token
    other = await scene.organization("other-org")
    for org_id, options in (
        (other, {"dimensions": [Dimension.METER]}),
        (scene.org_id, {"dimensions": [Dimension.PROJECT]}),
        (scene.org_id, {"dimensions": [Dimension.METER], "bucket": Bucket.HOUR}),
        (scene.org_id, {"dimensions": [Dimension.METER], "meter_prefix": "c"}),
        (scene.org_id, {"dimensions": [Dimension.METER], "start": BEGIN}),
    ):
        with pytest.raises(ServiceError) as refused:
            await scene.queries.query(org_id, size=1, token=token, **options)  # type: ignore[arg-type]
        assert refused.value.reason is Reason.INVALID_PAGE_TOKEN


async def test_units_that_differ_are_not_summed(scene: Scene) -> None:
    by_meter = (await scene.queries.query(scene.org_id, bucket=Bucket.MONTH, dimensions=[Dimension.METER])).rows
    assert {row.meter: row.unit for row in by_meter} == {VCPU: "vcpu-hour", GPU: "gpu-hour", EGRESS: "GiB"}
    assert all(row.quantity is not None for row in by_meter)
    mixed = (await scene.queries.query(scene.org_id, bucket=Bucket.MONTH)).rows
    assert {(row.unit, row.quantity) for row in mixed} == {("", None)}


async def test_whole_units_round_half_to_even(scene: Scene) -> None:
    org_id = await scene.organization("even", project="even")
    at = scene.clock.now() - timedelta(days=1)
    await scene.recorder.record(
        org_id,
        [event(f"k{n}", str(n), project="even", resource=f"r{n}", event_time=at) for n in (1, 3, 5, -1, -3)],
    )
    rows = (await scene.queries.query(org_id, dimensions=[Dimension.RESOURCE])).rows
    assert {row.resource: row.cost_minor for row in rows} == {"r1": 0, "r3": 2, "r5": 2, "r-1": 0, "r-3": -2}


async def test_without_an_end_everything_recorded_counts(scene: Scene) -> None:
    org_id = await scene.organization("ahead", project="ahead")
    now = scene.clock.now()
    events = [
        event("ahead", project="ahead", event_time=now + timedelta(minutes=5)),
        event("now", project="ahead"),
        event("before", project="ahead", event_time=now - timedelta(seconds=1)),
    ]
    await scene.recorder.record(org_id, events)
    assert [row.quantity for row in (await scene.queries.query(org_id)).rows] == [3]
    assert [row.quantity for row in (await scene.queries.query(org_id, end=now)).rows] == [1]


async def test_one_project_is_seen_alone(scene: Scene) -> None:
    rows = await scene.rows("SELECT project_id FROM projects WHERE slug = 'second'")
    page = await scene.queries.query(
        scene.org_id, project_id=rows[0].project_id, bucket=Bucket.MONTH, dimensions=[Dimension.PROJECT]
    )
    assert {row.project for row in page.rows} == {"second"}


async def test_events_are_listed_newest_first_by_pages(scene: Scene) -> None:
    scene.clock.advance(timedelta(seconds=1))
    await scene.recorder.record(
        scene.org_id, [event("last", metadata={"who": "é"}, datacenter="eu-1", resource="vm-9")]
    )
    listed: list[str] = []
    token = ""
    while True:
        page = await scene.queries.list_events(scene.org_id, size=90, token=token)
        listed += [row.idempotency_key for row in page.rows]
        token = page.next_page_token
        if not token:
            break
    assert listed == ["last", *(f"k{n}" for n in reversed(range(400)))]
    first = (await scene.queries.list_events(scene.org_id, size=1)).rows[0]
    assert (first.project, first.meter, first.unit, first.resource, first.datacenter) == (
        "my-app",
        VCPU,
        "vcpu-hour",
        "vm-9",
        "eu-1",
    )
    assert first.metadata == {"who": "é"}
    assert (first.quantity, first.unit_price_minor, first.cost_minor) == (1, Decimal("0.5"), Decimal("0.5"))
    middle = BEGIN + timedelta(hours=1)
    inside = await scene.queries.list_events(scene.org_id, start=BEGIN, end=middle, meter_prefix="compute", size=1000)
    wanted = [e.key for e in some_events() if e.event_time and e.event_time < middle and e.meter.startswith("compute")]
    assert [row.idempotency_key for row in inside.rows] == wanted[::-1]


async def test_a_settlement_is_the_batch_that_carried_it(scene: Scene) -> None:
    org_id = await scene.organization("settled", project="settled")
    small, large = (
        (await scene.recorder.record(org_id, [event("small", "0.25", project="settled")]))[0],
        (await scene.recorder.record(org_id, [event("large", "3", project="settled", meter=GPU)]))[0],
    )
    assert isinstance(small, Recorded)
    assert isinstance(large, Recorded)
    absorbed = await scene.queries.settlement(org_id, str(small.event_id))
    assert (absorbed.journal_entry_id, absorbed.cost_minor) == (None, Decimal("0.125"))
    carried = await scene.queries.settlement(org_id, str(large.event_id), amount_minor=747, currency="USD")
    entries = await scene.rows("SELECT entry_id FROM ledger_entries WHERE org_id = :o", o=org_id)
    assert [carried.journal_entry_id] == [row.entry_id for row in entries]
    for options, reason in (
        ({"amount_minor": 748}, Reason.USAGE_ALREADY_SETTLED),
        ({"currency": "EUR"}, Reason.CURRENCY_MISMATCH),
    ):
        with pytest.raises(ServiceError) as refused:
            await scene.queries.settlement(org_id, str(large.event_id), **options)  # type: ignore[arg-type]
        assert refused.value.reason is reason
    for unknown in (str(new_id(scene.clock.now())), "x", str(large.event_id)):
        with pytest.raises(ServiceError) as refused:
            await scene.queries.settlement(scene.org_id, unknown)
        assert refused.value.reason is Reason.RESOURCE_NOT_FOUND
