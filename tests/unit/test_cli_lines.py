"""What the catalog and usage commands print."""

from datetime import UTC, datetime
from decimal import Decimal

from rich.text import Text

from wallet_service.catalog.rules import CatalogDiff, Meter, NewMeter, NewRate
from wallet_service.cli.catalog import diff_lines
from wallet_service.cli.usage import report_lines
from wallet_service.usage.importing import ImportReport

AT = datetime(2024, 1, 1, tzinfo=UTC)


def plain(lines: list[str]) -> list[str]:
    return [Text.from_markup(line).plain for line in lines]


def test_a_difference_is_a_line_for_each_change() -> None:
    found = CatalogDiff(
        added_meters=(NewMeter("m[red]", "hour", "vCPU"),),
        changed_meters=((Meter("n", "N", "hour", "old", AT), NewMeter("n", "hour", "new", "N")),),
        added_rates=(NewRate("m", "USD", Decimal("0.3424660"), AT),),
        conflicts=("n: no",),
    )
    assert plain(diff_lines(found)) == [
        "+ meter m[red]: m[red], in hour, vCPU",
        "~ meter n: N, old -> N, new",
        "+ rate m: 0.342466 USD minor units from 2024-01-01T00:00:00+00:00",
        "! n: no",
    ]


def test_a_report_counts_and_names_the_first_refusals() -> None:
    report = ImportReport(
        row_count=30, recorded_count=4, duplicate_count=1, skipped_count=2, cost_minor=Decimal("1.50")
    )
    for line in range(25):
        report.refuse(line, "METER_UNKNOWN: [no]")
    lines = plain(report_lines(report))
    assert lines[:3] == [
        "30 rows of usage: 4 recorded, 1 recorded before, 25 refused",
        "exact cost 1.5 minor units",
        "2 rows skipped, which are no usage (tax, credits, purchases)",
    ]
    assert lines[3] == "line 0: METER_UNKNOWN: [no]"
    assert len(lines) == 3 + 20 + 1
    assert lines[-1] == "and 5 more"
