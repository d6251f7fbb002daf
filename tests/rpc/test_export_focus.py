"""FOCUS files of ExportUsage: the rules of the specification, what the sums are, and the way back by the importer."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ledger.money import EXACT
from tests.operations.usage_scene import GPU, START, VCPU
from tests.rpc.export_app import Site, record_samples, running, usage
from tests.rpc.focus_rules import violations
from wallet_service.catalog.rules import CatalogDocument, NewRate
from wallet_service.principal import Role
from wallet_service.usage.importing import ImportFormat, ImportReport, UsageImport

CENT = Decimal("0.01")


@pytest.fixture
async def site(database_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    async with running(
        database_url, tmp_path, issuer_name="Cloud Ltd", focus_provider_name="Cloud", focus_publisher_name="Publisher"
    ) as made:
        yield made


def read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))


def total(rows: list[dict[str, str]], column: str) -> Decimal:
    result = Decimal(0)
    for row in rows:
        result = EXACT.add(result, Decimal(row[column]))
    return result


async def imported(site: Site, content: bytes, folder: Path) -> tuple[ImportReport, Decimal]:
    """What the importer makes of a file in an organization without discounts, and what the ledger has of it then."""
    org_id = (await site.service.organizations.create(slug="twin")).org_id
    await site.service.projects.create(org_id, slug="twin-app", display_name="", request_id="")
    path = folder / "focus.csv"
    path.write_bytes(content)
    report = await UsageImport(site.service.catalog, site.service.usage).run(
        path, file_format=ImportFormat.FOCUS, org_id=org_id, project="twin-app"
    )
    accrued = await site.value("SELECT accrued_exact FROM ledger_wallets WHERE org_id = :o", o=org_id)
    return report, accrued


async def test_every_row_keeps_the_rules(site: Site) -> None:
    await record_samples(site)
    answer, content = await site.fetch(format="focus")
    rows = read(content)
    assert answer.row_count == len(rows) == 10
    assert [violations(row) for row in rows] == [[]] * 10


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("ServiceName", ""),
        ("ServiceCategory", "vCPU"),
        ("ServiceSubcategory", "Block Storage"),
        ("BilledCost", "1e3"),
        ("ListCost", "9999"),
        ("EffectiveCost", "9999"),
        ("ListUnitPrice", "-1"),
        ("ChargePeriodEnd", "2026-02-10T08:59:59Z"),
        ("ChargePeriodStart", "2026-02-10 08:00:00"),
        ("BillingPeriodEnd", "2026-02-28T00:00:00Z"),
        ("BillingCurrency", "usd"),
        ("ChargeClass", "Correction"),
        ("ResourceType", ""),
        ("Tags", '{"a": 1}'),
    ],
)
async def test_the_check_finds_what_is_wrong(site: Site, column: str, value: str) -> None:
    await site.record(usage("a", "730.5", event_time=datetime(2026, 2, 10, 8, 30, tzinfo=UTC), resource="vm-1"))
    (row,) = read((await site.fetch(format="focus"))[1])
    assert violations(row) == []
    assert violations({**row, column: value})
    assert violations({name: text for name, text in row.items() if name != column})


async def test_sums_are_those_of_the_ledger_with_and_without_discounts(site: Site) -> None:
    await record_samples(site)
    rows = read((await site.fetch(format="focus"))[1])
    accrued = await site.value("SELECT accrued_exact FROM ledger_wallets WHERE org_id = :o", o=site.org_id)
    assert total(rows, "EffectiveCost") == total(rows, "BilledCost") == EXACT.multiply(accrued, CENT)
    list_minor = await site.value("SELECT sum(cost_minor + discount_minor) FROM usage_events")
    assert total(rows, "ListCost") == total(rows, "ContractedCost") == EXACT.multiply(list_minor, CENT)
    discounted = [row for row in rows if row["EffectiveCost"] != row["ListCost"]]
    assert [(row["ListCost"], row["EffectiveCost"]) for row in discounted if row["SkuId"] == GPU] == [
        ("17.43", "13.944")
    ]
    assert len(discounted) == 2


async def test_who_what_and_when(site: Site) -> None:
    at = datetime(2026, 2, 10, 8, 30, 15, 250_000, tzinfo=UTC)
    await site.record(
        usage("a", "730", event_time=at, resource="vm-1", datacenter="eu-1", metadata={"team": "red"}),
        usage("b", "-730", event_time=at, resource="=vm"),
        usage("c", "-1"),
    )
    use, late, current = (
        sorted(
            read((await site.fetch(format="focus"))[1]), key=lambda row: Decimal(row["PricingQuantity"]), reverse=True
        )[0:1]
        + sorted(read((await site.fetch(format="focus"))[1]), key=lambda row: Decimal(row["PricingQuantity"]))[0:2]
    )
    assert {name: use[name] for name in ("ProviderName", "PublisherName", "InvoiceIssuerName")} == {
        "ProviderName": "Cloud",
        "PublisherName": "Publisher",
        "InvoiceIssuerName": "Cloud Ltd",
    }
    assert use["BillingAccountId"] == "organizations/my-org/billing-accounts/default"
    assert (use["SubAccountId"], use["RegionId"], use["ResourceId"]) == ("projects/my-app", "eu-1", "vm-1")
    assert (use["ServiceName"], use["ServiceCategory"], use["SkuId"]) == ("vCPU", "Compute", VCPU)
    assert (use["ServiceSubcategory"], use["PricingUnit"]) == ("Virtual Machines", "vcpu-Hours")
    assert use["SkuPriceId"] == f"{VCPU}/USD/0.342466"
    assert (use["ListUnitPrice"], use["ListCost"]) == ("0.00342466", "2.5000018")
    assert (use["BillingPeriodStart"], use["BillingPeriodEnd"]) == ("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z")
    assert (use["ChargePeriodStart"], use["ChargePeriodEnd"]) == ("2026-02-10T08:00:00Z", "2026-02-10T09:00:00Z")
    assert use["x_EventTime"] == "2026-02-10T08:30:15.250000Z"
    assert use["Tags"] == '{"team": "red"}'
    # Only a correction of a month that is over is one in the sense of FOCUS.
    assert [row["ChargeClass"] for row in (use, late, current)] == ["", "Correction", ""]
    assert (late["ResourceId"], late["BilledCost"]) == ("'=vm", "-2.5000018")


async def test_the_importer_reads_it_back_to_the_same_cost(site: Site, tmp_path: Path) -> None:
    start = datetime(2026, 2, 1, tzinfo=UTC)
    # Over a change of the price, in every meter, with corrections and digits to the last place.
    await site.record(
        *(
            usage(
                f"k{n}", f"{n}.{n:012}", meter=meter, event_time=start + timedelta(hours=7 * n), resource=f"r-{n % 3}"
            )
            for n, meter in enumerate([VCPU, GPU, VCPU, "network.vm.egress_gib"] * 20)
        ),
        usage("back", "-3.5", event_time=start),
    )
    answer, content = await site.fetch(format="focus")
    report, accrued = await imported(site, content, tmp_path)
    assert (report.recorded_count, report.refused_count, report.skipped_count) == (answer.row_count, 0, 0)
    assert accrued == await site.total()


async def test_a_discount_stays_with_the_organization_that_has_it(site: Site, tmp_path: Path) -> None:
    await record_samples(site)
    _, content = await site.fetch(format="focus")
    report, accrued = await imported(site, content, tmp_path)
    assert report.refused_count == 0
    assert EXACT.multiply(accrued, CENT) == total(read(content), "ListCost")


async def test_another_currency_has_its_own_minor_unit(site: Site) -> None:
    service = site.service
    await service.catalog.apply(CatalogDocument((), (NewRate(VCPU, "JPY", Decimal("50.5"), START),)))
    org_id = (await service.organizations.create(slug="tokyo", currency="JPY")).org_id
    await service.projects.create(org_id, slug="tokyo-app", display_name="", request_id="")
    await service.usage.record(org_id, [usage("a", "3", project="tokyo-app")])
    key = (await service.api_keys.issue(org_id=org_id, role=Role.VIEWER, display_name="k")).secret
    (row,) = read((await site.fetch(key=key, organization_name="organizations/tokyo", format="focus"))[1])
    assert (row["BillingCurrency"], row["ListUnitPrice"], row["BilledCost"]) == ("JPY", "50.5", "151.5")
    assert violations(row) == []
