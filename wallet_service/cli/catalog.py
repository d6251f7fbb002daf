"""`wallet catalog`: meters and rates from a file."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from wallet_service.catalog.files import read_catalog
from wallet_service.catalog.rules import CatalogDiff, Meter, NewMeter, NewRate
from wallet_service.cli.session import with_service
from wallet_service.rating.rules import plain_text
from wallet_service.service import Service

app = typer.Typer(no_args_is_help=True, help="Meters and rates.")


@app.callback()
def catalog() -> None:
    """Meters and rates."""


@app.command("apply")
def apply(
    file: Annotated[Path, typer.Argument(help="YAML, see examples/catalog.yaml", exists=True, dir_okay=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show what would change, and change nothing")] = False,
) -> None:
    """Add what is missing from the catalog. Applying a file again changes nothing; a conflict changes nothing at all."""
    wanted = read_catalog(file)

    async def work(service: Service) -> CatalogDiff:
        return await (service.catalog.compare(wanted) if dry_run else service.catalog.apply(wanted))

    found = with_service(work)
    console = Console()
    for line in diff_lines(found):
        console.print(line, soft_wrap=True)
    if found.conflicts:
        console.print("nothing was changed")
        raise typer.Exit(1)
    if found.is_empty:
        console.print("the catalog is as wanted; nothing to change")
    elif dry_run:
        console.print("dry run: nothing was changed")


def diff_lines(found: CatalogDiff) -> list[str]:
    """What changes, a line each: + added, ~ changed, ! in conflict. Marked up for rich."""
    return [
        *(f"[green]+ {escape(_of_meter(meter))}[/]" for meter in found.added_meters),
        *(f"[yellow]~ {escape(_of_change(old, new))}[/]" for old, new in found.changed_meters),
        *(f"[green]+ {escape(_of_rate(rate))}[/]" for rate in found.added_rates),
        *(f"[red]! {escape(conflict)}[/]" for conflict in found.conflicts),
    ]


def _of_meter(meter: NewMeter) -> str:
    return f"meter {meter.meter}: {meter.display_name or meter.meter}, in {meter.unit}, {meter.category}"


def _of_change(old: Meter, new: NewMeter) -> str:
    return f"meter {old.meter}: {old.display_name}, {old.category} -> {new.display_name or new.meter}, {new.category}"


def _of_rate(rate: NewRate) -> str:
    price = plain_text(rate.unit_price_minor)
    return f"rate {rate.meter}: {price} {rate.currency} minor units from {rate.effective_at.isoformat()}"
