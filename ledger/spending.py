"""What left a wallet for revenue in a period: exact, and quick for a wallet with millions of postings."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.accounts import AccountKind, holds_account_id
from ledger.ids import from_bytes, ordered_id, unix_us

_SEQ_BEFORE: Final = """
    coalesce((
        SELECT e.entry_seq FROM ledger_entries e
        WHERE e.org_id = :org_id AND e.entry_id < :{at}_id AND e.recorded_at < :{at}
        ORDER BY e.entry_id DESC LIMIT 1
    ), 0)
"""

_BALANCE: Final = """
    coalesce((
        SELECT CASE WHEN p.account_id = u.account_id THEN p.balance_after_minor END
        FROM ledger_postings p
        WHERE p.org_id = :org_id AND (p.account_id, p.entry_seq) <= (u.account_id, span.{at})
        ORDER BY p.account_id DESC, p.entry_seq DESC, p.leg DESC LIMIT 1
    ), 0)
"""

_SPEND: Final = """
    WITH span AS MATERIALIZED (SELECT {first} AS first, {last} AS last), own AS (
        SELECT sum({balance_first} - {balance_last}) AS amount
        FROM span, unnest(ARRAY[:wallet_id, :holds_id]::uuid[]) u (account_id)
        WHERE span.last > span.first
    ), beside AS (
        SELECT sum(o.amount_minor) AS amount
        FROM span, ledger_accounts a, LATERAL (
            SELECT p.entry_seq, p.amount_minor FROM ledger_postings p
            WHERE p.org_id = :org_id
                AND (p.account_id, p.entry_seq) > (a.account_id, span.first)
                AND (p.account_id, p.entry_seq) <= (a.account_id, span.last)
            OFFSET 0
        ) o, LATERAL (
            SELECT 1 FROM ledger_postings m
            WHERE m.org_id = :org_id AND m.entry_seq = o.entry_seq AND m.account_id IN (:wallet_id, :holds_id)
            LIMIT 1
        ) mine
        WHERE a.org_id = :org_id AND a.account_id NOT IN (:wallet_id, :holds_id) AND a.kind <> :revenue
            AND a.currency = (
                SELECT w.currency FROM ledger_accounts w WHERE w.org_id = :org_id AND w.account_id = :wallet_id
            )
    )
    SELECT coalesce(own.amount, 0) + coalesce(beside.amount, 0) FROM own, beside
"""
"""The legs of an entry sum to zero, so what reached revenue is what left the wallet and its holds plus what all other
accounts of the entry were debited. The first is a difference of two running balances; the second needs only the postings of
accounts that usage never touches: top-ups, refunds, fees, adjustments.

Accounts and numbers are compared as rows so that only the index by account serves: the other one would walk over all
postings of the organization where an account has none.
"""

_OPEN_END: Final = "9223372036854775807"


async def spend(
    conn: AsyncConnection, org_id: UUID, wallet_account_id: UUID, *, since: datetime, until: datetime | None = None
) -> int:
    """Minor units that left the wallet for revenue, recorded in [since, until); until None: everything after `since`.

    Usage accrued, holds captured and debits to revenue, minus what of them was taken back: negative when more was taken back
    than spent. What only moves between the wallet and its holds is no spend. 0 for an account that is no wallet of the
    organization.
    """
    values = {
        "org_id": org_id,
        "wallet_id": wallet_account_id,
        "holds_id": holds_account_id(wallet_account_id),
        "revenue": AccountKind.REVENUE.value,
        "since": since,
        "since_id": _above(since),
    }
    last = _OPEN_END
    if until is not None:
        last = _SEQ_BEFORE.format(at="until")
        values |= {"until": until, "until_id": _above(until)}
    query = _SPEND.format(
        first=_SEQ_BEFORE.format(at="since"),
        last=last,
        balance_first=_BALANCE.format(at="first"),
        balance_last=_BALANCE.format(at="last"),
    )
    return int((await conn.execute(text(query), values)).scalar_one())


def _above(at: datetime) -> UUID:
    """An id above those of all entries recorded up to `at`: ids grow with the millisecond of recording."""
    return from_bytes(ordered_id(unix_us(at) // 1000 + 1, 0, bytes(4)))
