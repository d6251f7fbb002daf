"""Exports as values."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from wallet_service.files.rules import SignedLink


class ExportFormat(StrEnum):
    """What a file is. The value is stored."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"
    FOCUS = "focus"


@dataclass(frozen=True, slots=True)
class Selection:
    """Usage of one organization, or one of its projects, with an event time in [start, end); None is no bound."""

    org_id: UUID
    project_id: UUID | None
    meter_prefix: str
    start: datetime | None
    end: datetime | None


@dataclass(frozen=True, slots=True)
class FocusParties:
    """Who a FOCUS file names as provider, publisher and issuer of the charges."""

    provider: str
    publisher: str
    invoice_issuer: str


@dataclass(frozen=True, slots=True)
class NewExport:
    """A file that is about to be written. Times are of this machine; the file goes at `expires_at`."""

    export_id: UUID
    key_id: UUID
    format: ExportFormat
    selection: Selection
    object_key: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ExportedUsage:
    """A file that is complete, and the link to it."""

    object_key: str
    row_count: int
    link: SignedLink
