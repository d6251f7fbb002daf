"""Import of usage files against a real database."""

import asyncio
import csv
import json
import os
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.operations.usage_scene import VCPU, Scene, scene_on
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.errors import Reason, ServiceError
from wallet_service.rating.rules import plain_text
from wallet_service.usage.importing import ImportFormat, UsageImport
from wallet_service.usage.query_rules import Dimension

SAMPLE = Path(__file__).parents[2] / "examples" / "data" / "focus_sample.csv"


@pytest.fixture
async def scene(db: Database, clock: ManualClock) -> AsyncIterator[Scene]:
    async with scene_on(db, clock) as made:
        yield made


async def test_the_sample_costs_what_it_costs_once(scene: Scene) -> None:
    usage = UsageImport(scene.catalog, scene.recorder)
    seen: list[tuple[int, int]] = []
    first = await usage.run(
        SAMPLE,
        file_format=ImportFormat.FOCUS,
        org_id=scene.org_id,
        project="my-app",
        progress=lambda done, total: seen.append((done, total)),
    )
    assert (first.row_count, first.recorded_count, first.duplicate_count) == (997, 997, 0)
    assert (first.skipped_count, first.refused_count, first.refusals) == (3, 0, [])
    assert plain_text(first.cost_minor) == "2300.4351956668488"
    assert seen[-1] == (997, 997)
    assert await scene.accrued(scene.org_id) == (first.cost_minor, Decimal("0.4351956668488"), -2300)
    await scene.check_laws(scene.org_id)

    scene.clock.advance(timedelta(days=3))
    second = await usage.run(SAMPLE, file_format=ImportFormat.FOCUS, org_id=scene.org_id, project="my-app")
    assert (second.recorded_count, second.duplicate_count, second.refused_count) == (0, 997, 0)
    assert (second.added_meter_count, second.added_rate_count) == (0, 0)
    assert plain_text(await scene.check_laws(scene.org_id)) == "2300.4351956668488"


async def test_sums_by_category_are_those_of_the_file(scene: Scene) -> None:
    await UsageImport(scene.catalog, scene.recorder).run(
        SAMPLE, file_format=ImportFormat.FOCUS, org_id=scene.org_id, project="my-app"
    )
    page = await scene.queries.query(scene.org_id, dimensions=[Dimension.CATEGORY], size=1000)
    sums: dict[str, Decimal] = {}
    for row in page.rows:
        sums[row.category] = sums.get(row.category, Decimal(0)) + row.cost_minor_exact
    assert sums == sums_of_file()


def sums_of_file() -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    with SAMPLE.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["ChargeCategory"] == "Usage":
                cost = Decimal(row["ListUnitPrice"]) * 100 * Decimal(row["PricingQuantity"])
                sums[row["ServiceCategory"]] = sums.get(row["ServiceCategory"], Decimal(0)) + cost
    return sums


async def test_killed_in_the_middle_it_resumes_to_the_same_figures(
    scene: Scene, database_url: str, tmp_path: Path
) -> None:
    """Another process imports slowly and is killed with SIGKILL after some rows; the import here ends the work."""
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).parent / "slow_import.py"),
        database_url,
        str(scene.org_id),
        str(SAMPLE),
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=asyncio.subprocess.PIPE,
    )
    assert worker.stdout is not None
    for _ in range(4):
        assert await worker.stdout.readline()
    worker.kill()
    await worker.wait()
    before = (await scene.rows("SELECT count(*) AS n FROM usage_events"))[0].n
    assert 0 < before < 997
    report = await UsageImport(scene.catalog, scene.recorder).run(
        SAMPLE, file_format=ImportFormat.FOCUS, org_id=scene.org_id, project="my-app"
    )
    assert (report.recorded_count, report.duplicate_count) == (997 - before, before)
    assert plain_text(await scene.check_laws(scene.org_id)) == "2300.4351956668488"


async def test_csv_rows(scene: Scene, tmp_path: Path) -> None:
    file = tmp_path / "usage.csv"
    file.write_text(
        "meter,quantity,event_time,project_name,resource,datacenter_name,unit,key,metadata\n"
        f"{VCPU},1.5,2026-02-28T10:00:00Z,projects/my-app,vm-1,datacenters/eu-1,vcpu-hour,a,\n"
        f'{VCPU},2,2026-02-28 10:00:00,,,,,,"{{""who"": ""me"", ""n"": 1}}"\n'
        f"{VCPU},2,2026-02-28 10:00:00,,,,,,\n"
        f"{VCPU},2,2026-02-28 10:00:00,,,,,,\n"
        f"{VCPU},1e3,2026-02-28 10:00:00,,,,,bad-quantity,\n"
        f"{VCPU},1,yesterday,,,,,bad-time,\n"
        "nope,1,2026-02-28 10:00:00,,,,,unknown,\n"
        f"{VCPU},1\n"
        f"{VCPU},1,2026-02-28 10:00:00,,,,,bad-metadata,[]\n",
        encoding="utf-8-sig",
    )
    usage = UsageImport(scene.catalog, scene.recorder)
    report = await usage.run(file, file_format=ImportFormat.CSV, org_id=scene.org_id, project="my-app")
    assert (report.row_count, report.recorded_count, report.refused_count) == (9, 4, 5)
    assert plain_text(report.cost_minor) == "3.75"
    assert [refusal.split(":")[0] for refusal in sorted(report.refusals)] == [
        "line 10",
        "line 6",
        "line 7",
        "line 8",
        "line 9",
    ]
    again = await usage.run(file, file_format=ImportFormat.CSV, org_id=scene.org_id, project="my-app")
    assert (again.recorded_count, again.duplicate_count, again.refused_count) == (0, 4, 5)
    await scene.check_laws(scene.org_id)


async def test_ndjson_rows(scene: Scene, tmp_path: Path) -> None:
    file = tmp_path / "usage.ndjson"
    rows = [
        {"meter": VCPU, "quantity": "1", "eventTime": "2026-02-28T10:00:00.123456Z", "idempotencyKey": "a"},
        {"meter": VCPU, "quantity": 0.25, "event_time": "2026-02-28T10:00:00+02:00", "metadata": {"a": 1, "b": None}},
        {"meter": VCPU, "quantity": True, "event_time": "2026-02-28T10:00:00Z"},
        {"meter": VCPU, "quantity": "1", "event_time": "2026-02-28T10:00:00Z", "resource": "\ud800", "key": "lone"},
    ]
    lines = [*(json.dumps(row) for row in rows), "", "{", "[1]"]
    file.write_text("\n".join(lines))
    report = await UsageImport(scene.catalog, scene.recorder).run(
        file, file_format=ImportFormat.NDJSON, org_id=scene.org_id
    )
    assert (report.row_count, report.recorded_count, report.refused_count) == (6, 2, 4)
    events = (await scene.queries.list_events(scene.org_id)).rows
    assert {(e.quantity, e.event_time.isoformat(), e.idempotency_key[:3]) for e in events} == {
        (1, "2026-02-28T10:00:00.123456+00:00", "a"),
        (Decimal("0.25"), "2026-02-28T08:00:00+00:00", "row"),
    }


async def test_a_file_of_another_kind_is_refused_at_once(scene: Scene, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("a,b\n1,2\n")
    for file_format in (ImportFormat.FOCUS, ImportFormat.CSV):
        with pytest.raises(ServiceError) as refused:
            await UsageImport(scene.catalog, scene.recorder).run(file, file_format=file_format, org_id=scene.org_id)
        assert refused.value.reason is Reason.INVALID_FIELD


async def test_a_later_month_with_another_price_is_a_new_rate(scene: Scene, tmp_path: Path) -> None:
    """Within a month two prices are two meters; from one month to the next one meter has two rates."""
    header = "Id,ChargeCategory,ChargePeriodStart,SkuPriceId,ServiceCategory,ListUnitPrice,PricingQuantity,PricingUnit"
    first, second = tmp_path / "1.csv", tmp_path / "2.csv"
    first.write_text(
        f"{header}\n1,Usage,2026-01-05 00:00:00,S.1,Compute,0.1,1,Hours\n"
        "2,Usage,2026-01-06 00:00:00,S.1,Compute,0.2,1,Hours\n"
    )
    second.write_text(
        f"{header}\n3,Usage,2026-02-05 00:00:00,S.1,Compute,0.3,1,Hours\n4,Usage,2026-02-06 00:00:00,S.1,Compute,0.3,-1,GB\n"
        "5,Usage,2026-02-06 00:00:00,S.1,Storage,1E-7,2E+1,GB\n"
    )
    usage = UsageImport(scene.catalog, scene.recorder)
    for _ in range(2):
        for file in (first, second):
            report = await usage.run(file, file_format=ImportFormat.FOCUS, org_id=scene.org_id)
            assert report.refusals == []
    rates = [
        (rate.meter, plain_text(rate.unit_price_minor), rate.effective_at.month)
        for rate in (await scene.catalog.list_rates(size=1000)).rows
        if rate.meter.startswith("S.1")
    ]
    assert rates == [
        ("S.1.compute", "10", 1),
        ("S.1.compute", "30", 2),
        ("S.1.compute.20", "20", 1),
        ("S.1.compute.GB.30", "30", 2),
        ("S.1.storage", "0.00001", 2),
    ]
    assert await scene.check_laws(scene.org_id) == Decimal("30.0002")
