"""The laws of the ledger, each a query that finds the first row that breaks it.

They read everything, so they are for audits: run them in one snapshot (REPEATABLE READ), where they are exact while
postings go on. An organization at a time or all of them; each law speaks of one organization's rows only.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.chain import encode_text, entry_hash, genesis
from ledger.ids import unix_us
from ledger.journal import JournalEntry, entries_after
from ledger.tables import books

_CHAIN_PAGE: Final = 1000

CHAIN_LAW: Final = "hash_chain"


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken law and the first row that breaks it: `row` names the row, `detail` says what is wrong with it."""

    law: str
    org_id: UUID
    row: str
    detail: str


LAWS: Final[dict[str, str]] = {
    "entry_sums_to_zero": """
        SELECT e.org_id, 'entry ' || e.entry_seq,
               'postings: ' || count(p.leg) || ', sum: ' || coalesce(sum(p.amount_minor), 0)
        FROM ledger_entries e
        LEFT JOIN ledger_postings p ON p.org_id = e.org_id AND p.entry_seq = e.entry_seq
        WHERE {e}
        GROUP BY e.org_id, e.entry_seq
        HAVING count(p.leg) < 2 OR sum(p.amount_minor) <> 0
        ORDER BY e.org_id, e.entry_seq LIMIT 1
    """,
    "posting_belongs": """
        SELECT p.org_id, 'entry ' || p.entry_seq || ' leg ' || p.leg,
               CASE WHEN e.entry_seq IS NULL THEN 'no such entry'
                    WHEN a.account_id IS NULL THEN 'no such account: ' || p.account_id
                    ELSE 'entry in ' || e.currency || ', account in ' || a.currency END
        FROM ledger_postings p
        LEFT JOIN ledger_entries e ON e.org_id = p.org_id AND e.entry_seq = p.entry_seq
        LEFT JOIN ledger_accounts a ON a.org_id = p.org_id AND a.account_id = p.account_id
        WHERE {p} AND (e.currency = a.currency) IS NOT TRUE
        ORDER BY p.org_id, p.entry_seq, p.leg LIMIT 1
    """,
    "live_balance_is_sum_of_postings": """
        SELECT w.org_id, 'wallet ' || w.account_id,
               'available ' || w.available_minor || ', posted ' || s.available
               || '; held ' || w.held_minor || ', posted ' || s.held
        FROM ledger_wallets w, LATERAL (
            SELECT coalesce(-sum(p.amount_minor) FILTER (WHERE p.account_id = w.account_id), 0) AS available,
                   coalesce(-sum(p.amount_minor) FILTER (WHERE p.account_id = w.holds_account_id), 0) AS held
            FROM ledger_postings p
            WHERE p.org_id = w.org_id AND p.account_id IN (w.account_id, w.holds_account_id)
        ) s
        WHERE {w} AND (w.available_minor <> s.available OR w.held_minor <> s.held)
        ORDER BY w.org_id, w.account_id LIMIT 1
    """,
    "running_balance_is_sum_of_postings": """
        SELECT org_id, 'entry ' || entry_seq || ' leg ' || leg,
               'running ' || coalesce(balance_after_minor::text, 'none') || ', added up ' || added
        FROM (
            SELECT p.*, -sum(p.amount_minor) OVER (
                       PARTITION BY p.org_id, p.account_id ORDER BY p.entry_seq, p.leg) AS added
            FROM ledger_postings p
            JOIN ledger_accounts a ON a.org_id = p.org_id AND a.account_id = p.account_id AND a.wallet_id IS NOT NULL
            WHERE {p}
        ) p
        WHERE balance_after_minor IS DISTINCT FROM added
        ORDER BY org_id, entry_seq, leg LIMIT 1
    """,
    "held_is_open_holds": """
        SELECT w.org_id, 'wallet ' || w.account_id, 'held ' || w.held_minor || ', open holds ' || h.remaining
        FROM ledger_wallets w, LATERAL (
            SELECT coalesce(sum(h.remaining_minor), 0) AS remaining
            FROM ledger_holds h
            WHERE h.org_id = w.org_id AND h.account_id = w.account_id AND h.state = 'open'
        ) h
        WHERE {w} AND w.held_minor <> h.remaining
        ORDER BY w.org_id, w.account_id LIMIT 1
    """,
    "hold_is_its_entries": """
        SELECT h.org_id, 'hold ' || h.hold_id,
               'remaining ' || h.remaining_minor || ', posted ' || s.remaining
               || '; captured ' || h.captured_minor || ', posted ' || s.captured
        FROM ledger_holds h
        JOIN ledger_wallets w ON w.org_id = h.org_id AND w.account_id = h.account_id, LATERAL (
            SELECT coalesce(-sum(p.amount_minor) FILTER (WHERE p.account_id = w.holds_account_id), 0) AS remaining,
                   coalesce(-sum(p.amount_minor) FILTER (
                       WHERE e.kind = 'capture' AND p.account_id NOT IN (w.holds_account_id, w.account_id)), 0) AS
                       captured
            FROM ledger_postings o
            JOIN ledger_entries e ON e.org_id = o.org_id AND e.entry_seq = o.entry_seq
            JOIN ledger_postings p ON p.org_id = e.org_id AND p.entry_seq = e.entry_seq
            WHERE o.org_id = h.org_id AND o.account_id = w.holds_account_id AND e.hold_id = h.hold_id
        ) s
        WHERE {h} AND (h.remaining_minor <> s.remaining OR h.captured_minor <> s.captured)
        ORDER BY h.org_id, h.hold_id LIMIT 1
    """,
    "carry_and_posted_are_exact_cost": """
        SELECT w.org_id, 'wallet ' || w.account_id,
               'carry ' || w.carry || ' + posted ' || s.posted || ', exact ' || w.accrued_exact
        FROM ledger_wallets w, LATERAL (
            SELECT coalesce(sum(p.amount_minor), 0) AS posted
            FROM ledger_postings p
            JOIN ledger_entries e ON e.org_id = p.org_id AND e.entry_seq = p.entry_seq
            WHERE p.org_id = w.org_id AND p.account_id = w.account_id AND e.kind = 'accrual'
        ) s
        WHERE {w} AND (w.carry < 0 OR w.carry >= 1 OR w.carry + s.posted <> w.accrued_exact)
        ORDER BY w.org_id, w.account_id LIMIT 1
    """,
    "only_usage_goes_below_zero": """
        SELECT org_id, 'entry ' || entry_seq, kind || ' took wallet ' || account_id || ' to ' || after
        FROM (
            SELECT p.org_id, p.entry_seq, p.account_id, e.kind, sum(p.amount_minor) AS net,
                   (array_agg(p.balance_after_minor ORDER BY p.leg DESC))[1] AS after
            FROM ledger_postings p
            JOIN ledger_wallets w ON w.org_id = p.org_id AND w.account_id = p.account_id
            JOIN ledger_entries e ON e.org_id = p.org_id AND e.entry_seq = p.entry_seq
            WHERE {p} AND e.kind <> 'accrual' AND p.balance_after_minor < 0
            GROUP BY p.org_id, p.entry_seq, p.account_id, e.kind
        ) p
        WHERE net > 0 AND after < 0
          AND after = (SELECT l.balance_after_minor FROM ledger_postings l
                       WHERE l.org_id = p.org_id AND l.account_id = p.account_id AND l.entry_seq = p.entry_seq
                       ORDER BY l.leg DESC LIMIT 1)
        ORDER BY org_id, entry_seq LIMIT 1
    """,
    "numbers_without_gap": """
        SELECT org_id, row, detail FROM (
            SELECT org_id, entry_seq, 'entry ' || entry_seq AS row,
                   CASE WHEN entry_seq <> number THEN 'expected number ' || number
                        ELSE 'recorded before entry ' || entry_seq - 1 END AS detail
            FROM (
                SELECT e.org_id, e.entry_seq, e.recorded_at,
                       row_number() OVER journal AS number, lag(e.recorded_at) OVER journal AS earlier
                FROM ledger_entries e WHERE {e}
                WINDOW journal AS (PARTITION BY e.org_id ORDER BY e.entry_seq)
            ) e
            WHERE entry_seq <> number OR recorded_at < earlier
            UNION ALL
            SELECT b.org_id, b.entry_seq, 'book', 'head is ' || b.entry_seq || ', last entry ' || coalesce(l.last, 0)
            FROM ledger_books b
            LEFT JOIN LATERAL (
                SELECT max(e.entry_seq) AS last FROM ledger_entries e WHERE e.org_id = b.org_id
            ) l ON true
            WHERE {b} AND b.entry_seq <> coalesce(l.last, 0)
        ) found
        ORDER BY org_id, entry_seq LIMIT 1
    """,
    "reversals_within_originals": """
        WITH reversed AS (
            SELECT e.org_id, e.reverses_entry_id AS entry_id, sum(d.debits) AS amount
            FROM ledger_entries e, LATERAL (
                SELECT sum(p.amount_minor) FILTER (WHERE p.amount_minor > 0) AS debits
                FROM ledger_postings p WHERE p.org_id = e.org_id AND p.entry_seq = e.entry_seq
            ) d
            WHERE {e} AND e.reverses_entry_id IS NOT NULL
            GROUP BY e.org_id, e.reverses_entry_id
        ), counted AS (
            SELECT r.org_id, r.entry_id, r.reversed_minor FROM ledger_reversals r WHERE {r}
        )
        SELECT org_id, 'entry ' || entry_id,
               'original ' || coalesce(o.gross, 0) || ', reversed ' || coalesce(v.amount, 0)
               || ', counted ' || coalesce(c.reversed_minor, 0)
        FROM reversed v FULL JOIN counted c USING (org_id, entry_id)
        LEFT JOIN LATERAL (
            SELECT sum(net) FILTER (WHERE net > 0) AS gross FROM (
                SELECT sum(p.amount_minor) AS net
                FROM ledger_entries e
                JOIN ledger_postings p ON p.org_id = e.org_id AND p.entry_seq = e.entry_seq
                LEFT JOIN ledger_accounts a ON a.org_id = p.org_id AND a.account_id = p.account_id
                WHERE e.org_id = coalesce(v.org_id, c.org_id) AND e.entry_id = coalesce(v.entry_id, c.entry_id)
                GROUP BY coalesce(a.wallet_id, p.account_id)
            ) accounts
        ) o ON true
        WHERE coalesce(v.amount, 0) <> coalesce(c.reversed_minor, 0) OR coalesce(v.amount, 0) > coalesce(o.gross, 0)
        ORDER BY org_id, entry_id LIMIT 1
    """,
    "key_names_an_entry": """
        SELECT k.org_id, 'key ' || encode(k.key_hash, 'hex'), 'no such entry: ' || k.entry_seq
        FROM ledger_keys k
        LEFT JOIN ledger_entries e ON e.org_id = k.org_id AND e.entry_seq = k.entry_seq
        WHERE {k} AND k.entry_seq IS NOT NULL AND e.entry_seq IS NULL
        ORDER BY k.org_id, k.entry_seq LIMIT 1
    """,
}
"""Law -> query of (org_id, row, detail). `{x}` stands for the condition that limits the rows of x to one organization."""


async def check_all(conn: AsyncConnection, org_id: UUID | None = None) -> list[Violation]:
    """Every law that is broken, with its first row; of one organization or of all. Empty: the ledger is sound."""
    found = [await check(conn, law, org_id) for law in LAWS]
    violations = [violation for violation in found if violation is not None]
    async for book in _book_ids(conn, org_id):
        broken = await verify_chain(conn, book)
        if broken is not None:
            violations.append(broken)
            break
    return violations


async def check(conn: AsyncConnection, law: str, org_id: UUID | None = None) -> Violation | None:
    """The first row that breaks one law of `LAWS`, or None."""
    query = LAWS[law]
    for alias in "ebkprwh":
        condition = "true" if org_id is None else f"{alias}.org_id = :org_id"
        query = query.replace(f"{{{alias}}}", condition)
    values = {} if org_id is None else {"org_id": org_id}
    row = (await conn.execute(text(query), values)).one_or_none()
    return None if row is None else Violation(law, row[0], row[1], row[2])


async def verify_chain(conn: AsyncConnection, org_id: UUID) -> Violation | None:
    """Hash an organization's journal again from its beginning to the head of its book; the first entry that differs."""
    head = (
        await conn.execute(select(books.c.entry_seq, books.c.chain_hash).where(books.c.org_id == org_id))
    ).one_or_none()
    if head is None:
        return None
    current, seq = genesis(org_id), 0
    while page := await entries_after(conn, org_id, seq, _CHAIN_PAGE):
        for entry in page:
            current, seq = _hash(current, entry), entry.entry_seq
            if current != entry.hash:
                return Violation(CHAIN_LAW, org_id, f"entry {seq}", "its hash does not match its content")
    if (seq, current) != (head.entry_seq, head.chain_hash):
        return Violation(CHAIN_LAW, org_id, "book", f"its head is not the hash of entry {seq}")
    return None


async def _book_ids(conn: AsyncConnection, org_id: UUID | None) -> AsyncIterator[UUID]:
    """The organizations that have a book, a page at a time."""
    last: UUID | None = None
    while True:
        query = select(books.c.org_id).order_by(books.c.org_id).limit(_CHAIN_PAGE)
        if org_id is not None:
            query = query.where(books.c.org_id == org_id)
        if last is not None:
            query = query.where(books.c.org_id > last)
        page = (await conn.execute(query)).scalars().all()
        for book in page:
            yield book
        if len(page) < _CHAIN_PAGE:
            return
        last = page[-1]


def _hash(previous: bytes, entry: JournalEntry) -> bytes:
    return entry_hash(
        previous,
        entry_seq=entry.entry_seq,
        entry_id=entry.entry_id.bytes,
        effective_us=unix_us(entry.effective_at),
        recorded_us=unix_us(entry.recorded_at),
        reverses=None if entry.reverses_entry_id is None else entry.reverses_entry_id.bytes,
        hold_id=None if entry.hold_id is None else entry.hold_id.bytes,
        kind=entry.kind,
        currency=entry.currency,
        legs=[(leg.account_id.bytes, leg.amount_minor) for leg in entry.legs],
        text=encode_text(entry.description, entry.metadata),
    )
