"""Meters and rates: use cases against a real database."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.operations.usage_scene import GPU, START, VCPU, Scene, scene_on
from wallet_service.catalog.rules import CatalogDocument, Meter, NewMeter, NewRate, Rate
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.errors import Code, Reason, ServiceError
from wallet_service.rating.rules import plain_text

METER = NewMeter("storage.gib", "GiB-hour", "VM Storage")


@pytest.fixture
async def scene(db: Database, clock: ManualClock) -> AsyncIterator[Scene]:
    async with scene_on(db, clock) as made:
        yield made


async def test_a_meter_is_made_once(scene: Scene) -> None:
    made = await scene.catalog.create_meter(METER, request_id="r1")
    assert made == Meter("storage.gib", "storage.gib", "GiB-hour", "VM Storage", scene.clock.now())
    scene.clock.advance(timedelta(hours=1))
    assert await scene.catalog.create_meter(METER, request_id="r1") == made
    for request_id, reason in (("", Reason.RESOURCE_EXISTS), ("r2", Reason.RESOURCE_EXISTS)):
        with pytest.raises(ServiceError) as refused:
            await scene.catalog.create_meter(METER, request_id=request_id)
        assert (refused.value.code, refused.value.reason) == (Code.ALREADY_EXISTS, reason)
    with pytest.raises(ServiceError) as reused:
        await scene.catalog.create_meter(NewMeter("other", "h", "c"), request_id="r1")
    assert reused.value.reason is Reason.IDEMPOTENCY_KEY_REUSED


async def test_a_meter_changes_its_name_and_category_only(scene: Scene) -> None:
    changed = await scene.catalog.update_meter(VCPU, display_name="CPU", category=None)
    assert (changed.display_name, changed.category, changed.unit) == ("CPU", "vCPU", "vcpu-hour")
    assert await scene.catalog.update_meter(VCPU, display_name=None, category=None) == changed
    assert await scene.catalog.get_meter(VCPU) == changed
    for call in (
        scene.catalog.update_meter("nope", display_name="x", category=None),
        scene.catalog.get_meter("nope"),
        scene.catalog.create_rate(NewRate("nope", "USD", Decimal(1), START)),
    ):
        with pytest.raises(ServiceError) as refused:
            await call
        assert refused.value.reason is Reason.RESOURCE_NOT_FOUND


async def test_a_rate_repeats_conflicts_and_keeps_its_request(scene: Scene) -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    first = await scene.catalog.create_rate(NewRate(VCPU, "USD", Decimal("0.7"), at))
    assert await scene.catalog.create_rate(NewRate(VCPU, "USD", Decimal("0.70"), at)) == first
    assert await scene.catalog.create_rate(NewRate(VCPU, "USD", Decimal("0.7"), at), request_id="r") == first
    assert await scene.catalog.create_rate(NewRate(VCPU, "USD", Decimal("0.7"), at), request_id="r") == first
    with pytest.raises(ServiceError) as conflict:
        await scene.catalog.create_rate(NewRate(VCPU, "USD", Decimal("0.8"), at))
    assert conflict.value.reason is Reason.RATE_CONFLICT
    with pytest.raises(ServiceError) as reused:
        await scene.catalog.create_rate(NewRate(VCPU, "USD", Decimal("0.8"), at), request_id="r")
    assert reused.value.reason is Reason.IDEMPOTENCY_KEY_REUSED


async def test_a_repeat_without_a_time_answers_the_first_rate(scene: Scene) -> None:
    first = await scene.catalog.create_rate(
        NewRate(VCPU, "USD", Decimal(9), scene.clock.now()), request_id="now", effective_given=False
    )
    scene.clock.advance(timedelta(seconds=5))
    again = await scene.catalog.create_rate(
        NewRate(VCPU, "USD", Decimal(9), scene.clock.now()), request_id="now", effective_given=False
    )
    assert again == first


async def test_concurrent_rates_of_one_time_are_one(scene: Scene) -> None:
    at = datetime(2026, 6, 1, tzinfo=UTC)
    calls = [scene.catalog.create_rate(NewRate(GPU, "EUR", Decimal(n % 2), at)) for n in range(12)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert len({r.rate_id for r in results if isinstance(r, Rate)}) == 1
    assert {r.reason for r in results if isinstance(r, ServiceError)} == {Reason.RATE_CONFLICT}


async def test_lists_are_paged_and_filtered(scene: Scene) -> None:
    meters: list[str] = []
    token = ""
    while True:
        page = await scene.catalog.list_meters(size=2, token=token)
        meters += [row.meter for row in page.rows]
        token = page.next_page_token
        if not token:
            break
    assert meters == sorted(meters)
    assert len(meters) == 3
    assert [row.meter for row in (await scene.catalog.list_meters(prefix="compute.vm")).rows] == [VCPU]
    assert (await scene.catalog.list_meters(prefix="%")).rows == ()
    every: list[tuple[str, datetime]] = []
    while True:
        rates = await scene.catalog.list_rates(size=1, token=token)
        every += [(row.meter, row.effective_at) for row in rates.rows]
        token = rates.next_page_token
        if not token:
            break
    assert len(every) == len(set(every)) == 4
    in_force = await scene.catalog.list_rates(meter=VCPU, in_force_at=START + timedelta(days=1))
    assert [plain_text(row.unit_price_minor) for row in in_force.rows] == ["0.342466"]
    assert (await scene.catalog.list_rates(in_force_at=START - timedelta(microseconds=1))).rows == ()


async def test_public_rates_are_those_in_force_now(scene: Scene) -> None:
    await scene.catalog.create_rate(NewRate(VCPU, "EUR", Decimal("0.49"), START))
    await scene.catalog.create_rate(NewRate(VCPU, "USD", Decimal(99), scene.clock.now() + timedelta(hours=1)))
    page = await scene.catalog.list_public_rates(prefix="compute.vm.")
    assert [(p.rate.currency, plain_text(p.rate.unit_price_minor), p.display_name) for p in page.rows] == [
        ("EUR", "0.49", "vCPU"),
        ("USD", "0.5", "vCPU"),
    ]
    scene.clock.advance(timedelta(hours=1))
    (usd,) = (await scene.catalog.list_public_rates(prefix="compute.vm.", currency="USD")).rows
    assert usd.rate.unit_price_minor == 99
    first = await scene.catalog.list_public_rates(size=1)
    second = await scene.catalog.list_public_rates(size=1000, token=first.next_page_token)
    assert len(second.rows) == 3
    assert first.rows[0].rate.meter == GPU


async def test_applying_is_idempotent_and_all_or_nothing(scene: Scene) -> None:
    wanted = CatalogDocument(
        (METER, NewMeter(VCPU, "vcpu-hour", "CPU", "vCPU")), (NewRate(METER.meter, "USD", Decimal("0.01"), START),)
    )
    dry = await scene.catalog.compare(wanted)
    assert dry == await scene.catalog.apply(wanted)
    assert [meter.meter for meter in dry.added_meters] == [METER.meter]
    assert [new.category for _, new in dry.changed_meters] == ["CPU"]
    assert (await scene.catalog.apply(wanted)).is_empty
    bad = CatalogDocument((NewMeter("fresh", "h", "c"), NewMeter(VCPU, "second", "CPU")), ())
    refused = await scene.catalog.apply(bad)
    assert len(refused.conflicts) == 1
    assert (await scene.catalog.list_meters(prefix="fresh")).rows == ()
