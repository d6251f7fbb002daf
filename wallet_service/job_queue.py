"""Putting work off: a job row written in the same transaction as the fact it follows from.

A job names an operation and carries ids, never amounts or secrets: whoever works it reads what is true then. Jobs are
delivered at least once and in any order, so every operation behind one is safe to repeat. The table of jobs is PgQueuer's;
what the names mean stands in `wallet_service.jobs`.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.queries import Queries
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.db import Database, driver

Payload = Mapping[str, str]

_DUE: Final = """
    SELECT 1 FROM pgqueuer
    WHERE (status = 'picked' OR status = 'queued' AND entrypoint <> ALL ($2)) AND execute_after <= now()
    AND convert_from(payload, 'UTF8')::jsonb ->> 'org_id' = ANY ($1::text[])
    LIMIT 1
"""


class JobName(StrEnum):
    """What can be put off. The value is stored in rows that outlive a deployment."""

    PROVIDER_EVENT = "provider-event"
    TOPUP_SYNC = "topup-sync"
    PAYMENT_SYNC = "payment-sync"
    PAYMENT_METHOD_DETACH = "payment-method-detach"
    RECHARGE = "recharge"
    NOTIFICATION = "notification"


_ALSO_DUE_WORK: Final = [JobName.TOPUP_SYNC.value, JobName.PAYMENT_SYNC.value, JobName.RECHARGE.value]


async def enqueue(
    conn: AsyncConnection,
    name: JobName,
    payload: Payload,
    *,
    delay: timedelta = timedelta(0),
    dedupe_key: str | None = None,
) -> None:
    """A step: the job exists when the caller's transaction commits, and is worked `delay` later.

    With `dedupe_key`, nothing is added while a job of that key waits or runs.
    """
    queries = Queries(AsyncpgDriver(await driver(conn)))
    await queries.enqueue(
        name.value,
        json.dumps(dict(payload)).encode(),
        execute_after=delay,
        dedupe_key=None if dedupe_key is None else f"{name.value}:{dedupe_key}",
        on_conflict="skip",
    )


async def are_jobs_done(db: Database, org_ids: Sequence[UUID]) -> bool:
    """Whether no job of these organizations runs, or waits and could run now.

    One that waits for what the organizations' due work does as well is as good as done: who asks does that work next.
    """
    return not await db.fetch(_DUE, [str(org_id) for org_id in org_ids], _ALSO_DUE_WORK)


async def delete_finished(conn: AsyncConnection, *, before: datetime, limit: int) -> int:
    """A step: forget log rows of before a time that the statistics have counted, at most `limit`; how many."""
    written = await conn.execute(
        text(
            """
            DELETE FROM pgqueuer_log WHERE id IN (
                SELECT id FROM pgqueuer_log WHERE created < :before AND aggregated LIMIT :limit
            )
            """
        ),
        {"before": before, "limit": limit},
    )
    return written.rowcount
