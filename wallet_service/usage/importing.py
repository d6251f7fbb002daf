"""Import of usage files: an operator's way to bring in history.

Safe to run twice and to kill at any moment: rows have keys, so what was recorded counts once, and a run that is started
again goes over the file from the beginning and records what is missing.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Final
from uuid import UUID

from ledger.money import EXACT
from wallet_service.catalog.operations import CatalogOperations
from wallet_service.errors import Code, Reason, ServiceError, invalid_field
from wallet_service.usage.focus import (
    FocusPlan,
    FocusRow,
    Survey,
    is_usage,
    plan,
    possible_meters,
    read_focus_row,
)
from wallet_service.usage.model import DuplicateEvent, EventResult, NewEvent, Recorded
from wallet_service.usage.operations import EVENTS_MAX, UsageRecorder
from wallet_service.usage.rows import BadRow, read_event_row, read_json_row, row_hash

REFUSALS_SHOWN_MAX: Final = 20
_FIELD_LENGTH_MAX: Final = 1024 * 1024


class ImportFormat(StrEnum):
    """What a file is."""

    FOCUS = "focus"
    CSV = "csv"
    NDJSON = "ndjson"


@dataclass(slots=True)
class ImportReport:
    """What became of a file. `row_count` is of rows of usage; cost_minor is exact, of rows recorded now or before."""

    row_count: int = 0
    recorded_count: int = 0
    duplicate_count: int = 0
    refused_count: int = 0
    skipped_count: int = 0
    added_meter_count: int = 0
    added_rate_count: int = 0
    cost_minor: Decimal = Decimal(0)
    refusals: list[str] = field(default_factory=list[str])
    """The first 20, as sentences with the line number."""

    def refuse(self, line: int, reason: str) -> None:
        self.refused_count += 1
        if len(self.refusals) < REFUSALS_SHOWN_MAX:
            self.refusals.append(f"line {line}: {reason}")


Progress = Callable[[int, int], None]
"""Called with the rows done and all rows."""


class UsageImport:
    """Reads files and records what is in them, a thousand rows in a transaction."""

    def __init__(self, catalog: CatalogOperations, recorder: UsageRecorder) -> None:
        self._catalog = catalog
        self._recorder = recorder

    async def run(
        self,
        path: Path,
        *,
        file_format: ImportFormat,
        org_id: UUID,
        project: str = "",
        progress: Progress = lambda done, total: None,
    ) -> ImportReport:
        """Import a file of any age. `project` (a slug) is for rows that name none; empty means the only one.

        Rows that are refused are counted and reported; the others are recorded. Raises OSError, and INVALID_FIELD for a file
        that is not of this format at all.
        """
        report = ImportReport()
        if file_format is ImportFormat.FOCUS:
            to_event = await self._prepare_focus(path, project, report)
        else:
            report.row_count = sum(1 for _ in _read_file(path, file_format))
            to_event = _plain_event(project)
        progress(0, report.row_count)
        done, lines, events = 0, list[int](), list[NewEvent]()
        for line, columns, ordinal in _read_file(path, file_format):
            try:
                event = to_event(columns, ordinal)
            except BadRow as error:
                report.refuse(line, str(error))
                done += 1
                continue
            if event is None:
                continue
            lines.append(line)
            events.append(event)
            if len(events) == EVENTS_MAX:
                await self._record(org_id, lines, events, report)
                done += len(events)
                progress(done, report.row_count)
                lines, events = [], []
        if events:
            await self._record(org_id, lines, events, report)
        progress(report.row_count, report.row_count)
        return report

    async def _prepare_focus(self, path: Path, project: str, report: ImportReport) -> "_ToEvent":
        """Look through the file, and create the meters and rates that it needs."""
        survey = Survey({}, {})
        for _, columns, ordinal in _read_file(path, ImportFormat.FOCUS):
            if isinstance(columns, BadRow):
                report.row_count += 1
                continue
            if not is_usage(columns):
                report.skipped_count += 1
                continue
            report.row_count += 1
            try:
                survey.add(read_focus_row(columns, ordinal=ordinal, project=project))
            except BadRow:
                continue
        chosen = plan(survey, *await self._catalog.read(possible_meters(survey)))
        made = await self._catalog.apply(chosen.document)
        if made.conflicts:
            raise ServiceError(Code.FAILED_PRECONDITION, Reason.RATE_CONFLICT, "; ".join(made.conflicts[:5]))
        report.added_meter_count, report.added_rate_count = len(made.added_meters), len(made.added_rates)
        return _focus_event(chosen, project)

    async def _record(self, org_id: UUID, lines: list[int], events: list[NewEvent], report: ImportReport) -> None:
        results = await self._recorder.record(org_id, events, ignore_age=True)
        for line, result in zip(lines, results, strict=True):
            _count(report, line, result)


_Columns = Mapping[str, str] | BadRow
_ToEvent = Callable[[_Columns, int], NewEvent | None]


def _plain_event(project: str) -> _ToEvent:
    def convert(columns: _Columns, ordinal: int) -> NewEvent:
        if isinstance(columns, BadRow):
            raise columns
        return read_event_row(columns, ordinal=ordinal, project=project)

    return convert


def _focus_event(chosen: FocusPlan, project: str) -> _ToEvent:
    def convert(columns: _Columns, ordinal: int) -> NewEvent | None:
        if isinstance(columns, BadRow):
            raise columns
        if not is_usage(columns):
            return None
        row: FocusRow = read_focus_row(columns, ordinal=ordinal, project=project)
        return chosen.event_of(row)

    return convert


def _count(report: ImportReport, line: int, result: EventResult) -> None:
    if isinstance(result, Recorded):
        report.recorded_count += 1
        report.cost_minor = EXACT.add(report.cost_minor, result.cost_minor)
    elif isinstance(result, DuplicateEvent):
        report.duplicate_count += 1
        report.cost_minor = EXACT.add(report.cost_minor, result.cost_minor)
    else:
        report.refuse(line, f"{result.reason}: {result.message}")


def _read_file(path: Path, file_format: ImportFormat) -> Iterator[tuple[int, _Columns, int]]:
    """Line number, columns, and the number of the row among equal rows; a row that cannot be read is a BadRow."""
    seen: Counter[str] = Counter()
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        rows = _json_rows(file) if file_format is ImportFormat.NDJSON else _csv_rows(file, file_format)
        for line, columns in rows:
            if isinstance(columns, BadRow):
                yield line, columns, 0
                continue
            content = row_hash(columns, 0)
            yield line, columns, seen[content]
            seen[content] += 1


def _csv_rows(file: Iterator[str], file_format: ImportFormat) -> Iterator[tuple[int, _Columns]]:
    csv.field_size_limit(_FIELD_LENGTH_MAX)
    reader = csv.DictReader(file, strict=True)
    needed = "ChargeCategory" if file_format is ImportFormat.FOCUS else "meter"
    try:
        if needed not in (reader.fieldnames or ()):
            raise invalid_field("file", f"has no column {needed}, so it is not {file_format} with a header line")
        for row in reader:
            if None in row or None in row.values():
                yield reader.line_num, BadRow("has another number of columns than the header")
            else:
                yield reader.line_num, row
    except csv.Error as error:
        raise invalid_field("file", f"line {reader.line_num}: {error}") from None


def _json_rows(file: Iterator[str]) -> Iterator[tuple[int, _Columns]]:
    for line, text in enumerate(file, start=1):
        if not text.strip():
            continue
        try:
            yield line, read_json_row(text)
        except BadRow as error:
            yield line, error
