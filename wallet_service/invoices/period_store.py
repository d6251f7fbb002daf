"""SQL that reads what a period recorded: entries of the journal that moved a wallet, and the usage behind them.

A period is the entries (first_seq, last_seq] of the journal. Usage is told by its batch: one that an entry carried counts
where that entry stands, one that the carry absorbed counts by the ledger's time of its key. Only batches near the edges
need to be looked at; all between them are of the period.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.accounts import AccountKind, chart_account_id, holds_account_id
from ledger.commands import hash_of_key
from ledger.ids import from_bytes, ordered_id, unix_us
from ledger.model import EntryKind
from ledger.money import EXACT
from wallet_service.accounts.model import Wallet
from wallet_service.invoices.model import EntryTotal, MeterName, Purchase, UsageTotal

_EDGE: Final = timedelta(hours=3)
"""How far from its time of recording an id may lie: two hours (`ledger.ids.new_id`), and the length of a transaction."""

_STATEMENT_MAX: Final = "5min"
"""Of one statement here: a month of an organization may have tens of millions of events."""

_MOVES: Final = """
    WITH moves AS (
        SELECT p.entry_seq,
            coalesce(-sum(p.amount_minor) FILTER (WHERE p.account_id <> :revenue), 0) AS moved,
            coalesce(-sum(p.amount_minor) FILTER (WHERE p.account_id = :revenue), 0) AS earned
        FROM ledger_postings p
        WHERE p.org_id = :org_id AND p.account_id IN (:wallet, :holds, :revenue)
            AND p.entry_seq > :first_seq AND p.entry_seq <= :last_seq
        GROUP BY p.entry_seq
        HAVING bool_or(p.account_id <> :revenue)
    )
"""

_ENTRY_TOTALS: Final = f"""{_MOVES}
    SELECT (e.recorded_at AT TIME ZONE 'UTC')::date AS day, e.kind = :accrual AS is_usage,
        coalesce(e.metadata ->> 'purpose', '') AS purpose, sum(m.moved) AS moved, sum(m.earned) AS earned
    FROM moves m JOIN ledger_entries e ON e.org_id = :org_id AND e.entry_seq = m.entry_seq
    GROUP BY 1, 2, 3
    HAVING sum(m.moved) <> 0 OR sum(m.earned) <> 0
    ORDER BY 1, 2, 3
"""

_PURCHASES: Final = f"""{_MOVES}, grouped AS (
        SELECT e.kind, e.description, count(*) AS entry_count, sum(m.earned) AS amount
        FROM moves m JOIN ledger_entries e ON e.org_id = :org_id AND e.entry_seq = m.entry_seq
        WHERE e.kind <> :accrual AND m.earned <> 0
        GROUP BY 1, 2
    ), ranked AS (
        SELECT *, row_number() OVER (ORDER BY abs(amount) DESC, description, kind) AS place FROM grouped
    )
    SELECT CASE WHEN place <= :limit THEN kind END AS kind, CASE WHEN place <= :limit THEN description END AS description,
        sum(entry_count) AS entry_count, sum(amount) AS amount
    FROM ranked
    GROUP BY 1, 2
    ORDER BY min(place)
"""

_EDGE_BATCHES: Final = """
    SELECT b.batch_id, e.entry_seq, e.entry_seq IS NULL OR EXISTS (
            SELECT 1 FROM ledger_postings p
            WHERE p.org_id = b.org_id AND p.entry_seq = e.entry_seq AND p.account_id = :wallet
        ) AS is_ours, b.recorded_at
    FROM usage_batches b
    LEFT JOIN ledger_entries e ON e.org_id = b.org_id AND e.entry_id = b.journal_entry_id
    WHERE b.org_id = :org_id AND b.currency = :currency AND b.batch_id >= :low AND b.batch_id < :high
"""

_KEY_TIMES: Final = """
    SELECT u.batch_id, k.recorded_at
    FROM unnest(CAST(:batch_ids AS uuid[]), CAST(:key_hashes AS bytea[])) AS u(batch_id, key_hash)
    JOIN ledger_keys k ON k.org_id = :org_id AND k.key_hash = u.key_hash
"""

_USAGE: Final = """
    SELECT p.slug AS project, e.meter, e.unit_price_minor,
        CASE WHEN e.event_time < :start THEN (date_trunc('month', e.event_time, 'UTC') AT TIME ZONE 'UTC')::date END
            AS used_in,
        sum(e.quantity) AS quantity, sum(e.cost_minor) AS cost, sum(e.discount_minor) AS discount, count(*) AS event_count
    FROM usage_events e
    JOIN projects p ON p.org_id = e.org_id AND p.project_id = e.project_id
    WHERE e.org_id = :org_id AND e.currency = :currency AND e.event_id >= :low AND e.event_id < :high
        AND (e.event_id >= :inner_low AND e.event_id < :inner_high OR e.batch_id = ANY(:batch_ids))
    GROUP BY 1, 2, 3, 4
"""

_METERS: Final = "SELECT meter, display_name, unit, category FROM meters WHERE meter = ANY(:meters)"

_TITLES: Final = {
    EntryKind.CAPTURE: "Captured hold",
    EntryKind.REVERSAL: "Purchase taken back",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Entries (first_seq, last_seq] of a wallet. start: of the month, before which usage is late. [since, until): the
    part of it in which the wallet was there."""

    wallet: Wallet
    start: datetime
    since: datetime
    until: datetime
    first_seq: int
    last_seq: int


async def allow_long_statements(conn: AsyncConnection) -> None:
    """Let the statements that follow in this transaction take minutes, planned for the tables as they are now."""
    await conn.execute(text(f"SET LOCAL statement_timeout = '{_STATEMENT_MAX}'"))
    await conn.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))


async def entry_totals(conn: AsyncConnection, span: Span) -> list[EntryTotal]:
    """What moved the wallet in the span, by day, operation and purpose."""
    rows = await conn.execute(text(_ENTRY_TOTALS), _accounts(span))
    return [EntryTotal(row.day, row.is_usage, row.purpose, int(row.moved), int(row.earned)) for row in rows]


async def purchases(conn: AsyncConnection, span: Span, *, limit: int, rest: str) -> list[Purchase]:
    """What revenue gained otherwise than by usage, by description, the largest first; beyond `limit` as one, `rest`."""
    rows = await conn.execute(text(_PURCHASES), {**_accounts(span), "limit": limit})
    return [
        Purchase(
            rest if row.kind is None else row.description or _TITLES.get(EntryKind(row.kind), "Purchase"),
            int(row.entry_count),
            int(row.amount),
        )
        for row in rows
    ]


async def usage_totals(conn: AsyncConnection, span: Span) -> list[UsageTotal]:
    """Usage that the span recorded, by project, meter, price and, if it was late, month of use."""
    low, high = span.since - _EDGE, span.until + _EDGE
    inner = (span.since + _EDGE, span.until - _EDGE)
    # A span shorter than its two edges is one edge.
    edges = [(low, inner[0]), (inner[1], high)] if inner[0] < inner[1] else [(low, high)]
    included = [batch_id for edge in edges for batch_id in await _batches_of(conn, span, *edge)]
    rows = await conn.execute(
        text(_USAGE),
        {
            "org_id": span.wallet.org_id,
            "currency": span.wallet.currency,
            "start": span.start,
            "low": _first_id(low),
            "high": _first_id(high),
            "inner_low": _first_id(inner[0]),
            "inner_high": _first_id(max(inner)) if inner[0] < inner[1] else _first_id(inner[0]),
            "batch_ids": included,
        },
    )
    return [
        UsageTotal(
            project=row.project,
            meter=row.meter,
            unit_price_minor=row.unit_price_minor,
            used_in=row.used_in,
            quantity=row.quantity,
            exact_minor=EXACT.add(row.cost, row.discount),
            discount_exact_minor=row.discount,
            event_count=row.event_count,
        )
        for row in rows
    ]


async def meter_names(conn: AsyncConnection, meters: Collection[str]) -> dict[str, MeterName]:
    """How the catalog shows meters."""
    rows = await conn.execute(text(_METERS), {"meters": list(meters)})
    return {row.meter: MeterName(row.display_name or row.meter, row.unit, row.category) for row in rows}


async def last_entry_before(conn: AsyncConnection, org_id: UUID, at: datetime) -> int:
    """The number of the last entry recorded before `at`; 0 if there is none."""
    row = await conn.execute(
        text(
            """
            SELECT entry_seq FROM ledger_entries
            WHERE org_id = :org_id AND entry_id < :above AND recorded_at < :at ORDER BY entry_id DESC LIMIT 1
            """
        ),
        {"org_id": org_id, "above": _first_id(at + timedelta(milliseconds=1)), "at": at},
    )
    return row.scalar_one_or_none() or 0


async def balance_after(conn: AsyncConnection, wallet: Wallet, entry_seq: int) -> int:
    """Available and held after the entry of that number, in minor units."""
    row = await conn.execute(
        text(
            """
            SELECT sum((
                SELECT p.balance_after_minor FROM ledger_postings p
                WHERE p.org_id = :org_id AND p.account_id = u.account_id AND p.entry_seq <= :entry_seq
                ORDER BY p.entry_seq DESC, p.leg DESC LIMIT 1
            ))
            FROM unnest(CAST(:accounts AS uuid[])) AS u(account_id)
            """
        ),
        {
            "org_id": wallet.org_id,
            "accounts": [wallet.account_id, holds_account_id(wallet.account_id)],
            "entry_seq": entry_seq,
        },
    )
    return int(row.scalar_one() or 0)


async def _batches_of(conn: AsyncConnection, span: Span, low: datetime, high: datetime) -> list[UUID]:
    """Those batches of the span that were made from `low` to a while after `high`."""
    rows = await conn.execute(
        text(_EDGE_BATCHES),
        {
            "org_id": span.wallet.org_id,
            "currency": span.wallet.currency,
            "wallet": span.wallet.account_id,
            "low": _first_id(low),
            # The id of a batch is made after those of its events.
            "high": _first_id(high + _EDGE),
        },
    )
    found: list[UUID] = []
    absorbed: list[Any] = []
    for row in rows:
        if row.entry_seq is None:
            absorbed.append(row)
        elif row.is_ours and span.first_seq < row.entry_seq <= span.last_seq:
            found.append(row.batch_id)
    times = await _key_times(conn, span.wallet.org_id, [row.batch_id for row in absorbed])
    for row in absorbed:
        # A batch without cost has no key in the ledger.
        if span.since <= times.get(row.batch_id, row.recorded_at) < span.until:
            found.append(row.batch_id)
    return found


async def _key_times(conn: AsyncConnection, org_id: UUID, batch_ids: Sequence[UUID]) -> dict[UUID, Any]:
    hashes = [hash_of_key(f"usage:{batch_id}") for batch_id in batch_ids]
    rows = await conn.execute(text(_KEY_TIMES), {"org_id": org_id, "batch_ids": batch_ids, "key_hashes": hashes})
    found: dict[UUID, Any] = {row.batch_id: row.recorded_at for row in rows}
    return found


def _accounts(span: Span) -> dict[str, Any]:
    wallet = span.wallet
    return {
        "org_id": wallet.org_id,
        "wallet": wallet.account_id,
        "holds": holds_account_id(wallet.account_id),
        "revenue": chart_account_id(wallet.org_id, wallet.currency, AccountKind.REVENUE),
        "accrual": EntryKind.ACCRUAL.value,
        "first_seq": span.first_seq,
        "last_seq": span.last_seq,
    }


def _first_id(at: datetime) -> UUID:
    """Below every id of the millisecond of `at`, above every earlier one."""
    return from_bytes(ordered_id(unix_us(at) // 1000, 0, bytes(4)))
