"""SQL of the audit log."""

import uuid
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.audit_log.model import Actor, AuditEvent, NewAuditEvent, Outcome, Selection
from wallet_service.audit_log.rules import digest, genesis
from wallet_service.audit_log.tables import audit_events
from wallet_service.db import driver

_APPEND: Final = """
    WITH head AS (
        INSERT INTO audit_heads AS h (org_id, seq, hash)
        VALUES ($1, 1, sha256($2::bytea || int8send(1::bigint) || $3::bytea))
        ON CONFLICT (org_id) DO UPDATE
        SET seq = h.seq + 1, hash = sha256(h.hash || int8send(h.seq + 1) || $3::bytea)
        RETURNING seq, hash
    )
    INSERT INTO audit_events (
        org_id, seq, recorded_at, first_at, method, outcome, reason, key_name, role, remote_address, user_agent,
        correlation_id, call_count, resources, detail, hash
    )
    SELECT $1, seq, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, hash FROM head
"""


async def append(conn: AsyncConnection, event: NewAuditEvent) -> None:
    """Number a record, chain it to the one before it and insert it: one statement, which takes the chain's lock."""
    raw = await driver(conn)
    actor = event.actor
    await raw.execute(
        _APPEND,
        event.org_id,
        genesis(event.org_id),
        digest(event),
        event.recorded_at,
        event.first_at,
        event.method,
        event.outcome.value,
        event.reason,
        actor.key_name,
        actor.role,
        actor.remote_address,
        actor.user_agent,
        actor.correlation_id,
        event.call_count,
        list(event.resources),
        event.detail,
    )


async def select_events(
    conn: AsyncConnection, org_id: uuid.UUID, selection: Selection, *, before: int | None, limit: int
) -> list[AuditEvent]:
    """At most `limit` records of a chain, newest first, numbered below `before`."""
    table = audit_events.c
    query = select(audit_events).where(table.org_id == org_id)
    if before is not None:
        query = query.where(table.seq < before)
    if selection.method:
        query = query.where(table.method == selection.method)
    if selection.key_name:
        query = query.where(table.key_name == selection.key_name)
    if selection.start is not None:
        query = query.where(table.recorded_at >= selection.start)
    if selection.end is not None:
        query = query.where(table.recorded_at < selection.end)
    found = await conn.execute(query.order_by(table.seq.desc()).limit(limit))
    return [_event(row) for row in found]


async def events_after(conn: AsyncConnection, org_id: uuid.UUID, seq: int, *, limit: int) -> list[AuditEvent]:
    """At most `limit` records of a chain numbered higher than `seq`, in order."""
    query = select(audit_events).where(audit_events.c.org_id == org_id, audit_events.c.seq > seq)
    found = await conn.execute(query.order_by(audit_events.c.seq).limit(limit))
    return [_event(row) for row in found]


async def heads(conn: AsyncConnection, org_id: uuid.UUID | None) -> Sequence[tuple[uuid.UUID, int, bytes]]:
    """Organization, number and hash of the head of one chain or, for None, of all: also of those that lost theirs."""
    limited = "" if org_id is None else "WHERE org_id = :org_id"
    query = text(
        f"""
        SELECT org_id, coalesce(h.seq, 0), coalesce(h.hash, '') FROM audit_heads h
        FULL JOIN (SELECT DISTINCT org_id FROM audit_events {limited}) e USING (org_id) {limited} ORDER BY org_id
        """
    )
    found = await conn.execute(query, {} if org_id is None else {"org_id": org_id})
    return [(row[0], row[1], row[2]) for row in found]


def _event(row: Row[Any]) -> AuditEvent:
    content = NewAuditEvent(
        org_id=row.org_id,
        recorded_at=row.recorded_at,
        first_at=row.first_at,
        method=row.method,
        outcome=Outcome(row.outcome),
        reason=row.reason,
        actor=Actor(row.key_name, row.role, row.remote_address, row.user_agent, row.correlation_id),
        call_count=row.call_count,
        resources=tuple(row.resources),
        detail=row.detail,
    )
    return AuditEvent(content, row.seq, row.hash)
