"""The months that were closed: each statement goes on where the one before it ended, and adds up."""

import json
from itertools import groupby
from typing import Final

from tests.simulation.books import Broken
from tests.simulation.simulation import Simulation

_STATEMENTS: Final = """
    SELECT org_id, number, period_start_at, period_end_at, (content -> 'totals')::text AS totals
    FROM invoices WHERE kind = 'statement' ORDER BY org_id, number
"""


async def check_statements(sim: Simulation) -> int:
    """Numbers and periods without gap, opening + movements = closing = the next opening. Raises Broken.

    How many statements there are.
    """
    count = 0
    for org_id, rows in groupby(await sim.rows(_STATEMENTS), lambda row: row["org_id"]):
        balance, end = 0, None
        for number, row in enumerate(rows, start=1):
            totals: dict[str, int] = json.loads(row["totals"])
            movements = totals["topped_up"] - totals["refunded"] - totals["spent"] + totals["adjusted"]
            if (
                row["number"] != number
                or row["period_start_at"] != (end or row["period_start_at"])
                or totals["opening"] != balance
                or totals["closing"] != balance + movements
            ):
                raise Broken(f"statement {row['number']} of {org_id}: {totals} after {balance}, from {end}")
            count += 1
            balance, end = totals["closing"], row["period_end_at"]
    return count
