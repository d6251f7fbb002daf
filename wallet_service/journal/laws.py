"""Laws that tie the ledger to what the service recorded, each a query that finds the first row that breaks it.

The ledger's own laws are in `ledger.invariants`; these hold across it, usage and top-ups.
"""

from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.invariants import Violation

LAWS: Final[dict[str, str]] = {
    "rollup_is_sum_of_events": """
        WITH kept AS (SELECT coalesce(max(hours_until), '-infinity') AS at FROM usage_retention)
        SELECT org_id, 'meter ' || meter || ', hour ' || hour || ', project ' || project_id
               || ', resource ' || resource || ', datacenter ' || datacenter,
               'events: ' || coalesce(e.events, 0) || ' of ' || coalesce(e.quantity, 0) || ' cost ' || coalesce(e.cost, 0)
               || ', rolled up: ' || coalesce(h.events, 0) || ' of ' || coalesce(h.quantity, 0)
               || ' cost ' || coalesce(h.cost, 0)
               || CASE WHEN e.discount = h.discount THEN '' ELSE
                  ', discount ' || coalesce(e.discount, 0) || ' and ' || coalesce(h.discount, 0) END
        FROM (
            SELECT org_id, date_trunc('hour', event_time, 'UTC') AS hour, project_id, meter, resource, datacenter,
                   currency, sum(quantity) AS quantity, sum(cost_minor) AS cost, sum(discount_minor) AS discount,
                   count(*) AS events
            FROM usage_events x WHERE {x} AND event_time >= (SELECT at FROM kept) GROUP BY 1, 2, 3, 4, 5, 6, 7
        ) e
        FULL JOIN (
            SELECT org_id, hour, project_id, meter, resource, datacenter, currency,
                   quantity, cost_minor AS cost, discount_minor AS discount, event_count AS events
            FROM usage_hourly x WHERE {x} AND hour >= (SELECT at FROM kept)
        ) h USING (org_id, hour, project_id, meter, resource, datacenter, currency)
        WHERE (e.quantity = h.quantity AND e.cost = h.cost AND e.discount = h.discount AND e.events = h.events) IS NOT TRUE
        ORDER BY 1, hour, 2 LIMIT 1
    """,
    "usage_is_accrued": """
        SELECT coalesce(u.org_id, w.org_id), 'currency ' || coalesce(u.currency, w.currency),
               'usage cost ' || coalesce(u.cost, 0) || ', accrued ' || coalesce(w.accrued, 0)
        FROM (SELECT org_id, currency, sum(cost_minor) AS cost FROM usage_hourly x WHERE {x} GROUP BY 1, 2) u
        FULL JOIN (
            SELECT org_id, currency, sum(accrued_exact) AS accrued FROM ledger_wallets x WHERE {x} GROUP BY 1, 2
        ) w ON w.org_id = u.org_id AND w.currency = u.currency
        WHERE coalesce(u.cost, 0) <> coalesce(w.accrued, 0)
        ORDER BY 1, 2 LIMIT 1
    """,
    "topup_credited_once": """
        SELECT x.org_id, 'top-up ' || x.topup_id,
               'amount ' || x.amount_minor || ', ' || lower(x.state) || ', credited ' || coalesce(c.amount, 0)
               || ' by ' || coalesce(c.entries, 0) || ' entries'
        FROM topups x LEFT JOIN (
            SELECT x.org_id, x.metadata ->> 'top_up' AS topup_id, p.account_id,
                   -sum(p.amount_minor) AS amount, count(*) AS entries, min(x.entry_id::text)::uuid AS entry_id
            FROM ledger_entries x
            JOIN ledger_postings p ON p.org_id = x.org_id AND p.entry_seq = x.entry_seq
            WHERE {x} AND x.metadata ->> 'purpose' = 'top_up' AND x.metadata -> 'unmatched' IS NULL
            GROUP BY 1, 2, 3
        ) c ON c.org_id = x.org_id AND c.topup_id = x.topup_id::text AND c.account_id = x.account_id
        WHERE {x} AND CASE WHEN x.state = 'SUCCEEDED'
            THEN (c.amount = x.amount_minor AND c.entries = 1 AND c.entry_id = x.entry_id) IS NOT TRUE
            ELSE c.entries IS NOT NULL END
        ORDER BY 1, 2 LIMIT 1
    """,
}
"""Law -> query of (org_id, row, detail). `{x}` stands for the condition that limits the rows of x to one organization."""


async def check_all(conn: AsyncConnection, org_id: UUID | None) -> list[Violation]:
    """Every law that is broken, with its first row; of one organization or of all."""
    violations: list[Violation] = []
    condition = "true" if org_id is None else "x.org_id = :org_id"
    values = {} if org_id is None else {"org_id": org_id}
    for law, query in LAWS.items():
        row = (await conn.execute(text(query.replace("{x}", condition)), values)).one_or_none()
        if row is not None:
            violations.append(Violation(law, row[0], row[1], row[2]))
    return violations
