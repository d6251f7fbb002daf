"""Payments that were booked before anybody asked for them again are asked for at once, whatever clock they live by."""

from uuid import UUID

import asyncpg
from sqlalchemy import make_url

from wallet_service.migrate import upgrade


async def test_payments_that_are_known_become_due(empty_database_url: str):
    await upgrade(empty_database_url, "0020_row_security")
    parts = make_url(empty_database_url)
    conn = await asyncpg.connect(host=str(parts.query["host"]), user=parts.username, database=parts.database)
    # Without the top-up and all that it would need.
    await conn.execute("SET session_replication_role = replica")
    await conn.execute(
        "INSERT INTO unmatched_payments (org_id, provider, external_id, topup_id, reason, amount_minor, currency, entry_id,"
        " is_in_wallet, created_at) VALUES ($1, 'stripe', 'pi_1', $1, 'late', 500, 'USD', $1, true, '2026-01-02 03:04+00')",
        UUID(int=1),
    )
    await conn.close()

    await upgrade(empty_database_url)

    conn = await asyncpg.connect(host=str(parts.query["host"]), user=parts.username, database=parts.database)
    [row] = await conn.fetch("SELECT created_at, next_check_at FROM unmatched_payments")
    assert row["next_check_at"] == row["created_at"]
    await conn.close()
