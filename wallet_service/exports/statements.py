"""The statements whose rows are the rows of the files. PostgreSQL writes CSV and JSON itself, a million rows in seconds.

Rows are in order of event time, then of event id, which is the order of recording.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ledger.money import EXPONENTS
from wallet_service.exports.model import ExportFormat, FocusParties, Selection
from wallet_service.exports.rules import SERVICE_CATEGORIES

COST_SCALE: Final = 26
"""Digits after the point of costs in Parquet, whose widest common decimal has 38: costs have at most 12 before it."""

_CSV: Final = {"format": "csv", "header": True}
_LINES: Final = {"format": "csv", "delimiter": "\x02", "quote": "\x01"}
"""Makes CSV of one column the bare text: JSON has no control characters, so nothing is ever quoted."""

_FORMULA: Final = r"^[=+\-@\t\r]"
"""What a spreadsheet would run instead of show."""

_SOURCE: Final = """
    FROM usage_events e
    JOIN projects p ON p.org_id = e.org_id AND p.project_id = e.project_id
    JOIN meters m ON m.meter = e.meter
"""


@dataclass(frozen=True, slots=True)
class CopyStatement:
    """A query, its arguments, and the options of COPY."""

    query: str
    args: tuple[Any, ...]
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])


def condition(selection: Selection) -> tuple[str, tuple[Any, ...]]:
    """Which events `e` are meant, with the arguments of $1, $2, ..."""
    conditions = ["e.org_id = $1"]
    args: list[Any] = [selection.org_id]
    for value, template in (
        (selection.project_id, "e.project_id = ${}"),
        (selection.meter_prefix or None, "starts_with(e.meter, ${})"),
        (selection.start, "e.event_time >= ${}"),
        (selection.end, "e.event_time < ${}"),
    ):
        if value is not None:
            args.append(value)
            conditions.append(template.format(len(args)))
    return " AND ".join(conditions), tuple(args)


def copy_statement(export_format: ExportFormat, selection: Selection, parties: FocusParties) -> CopyStatement:
    """What to copy for a file. Parquet is made of CSV without a heading."""
    where, args = condition(selection)
    tail = f"{_SOURCE} WHERE {where} ORDER BY e.event_time, e.event_id"
    if export_format is ExportFormat.FOCUS:
        names = (parties.provider, parties.publisher, parties.invoice_issuer)
        tail = f"{_SOURCE} {_FOCUS_SOURCE} WHERE {where} ORDER BY e.event_time, e.event_id"
        return CopyStatement(f"SELECT {_focus_columns(len(args))} {tail}", (*args, *names), _CSV)
    if export_format is ExportFormat.CSV:
        return CopyStatement(f"SELECT {_columns(text=_guarded)} {tail}", args, _CSV)
    if export_format is ExportFormat.NDJSON:
        rows = f"SELECT {_columns(text=_plain)} {tail}"
        return CopyStatement(f"SELECT row_to_json(r)::text FROM ({rows}) r", args, _LINES)
    return CopyStatement(f"SELECT {_columns(text=_plain, scale=COST_SCALE)} {tail}", args, {"format": "csv"})


def _columns(*, text: Any, scale: int | None = None) -> str:
    """Usage events as they are, in minor units. `text` wraps what customers have chosen; `scale` rounds the costs."""
    costs = {
        "list_cost_minor": "e.cost_minor + e.discount_minor",
        "discount_minor": "e.discount_minor",
        "cost_minor": "e.cost_minor",
    }
    if scale is not None:
        costs = {name: f"round({cost}, {scale})" for name, cost in costs.items()}
    columns = {
        "usage_event_id": "e.event_id",
        "event_time": _time("e.event_time", precise=True),
        "recorded_time": _time("e.recorded_at", precise=True),
        "project": "p.slug",
        "meter": "e.meter",
        "category": text("m.category"),
        "resource": text("e.resource"),
        "datacenter": text("e.datacenter"),
        "quantity": "trim_scale(e.quantity)::text",
        "unit": text("m.unit"),
        "currency": "e.currency",
        "unit_price_minor": "trim_scale(e.unit_price_minor)::text",
        **{name: f"trim_scale({cost})::text" for name, cost in costs.items()},
        "idempotency_key": text("e.idempotency_key"),
        "metadata": "coalesce(e.metadata, '{}')",
    }
    return _select(columns)


_FOCUS_SOURCE: Final = f"""
    JOIN organizations o ON o.org_id = e.org_id
    JOIN billing_accounts b ON b.org_id = e.org_id
    JOIN (VALUES {", ".join(f"('{code}', 1e-{exponent}::numeric)" for code, exponent in EXPONENTS.items())})
        AS f(currency, factor) ON f.currency = e.currency
    LEFT JOIN (VALUES {", ".join(f"('{ours}', '{c}', '{sub}')" for ours, (c, sub) in SERVICE_CATEGORIES.items())})
        AS c(ours, category, subcategory) ON c.ours = m.category
"""


def _focus_columns(arg_count: int) -> str:
    """FOCUS 1.2: what is mandatory, and what we know of the rest; names that begin with x_ are ours."""
    list_cost = "(e.cost_minor + e.discount_minor) * f.factor"
    price, cost = _number("e.unit_price_minor * f.factor"), _number("e.cost_minor * f.factor")
    month, recorded_month = (f"date_trunc('month', {at}, 'UTC')" for at in ("e.event_time", "e.recorded_at"))
    hour = "date_trunc('hour', e.event_time, 'UTC')"
    # The statement of a month is closed when the month is over.
    is_late_correction = f"e.quantity < 0 AND {recorded_month} > {month}"
    resource, datacenter = (_guarded(f"nullif(e.{name}, '')") for name in ("resource", "datacenter"))
    # The way FOCUS writes units of time: vcpu-hour is vcpu-Hours.
    unit = _guarded("regexp_replace(regexp_replace(m.unit, '-hour$', '-Hours'), '-month$', '-Months')")
    meter_name = _guarded("coalesce(nullif(m.display_name, ''), e.meter)")
    columns = {
        "BilledCost": cost,
        "BillingAccountId": "'organizations/' || o.slug || '/billing-accounts/default'",
        "BillingAccountName": _guarded("coalesce(nullif(b.display_name, ''), o.slug)"),
        "BillingCurrency": "e.currency",
        "BillingPeriodEnd": _time(f"(({month} AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC'"),
        "BillingPeriodStart": _time(month),
        "ChargeCategory": "'Usage'",
        "ChargeClass": f"CASE WHEN {is_late_correction} THEN 'Correction' END",
        "ChargeDescription": meter_name,
        "ChargeFrequency": "'Usage-Based'",
        "ChargePeriodEnd": _time(f"{hour} + interval '1 hour'"),
        "ChargePeriodStart": _time(hour),
        "ConsumedQuantity": _number("e.quantity"),
        "ConsumedUnit": unit,
        "ContractedCost": _number(list_cost),
        "ContractedUnitPrice": price,
        "EffectiveCost": cost,
        "InvoiceIssuerName": f"${arg_count + 3}::text",
        "ListCost": _number(list_cost),
        "ListUnitPrice": price,
        "PricingCategory": "'Standard'",
        "PricingQuantity": _number("e.quantity"),
        "PricingUnit": unit,
        "ProviderName": f"${arg_count + 1}::text",
        "PublisherName": f"${arg_count + 2}::text",
        "RegionId": datacenter,
        "RegionName": datacenter,
        "ResourceId": resource,
        "ResourceName": resource,
        "ResourceType": f"CASE WHEN e.resource <> '' THEN {_guarded(_CATEGORY)} END",
        "ServiceCategory": "coalesce(c.category, 'Other')",
        "ServiceName": _guarded(_CATEGORY),
        "ServiceSubcategory": "coalesce(c.subcategory, 'Other (Other)')",
        "SkuId": "e.meter",
        "SkuMeter": meter_name,
        "SkuPriceDetails": "NULL::text",
        "SkuPriceId": "e.meter || '/' || e.currency || '/' || trim_scale(e.unit_price_minor)::text",
        "SubAccountId": "'projects/' || p.slug",
        "SubAccountName": _guarded("coalesce(nullif(p.display_name, ''), p.slug)"),
        "Tags": "coalesce(e.metadata, '{}')",
        "x_EventTime": _time("e.event_time", precise=True),
        "x_RecordedTime": _time("e.recorded_at", precise=True),
        "x_UsageEventId": "e.event_id",
    }
    return _select(columns)


_CATEGORY: Final = "coalesce(nullif(m.category, ''), 'Other')"


def _select(columns: Mapping[str, str]) -> str:
    return ", ".join(f'{expression} AS "{name}"' for name, expression in columns.items())


def _plain(expression: str) -> str:
    return expression


def _guarded(expression: str) -> str:
    """A text that no spreadsheet takes for a formula: an apostrophe before it where it looks like one."""
    return f"CASE WHEN {expression} ~ '{_FORMULA}' THEN '''' || {expression} ELSE {expression} END"


def _number(expression: str) -> str:
    return f"trim_scale({expression})::text"


def _time(expression: str, *, precise: bool = False) -> str:
    """ISO 8601 in UTC, to the second or the microsecond."""
    fraction = ".US" if precise else ""
    return f"""to_char(({expression}) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS{fraction}"Z"')"""
