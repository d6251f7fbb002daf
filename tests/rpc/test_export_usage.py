"""ExportUsage through the generated client, and its files through their links."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from wallet_api.wallet.v1 import wallet_service_pb as rpc

from ledger.money import EXACT
from tests.operations.usage_scene import GPU
from tests.rpc.accounts_app import reason
from tests.rpc.export_app import NOW, Site, record_samples, running, usage
from wallet_service.usage.importing import ImportFormat, UsageImport

TEXTS = {"resource": ['\'=HYPERLINK("x")', "'-vm", "a\nb,c"], "idempotency_key": ["'=g"]}


@pytest.fixture
async def site(database_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    async with running(database_url, tmp_path, export_rows_max=12) as made:
        await record_samples(made)
        yield made


def read_csv(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))


def total(values: Any) -> Decimal:
    result = Decimal(0)
    for value in values:
        result = EXACT.add(result, Decimal(value))
    return result


async def test_csv_adds_up_to_the_ledger(site: Site) -> None:
    answer, content = await site.fetch()
    rows = read_csv(content)
    assert answer.row_count == len(rows) == 10
    cost = total(row["cost_minor"] for row in rows)
    assert cost == await site.total()
    assert cost == await site.value("SELECT accrued_exact FROM ledger_wallets WHERE org_id = :o", o=site.org_id)
    assert all(
        Decimal(row["list_cost_minor"]) == EXACT.multiply(Decimal(row["quantity"]), Decimal(row["unit_price_minor"]))
        for row in rows
    )
    assert all(Decimal(r["list_cost_minor"]) - Decimal(r["discount_minor"]) == Decimal(r["cost_minor"]) for r in rows)
    assert [row["event_time"] for row in rows] == sorted(row["event_time"] for row in rows)
    by_key = {row["idempotency_key"]: row for row in rows}
    assert by_key["b"]["quantity"] == "0.000000000001"
    assert by_key["f"]["quantity"] == "-2.5"
    assert by_key["f"]["cost_minor"] == "-0.856165"
    assert by_key["a"]["event_time"] == "2026-02-10T08:30:15.250000Z"
    assert by_key["a"]["recorded_time"] == "2026-03-01T12:00:30.000000Z"
    assert (by_key["i"]["list_cost_minor"], by_key["i"]["discount_minor"]) == ("1743", "348.6")
    assert json.loads(by_key["c"]["metadata"]) == {"team": 'über "x",\ny', "n": "1"}


async def test_no_text_is_a_formula_and_every_number_is_itself(site: Site) -> None:
    rows = read_csv((await site.fetch())[1])
    for column, expected in TEXTS.items():
        assert set(expected) <= {row[column] for row in rows}
    assert all(not row["resource"].startswith(("=", "+", "-", "@", "\t")) for row in rows)
    assert sum(row["quantity"].startswith("-") for row in rows) == 1


async def test_the_range_is_half_open_and_filters_hold(site: Site) -> None:
    start, end = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
    bounds = {"start_time_unix": int(start.timestamp()), "end_time_unix": int(end.timestamp())}
    _, content = await site.fetch(**bounds)
    rows = read_csv(content)
    assert {row["idempotency_key"] for row in rows} == {"a", "b", "c", "e", "f", "'=g"}
    assert total(row["cost_minor"] for row in rows) == await site.total(start=start, end=end)
    gpu = read_csv((await site.fetch(meter_prefix=GPU[:9]))[1])
    assert {row["meter"] for row in gpu} == {GPU}
    answer, content = await site.fetch(project_name="projects/other-app")
    assert [row["idempotency_key"] for row in read_csv(content)] == ["e"]
    assert answer.download_url.endswith("usage-other-app-begin-20260301.csv")


async def test_ndjson_has_the_same_rows_with_texts_as_they_are(site: Site) -> None:
    answer, content = await site.fetch(format="ndjson")
    rows = [json.loads(line) for line in content.splitlines()]
    plain = read_csv((await site.fetch())[1])
    assert answer.row_count == len(rows) == 10
    assert list(rows[0]) == list(plain[0])
    assert [row["usage_event_id"] for row in rows] == [row["usage_event_id"] for row in plain]
    by_key = {row["idempotency_key"]: row for row in rows}
    assert by_key["d"]["resource"] == '=HYPERLINK("x")'
    assert by_key["e"]["resource"] == "a\nb,c"
    assert by_key["c"]["metadata"] == {"team": 'über "x",\ny', "n": "1"}
    assert total(row["cost_minor"] for row in rows) == await site.total()


async def test_parquet_has_exact_types(site: Site) -> None:
    answer, content = await site.fetch(format="parquet")
    table = pq.read_table(io.BytesIO(content))
    assert answer.row_count == table.num_rows == 10
    assert table.schema.field("cost_minor").type == pa.decimal128(38, 26)
    assert table.schema.field("quantity").type == pa.decimal128(30, 12)
    assert table.schema.field("event_time").type == pa.timestamp("us", tz="UTC")
    rows = table.to_pylist()
    assert total(row["cost_minor"] for row in rows) == await site.total()
    by_key = {row["idempotency_key"]: row for row in rows}
    assert by_key["a"]["event_time"] == datetime(2026, 2, 10, 8, 30, 15, 250_000, tzinfo=UTC)
    assert by_key["e"]["resource"] == "a\nb,c"
    assert by_key["d"]["resource"] == '=HYPERLINK("x")'
    assert by_key["b"]["datacenter"] == ""


@pytest.mark.parametrize("file_format", ["csv", "ndjson", "parquet", "focus"])
async def test_an_empty_export(site: Site, file_format: str) -> None:
    answer, content = await site.fetch(format=file_format, meter_prefix="no-such-meter")
    assert answer.row_count == 0
    if file_format == "parquet":
        assert pq.read_table(io.BytesIO(content)).num_columns == 17
    else:
        assert len(content.splitlines()) == (0 if file_format == "ndjson" else 1)


@pytest.mark.parametrize(
    ("file_format", "content_type", "name"),
    [
        ("", "text/csv; charset=utf-8", "usage-my-org-begin-20260301.csv"),
        ("ndjson", "application/x-ndjson", "usage-my-org-begin-20260301.ndjson"),
        ("parquet", "application/vnd.apache.parquet", "usage-my-org-begin-20260301.parquet"),
        ("focus", "text/csv; charset=utf-8", "focus-my-org-begin-20260301.csv"),
    ],
)
async def test_links_have_name_and_type_and_parts(site: Site, file_format: str, content_type: str, name: str) -> None:
    answer = await site.ask(format=file_format)
    assert answer.expires_at_unix == int((NOW + timedelta(hours=1)).timestamp())
    whole = await site.http.get(answer.download_url)
    assert whole.headers["content-type"] == content_type
    assert whole.headers["content-disposition"] == f'attachment; filename="{name}"'
    part = await site.http.get(answer.download_url, headers={"range": "bytes=3-9"})
    assert (part.status_code, part.content) == (206, whole.content[3:10])


async def test_tampered_and_expired_links_are_forbidden(site: Site) -> None:
    url = (await site.ask()).download_url
    assert (await site.http.get(url.replace("my-org", "our-org"))).status_code == 403
    site.clock.advance(timedelta(hours=1))
    assert (await site.http.get(url)).status_code == 403


async def test_another_organizations_usage_is_not_found(site: Site) -> None:
    for fields in ({"organization_name": "organizations/my-org"}, {"project_name": "projects/my-app"}):
        with pytest.raises(ConnectError) as refused:
            await site.ask(key=site.stranger, **fields)
        assert refused.value.code is Code.NOT_FOUND
    answer = await site.ask(key=site.stranger, organization_name="organizations/other-org")
    assert answer.row_count == 0
    assert [name for name in site.objects() if str(site.org_id) in name] == []


async def test_more_rows_than_allowed_are_refused_before_anything_is_written(site: Site) -> None:
    assert (await site.ask(max_rows=10)).row_count == 10
    before = site.objects()
    for events, max_rows, maximum in ((0, 9, "9"), (3, 0, "12"), (0, 1_000_000, "12")):
        if events:
            await site.record(*(usage(f"more-{number}") for number in range(events)))
        with pytest.raises(ConnectError) as refused:
            await site.ask(max_rows=max_rows)
        assert reason(refused.value) == "EXPORT_TOO_LARGE"
        assert refused.value.code is Code.FAILED_PRECONDITION
        assert f"more than {maximum} rows" in refused.value.message
    assert site.objects() == before
    assert await site.value("SELECT count(*) FROM exports") == 1


async def test_an_export_is_an_event_that_says_who_and_what(site: Site) -> None:
    answer = await site.ask(format="ndjson")
    listed = await site.service.event_log.list(
        site.org_id, after_seq=0, event_types=("usage.exported",), size=0, token=""
    )
    (event,) = listed.rows
    assert event.subject == "organizations/my-org"
    assert (event.data["format"], event.data["row_count"]) == ("ndjson", 10)
    assert event.data["object_key"] == answer.object_key
    key_id = await site.value("SELECT key_id FROM exports")
    assert event.data["api_key"] == f"organizations/my-org/api-keys/{key_id}"


async def test_files_are_removed_when_their_time_is_over(site: Site) -> None:
    old = await site.ask()
    site.clock.advance(timedelta(hours=23))
    young = await site.ask()
    assert await site.service.export_cleaning.clean() == 0
    site.clock.advance(timedelta(hours=1))
    assert await site.service.export_cleaning.clean() == 1
    assert site.objects() == [young.object_key]
    assert (await site.http.get(old.download_url)).status_code == 403
    assert await site.value("SELECT count(*) FROM exports") == 1


async def test_a_deadline_leaves_nothing_behind(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as site:
        await site.record(usage("seed"))
        await copy_events(site, 300_000)
        request = rpc.ExportUsageRequest(organization_name="organizations/my-org")
        with pytest.raises(ConnectError) as refused:
            await site.wallet.export_usage(request, headers={"authorization": f"Bearer {site.key}"}, timeout_ms=400)
        assert refused.value.code is Code.DEADLINE_EXCEEDED
        async with asyncio.timeout(10):
            while await site.value("SELECT count(*) FROM exports"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert site.objects() == []
        # The connection it had is good for the next one.
        assert (await site.ask(max_rows=400_000)).row_count == 300_001


async def copy_events(site: Site, count: int) -> None:
    """Many copies of one event, straight into the table."""

    async def work(conn: Any) -> None:
        driver = (await conn.get_raw_connection()).driver_connection
        await driver.execute(
            "INSERT INTO usage_events (org_id, event_id, batch_id, project_id, meter, resource, datacenter, quantity,"
            " event_time, recorded_at, currency, unit_price_minor, cost_minor, discount_minor, idempotency_key)"
            " SELECT org_id, gen_random_uuid(), batch_id, project_id, meter, resource, datacenter,"
            " quantity, event_time + n * interval '1 second', recorded_at, currency, unit_price_minor, cost_minor,"
            " discount_minor, 'copy-' || n"
            f" FROM usage_events, generate_series(1, {count}) n"
        )

    await site.service.db.transact(work)


async def test_a_csv_file_can_be_imported_again(site: Site, tmp_path: Path) -> None:
    _, content = await site.fetch()
    path = tmp_path / "usage.csv"
    path.write_bytes(content.replace(b"other-app", b"twin-app").replace(b"my-app", b"twin-app"))
    org_id = (await site.service.organizations.create(slug="twin")).org_id
    await site.service.projects.create(org_id, slug="twin-app", display_name="", request_id="")
    report = await UsageImport(site.service.catalog, site.service.usage).run(
        path, file_format=ImportFormat.CSV, org_id=org_id
    )
    assert (report.recorded_count, report.refused_count) == (10, 0)
    assert report.cost_minor == total(row["list_cost_minor"] for row in read_csv(content))
