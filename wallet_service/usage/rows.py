"""Rows of usage files as events: CSV with a header line, and NDJSON. Pure; opening files is elsewhere.

Columns (both spellings; NDJSON in camel case too): project or project_name, meter, quantity, event_time, resource or
resource_name, datacenter or datacenter_name, unit, key or idempotency_key, metadata (a JSON object in CSV). Only meter and
quantity are required. A row without a key is known by its content, and by its number among equal rows.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, cast

from wallet_service.usage.model import NewEvent

_NOTHING: Final = frozenset({"", "NULL", "null"})
_CAMEL: Final = re.compile(r"(?<=[a-z])([A-Z])")


class BadRow(ValueError):
    """The row is not an event; the text says why."""


def read_event_row(columns: Mapping[str, str], *, ordinal: int, project: str) -> NewEvent:
    """An event of a CSV or NDJSON row; `project` is for rows that name none. Raises BadRow."""
    meter, quantity = optional(columns, "meter"), optional(columns, "quantity")
    if not meter or not quantity:
        raise BadRow("meter and quantity are required")
    return NewEvent(
        project=_first(columns, "project", "project_name").removeprefix("projects/") or project,
        meter=meter.removeprefix("meters/"),
        quantity=quantity,
        key=_first(columns, "key", "idempotency_key") or f"row:{row_hash(columns, ordinal)}",
        resource=_first(columns, "resource", "resource_name"),
        datacenter=_first(columns, "datacenter", "datacenter_name").removeprefix("datacenters/"),
        unit=optional(columns, "unit"),
        event_time=read_time(columns, "event_time"),
        metadata=_metadata(optional(columns, "metadata")),
    )


def read_json_row(line: str) -> dict[str, str]:
    """The columns of an NDJSON line, numbers as they are written. Raises BadRow."""
    try:
        content: object = json.loads(line, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        raise BadRow("is not JSON") from None
    if not isinstance(content, dict):
        raise BadRow("is not a JSON object")
    columns: dict[str, str] = {}
    for name, value in cast("dict[str, object]", content).items():
        column = _CAMEL.sub(lambda found: "_" + found.group(1).lower(), name)
        if value is None:
            continue
        columns[column] = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return columns


def row_hash(columns: Mapping[str, str], ordinal: int) -> str:
    """Identifies a row without an id by its content, and by its number among equal rows."""
    text = json.dumps([sorted(columns.items()), ordinal])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def optional(columns: Mapping[str, str], name: str) -> str:
    """The text of a column; empty when it is missing, empty or NULL."""
    text = columns.get(name, "").strip()
    return "" if text in _NOTHING else text


def read_time(columns: Mapping[str, str], name: str) -> datetime:
    """An ISO 8601 time; without an offset it is UTC. Raises BadRow."""
    text = optional(columns, name)
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadRow(f"{name} is {text!r}, not an ISO 8601 time") from None


def _first(columns: Mapping[str, str], *names: str) -> str:
    return next((text for text in (optional(columns, name) for name in names) if text), "")


def _metadata(text: str) -> dict[str, str]:
    if not text:
        return {}
    try:
        content: object = json.loads(text, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        raise BadRow("metadata is not JSON") from None
    if not isinstance(content, dict):
        raise BadRow("metadata is not a JSON object")
    pairs = cast("dict[str, object]", content)
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in pairs.items()}
