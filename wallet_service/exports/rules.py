"""What files are called, and how our categories are those of FOCUS."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from wallet_service.exports.model import ExportFormat, Selection

FOCUS_CATEGORIES: Final = frozenset(
    {
        "AI and Machine Learning",
        "Analytics",
        "Business Applications",
        "Compute",
        "Databases",
        "Developer Tools",
        "Identity",
        "Integration",
        "Internet of Things",
        "Management and Governance",
        "Media",
        "Migration",
        "Mobile",
        "Multicloud",
        "Networking",
        "Other",
        "Security",
        "Storage",
        "Web",
    }
)
"""The values that ServiceCategory may have."""

_OUR_CATEGORIES: Final[Mapping[str, tuple[str, str]]] = {
    "Bare Metal": ("Compute", "Other (Compute)"),
    "Data Transfer": ("Networking", "Network Infrastructure"),
    "GPU": ("Compute", "Other (Compute)"),
    "Memory": ("Compute", "Virtual Machines"),
    "Object Storage": ("Storage", "Object Storage"),
    "Public IPv4": ("Networking", "Network Infrastructure"),
    "VM Storage": ("Storage", "Block Storage"),
    "vCPU": ("Compute", "Virtual Machines"),
}

SERVICE_CATEGORIES: Final[Mapping[str, tuple[str, str]]] = {
    **{name: (name, f"Other ({name})") for name in sorted(FOCUS_CATEGORIES)},
    **_OUR_CATEGORIES,
}
"""ServiceCategory and ServiceSubcategory of a category of ours; what is not here is "Other"."""

_SUFFIXES: Final = {
    ExportFormat.CSV: "csv",
    ExportFormat.NDJSON: "ndjson",
    ExportFormat.PARQUET: "parquet",
    ExportFormat.FOCUS: "csv",
}
_CONTENT_TYPES: Final = {
    ExportFormat.CSV: "text/csv; charset=utf-8",
    ExportFormat.NDJSON: "application/x-ndjson",
    ExportFormat.PARQUET: "application/vnd.apache.parquet",
    ExportFormat.FOCUS: "text/csv; charset=utf-8",
}


def object_key(org_id: UUID, export_id: UUID, export_format: ExportFormat) -> str:
    """Where a file lies: below its organization, under a name that cannot be guessed."""
    return f"exports/{org_id}/{export_id}.{_SUFFIXES[export_format]}"


def content_type(export_format: ExportFormat) -> str:
    return _CONTENT_TYPES[export_format]


def file_name(owner: str, selection: Selection, export_format: ExportFormat, *, now: datetime) -> str:
    """Under which a browser saves a file: whose usage, and the days from and to. `owner`: a slug."""
    kind = "focus" if export_format is ExportFormat.FOCUS else "usage"
    start = "begin" if selection.start is None else f"{selection.start:%Y%m%d}"
    end = now if selection.end is None else selection.end
    return f"{kind}-{owner}-{start}-{end:%Y%m%d}.{_SUFFIXES[export_format]}"
