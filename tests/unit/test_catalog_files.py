"""Catalog files and the difference they make."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from ledger.ids import NIL
from wallet_service.catalog.files import parse_catalog, read_catalog
from wallet_service.catalog.rules import CatalogDocument, Meter, NewMeter, NewRate, Rate, diff
from wallet_service.errors import ServiceError

SAMPLE = Path(__file__).parents[2] / "examples" / "catalog.yaml"
AT = datetime(2024, 1, 1, tzinfo=UTC)


def test_the_sample_covers_every_category() -> None:
    sample = read_catalog(SAMPLE)
    assert {meter.category for meter in sample.meters} == {
        "Bare Metal",
        "vCPU",
        "Memory",
        "GPU",
        "VM Storage",
        "Data Transfer",
        "Public IPv4",
    }
    assert {meter.meter for meter in sample.meters} == {rate.meter for rate in sample.rates}
    transfer = [meter.meter for meter in sample.meters if meter.category == "Data Transfer"]
    assert transfer == ["network.vm.egress_gib"]
    assert any(rate.unit_price_minor == Decimal("0.342466") for rate in sample.rates)


def test_a_price_without_quotes_is_as_exact() -> None:
    text = """
    meters:
      - {meter: m, unit: hour, category: c, rates: [{unit_price_minor: 0.100000000000000001, effective_time: 2024-01-01}]}
    """
    document = parse_catalog(text)
    assert document.rates == (NewRate("m", "USD", Decimal("0.100000000000000001"), AT),)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("meters: [{unit: hour, category: c}]", "meters[0].meter_id"),
        ("meters: [{meter: m, unit: hour}]", "meters[0].category"),
        ("meters: [{meter: m, unit: hour, category: c, price: 1}]", "meters[0]"),
        ("meters: [{meter: 'a b', unit: hour, category: c}]", "meters[0].meter_id"),
        (
            "meters: [{meter: m, unit: hour, category: c, rates: [{unit_price_minor: 1e3, effective_time: 2024-01-01}]}]",
            "meters[0].rates[0].unit_price_minor",
        ),
        (
            "meters: [{meter: m, unit: hour, category: c, rates: [{unit_price_minor: 1}]}]",
            "meters[0].rates[0].effective_time",
        ),
        (
            "meters: [{meter: m, unit: h, category: c,"
            " rates: [{currency: XXX, unit_price_minor: 1, effective_time: 2024-01-01}]}]",
            "meters[0].rates[0].currency",
        ),
        ("meters: [{meter: m, unit: h, category: c}, {meter: m, unit: h, category: c}]", "meters"),
        ("- 1", "file"),
        ("meters: {", "file"),
        ("meters: 1", "meters"),
        ("meters: [1]", "meters[0]"),
        ("!!python/object/apply:os.getcwd []", "file"),
    ],
)
def test_what_is_wrong_is_named(text: str, place: str) -> None:
    with pytest.raises(ServiceError) as refused:
        parse_catalog(text)
    assert refused.value.metadata["field"] == place


def test_the_difference_adds_changes_and_finds_conflicts() -> None:
    present = {"a": Meter("a", "A", "hour", "old", AT), "b": Meter("b", "b", "hour", "c", AT)}
    rates = [Rate(NIL, "b", "USD", Decimal(1), AT, AT)]
    wanted = CatalogDocument(
        meters=(NewMeter("a", "hour", "new", "A"), NewMeter("b", "GiB", "c"), NewMeter("c", "hour", "c")),
        rates=(
            NewRate("b", "USD", Decimal(2), AT),
            NewRate("b", "EUR", Decimal(2), AT),
            NewRate("b", "USD", Decimal("1.0"), AT),
        ),
    )
    found = diff(wanted, present, rates)
    assert [meter.meter for meter in found.added_meters] == ["c"]
    assert [old.meter for old, _ in found.changed_meters] == ["a"]
    assert [rate.currency for rate in found.added_rates] == ["EUR"]
    assert len(found.conflicts) == 2
    assert not found.is_empty
    assert diff(CatalogDocument((NewMeter("b", "hour", "c"),), ()), present, rates).is_empty
