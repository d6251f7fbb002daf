"""`wallet usage`: history from files."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from wallet_service import names
from wallet_service.cli.session import with_service
from wallet_service.errors import not_found
from wallet_service.rating.rules import plain_text
from wallet_service.service import Service
from wallet_service.usage.importing import ImportFormat, ImportReport, UsageImport

app = typer.Typer(no_args_is_help=True, help="Usage.")


@app.callback()
def usage() -> None:
    """Usage."""


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="the rows", exists=True, dir_okay=False)],
    file_format: Annotated[ImportFormat, typer.Option("--format", help="focus, csv or ndjson")],
    organization: Annotated[str, typer.Option(help="slug")] = "my-org",
    project: Annotated[str, typer.Option(help="slug, for rows that name none")] = "my-app",
) -> None:
    """Record the usage in a file, of any age. Safe to run twice and to stop: what was recorded counts once."""

    async def work(service: Service) -> ImportReport:
        org_id = await service.directory.resolve_organization(organization)
        if org_id is None:
            raise not_found("organization", names.organization(organization))
        with _progress() as bar:
            task = bar.add_task(file.name, total=None)
            return await UsageImport(service.catalog, service.usage).run(
                file,
                file_format=file_format,
                org_id=org_id,
                project=project,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )

    report = with_service(work)
    console = Console()
    for line in report_lines(report):
        console.print(line, soft_wrap=True)
    if report.refused_count:
        raise typer.Exit(1)


def report_lines(report: ImportReport) -> list[str]:
    """What became of the file. Marked up for rich."""
    lines = [
        f"{report.row_count} rows of usage: {report.recorded_count} recorded,"
        f" {report.duplicate_count} recorded before, {report.refused_count} refused",
        f"exact cost {plain_text(report.cost_minor)} minor units",
    ]
    if report.skipped_count:
        lines.append(f"{report.skipped_count} rows skipped, which are no usage (tax, credits, purchases)")
    if report.added_meter_count or report.added_rate_count:
        lines.append(f"{report.added_meter_count} meters and {report.added_rate_count} rates were added to the catalog")
    lines += [f"[red]{escape(refusal)}[/]" for refusal in report.refusals]
    if report.refused_count > len(report.refusals):
        lines.append(f"[red]and {report.refused_count - len(report.refusals)} more[/]")
    return lines


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
