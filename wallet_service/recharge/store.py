"""SQL of automatic recharging."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.tables import books
from wallet_service.accounts.tables import wallets
from wallet_service.due import first_times
from wallet_service.recharge.model import (
    Attempt,
    AttemptState,
    Charged,
    Consent,
    DisabledReason,
    RechargeConfig,
    SkipReason,
    Terms,
)
from wallet_service.recharge.tables import auto_recharge_attempts, auto_recharge_consents, auto_recharges
from wallet_service.testclocks.steps import in_real_time

RECHARGED: Final = "SELECT org_id FROM auto_recharges WHERE org_id = ANY ($1) AND is_enabled"
"""Those of the organizations that have turned it on."""


_NEXT_DUE: Final = """
    SELECT org_id, min(at)
    FROM (
        SELECT org_id, next_attempt_at AS at FROM auto_recharges WHERE org_id = ANY ($1) AND is_enabled
        UNION ALL
        SELECT org_id, next_check_at FROM auto_recharge_attempts
        WHERE org_id = ANY ($1) AND next_check_at IS NOT NULL
    ) planned
    GROUP BY org_id
"""
_OPEN = (AttemptState.IN_FLIGHT.value, AttemptState.ACTION_REQUIRED.value)


async def read_config(
    conn: AsyncConnection, org_id: UUID, wallet_id: UUID, *, lock: bool = False
) -> RechargeConfig | None:
    """The configuration; with `lock`, nobody else changes it or claims a recharge until this transaction ends."""
    query = select(auto_recharges).where(auto_recharges.c.org_id == org_id, auto_recharges.c.wallet_id == wallet_id)
    found = await conn.execute(query.with_for_update(key_share=True) if lock else query)
    row = found.one_or_none()
    return None if row is None else from_row_config(row)


async def put_config(conn: AsyncConnection, made: RechargeConfig) -> None:
    """Store the whole configuration, whether there was one or not."""
    values = {
        "is_enabled": made.is_enabled,
        **_terms(made.terms),
        "consent_id": made.consent_id,
        "armed_seq": made.armed_seq,
        "disabled_reason": made.disabled_reason.value if made.disabled_reason else None,
        "last_error_code": made.last_error_code,
        "last_error": made.last_error,
        "last_failed_at": made.last_failed_at,
        "last_succeeded_at": made.last_succeeded_at,
        "failure_count": made.failure_count,
        "last_skip": made.last_skip.value if made.last_skip else None,
        "next_attempt_at": made.next_attempt_at,
        "updated_at": made.updated_at,
    }
    statement = upsert(auto_recharges).values(
        org_id=made.org_id, wallet_id=made.wallet_id, created_at=made.created_at, **values
    )
    await conn.execute(statement.on_conflict_do_update(index_elements=["org_id", "wallet_id"], set_=values))


async def delete_config(conn: AsyncConnection, org_id: UUID, wallet_id: UUID) -> bool:
    """Whether there was one. Consents and attempts stay."""
    written = await conn.execute(
        delete(auto_recharges).where(auto_recharges.c.org_id == org_id, auto_recharges.c.wallet_id == wallet_id)
    )
    return written.rowcount == 1


async def is_used(conn: AsyncConnection, org_id: UUID, payment_method_id: str) -> bool:
    """Whether a recharge of an open wallet that is on charges this card."""
    owned = (wallets.c.org_id == auto_recharges.c.org_id) & (wallets.c.wallet_id == auto_recharges.c.wallet_id)
    found = await conn.execute(
        select(auto_recharges.c.wallet_id)
        .join(wallets, owned)
        .where(
            wallets.c.closed_at.is_(None),
            auto_recharges.c.org_id == org_id,
            auto_recharges.c.is_enabled,
            auto_recharges.c.payment_method_id == payment_method_id,
        )
    )
    return found.first() is not None


async def insert_consent(conn: AsyncConnection, made: Consent) -> None:
    await conn.execute(
        insert(auto_recharge_consents).values(
            org_id=made.org_id,
            consent_id=made.consent_id,
            wallet_id=made.wallet_id,
            key_id=made.key_id,
            mandate_version=made.mandate_version,
            mandate_text=made.mandate_text,
            currency=made.currency,
            agreed_at=made.agreed_at,
            **_terms(made.terms),
        )
    )


async def read_consent(conn: AsyncConnection, org_id: UUID, consent_id: UUID) -> Consent:
    found = await conn.execute(
        select(auto_recharge_consents).where(
            auto_recharge_consents.c.org_id == org_id, auto_recharge_consents.c.consent_id == consent_id
        )
    )
    return from_row_consent(found.one())


async def last_entry_seq(conn: AsyncConnection, org_id: UUID) -> int:
    """The number of the organization's last ledger entry, 0 without one."""
    found = await conn.execute(select(books.c.entry_seq).where(books.c.org_id == org_id))
    return found.scalar_one_or_none() or 0


async def insert_attempt(conn: AsyncConnection, made: Attempt) -> None:
    """Claim the wallet's one open recharge. The configuration is locked, so there is no other."""
    await conn.execute(
        insert(auto_recharge_attempts).values(
            org_id=made.org_id,
            attempt_id=made.attempt_id,
            wallet_id=made.wallet_id,
            topup_id=made.topup_id,
            amount_minor=made.amount_minor,
            state=made.state.value,
            try_count=made.try_count,
            created_at=made.created_at,
            settled_at=made.settled_at,
            next_check_at=made.next_check_at,
        )
    )


async def read_attempt(conn: AsyncConnection, org_id: UUID, attempt_id: UUID) -> Attempt | None:
    return await _attempt(
        conn,
        select(auto_recharge_attempts).where(
            auto_recharge_attempts.c.org_id == org_id, auto_recharge_attempts.c.attempt_id == attempt_id
        ),
    )


async def attempt_of(conn: AsyncConnection, org_id: UUID, topup_id: UUID) -> Attempt | None:
    """The attempt behind a top-up, locked; None for a top-up that somebody made by hand."""
    return await _attempt(
        conn,
        select(auto_recharge_attempts)
        .where(auto_recharge_attempts.c.org_id == org_id, auto_recharge_attempts.c.topup_id == topup_id)
        .with_for_update(key_share=True),
    )


async def open_attempt(conn: AsyncConnection, org_id: UUID, wallet_id: UUID) -> Attempt | None:
    return await _attempt(
        conn,
        select(auto_recharge_attempts).where(
            auto_recharge_attempts.c.org_id == org_id,
            auto_recharge_attempts.c.wallet_id == wallet_id,
            auto_recharge_attempts.c.state.in_(_OPEN),
        ),
    )


async def take_attempt(
    conn: AsyncConnection, org_id: UUID, attempt_id: UUID, *, now: datetime, leased_until: datetime
) -> Attempt | None:
    """The attempt when its payment is due to be worked on and nobody else is at it; it is due again at `leased_until`."""
    written = await conn.execute(
        update(auto_recharge_attempts)
        .where(
            auto_recharge_attempts.c.org_id == org_id,
            auto_recharge_attempts.c.attempt_id == attempt_id,
            auto_recharge_attempts.c.next_check_at <= now,
        )
        .values(next_check_at=leased_until, try_count=auto_recharge_attempts.c.try_count + 1)
        .returning(*auto_recharge_attempts.c)
    )
    row = written.one_or_none()
    return None if row is None else from_row_attempt(row)


async def postpone_attempt(conn: AsyncConnection, attempt: Attempt, *, next_check_at: datetime) -> None:
    """End the lease of a taken attempt early, unless it is over or was recalled: it is due again at `next_check_at`."""
    await conn.execute(
        update(auto_recharge_attempts)
        .where(
            auto_recharge_attempts.c.org_id == attempt.org_id,
            auto_recharge_attempts.c.attempt_id == attempt.attempt_id,
            auto_recharge_attempts.c.next_check_at == attempt.next_check_at,
        )
        .values(next_check_at=next_check_at)
    )


async def recall_attempt(conn: AsyncConnection, attempt: Attempt, *, next_check_at: datetime) -> None:
    """Have an attempt that waits for the customer worked on, unless it was settled meanwhile."""
    await conn.execute(
        update(auto_recharge_attempts)
        .where(
            auto_recharge_attempts.c.org_id == attempt.org_id,
            auto_recharge_attempts.c.attempt_id == attempt.attempt_id,
            auto_recharge_attempts.c.state == AttemptState.ACTION_REQUIRED.value,
        )
        .values(next_check_at=next_check_at)
    )


async def update_attempt(conn: AsyncConnection, changed: Attempt) -> None:
    """Store what may change of a locked attempt."""
    await conn.execute(
        update(auto_recharge_attempts)
        .where(
            auto_recharge_attempts.c.org_id == changed.org_id,
            auto_recharge_attempts.c.attempt_id == changed.attempt_id,
        )
        .values(
            state=changed.state.value,
            settled_at=changed.settled_at,
            next_check_at=changed.next_check_at,
        )
    )


async def last_attempt_at(conn: AsyncConnection, org_id: UUID, wallet_id: UUID) -> datetime | None:
    """When the last attempt was claimed, whatever became of it."""
    found = await conn.execute(
        select(func.max(auto_recharge_attempts.c.created_at)).where(
            auto_recharge_attempts.c.org_id == org_id, auto_recharge_attempts.c.wallet_id == wallet_id
        )
    )
    return found.scalar_one()


async def charged_since(conn: AsyncConnection, org_id: UUID, wallet_id: UUID, *, after: datetime) -> Charged:
    """What attempts that were open after a time have charged or may still charge, and when the first of them ended.

    By the end and not by the claim: a charge whose answer was long in coming may have been made at any time between.
    """
    attempts = auto_recharge_attempts.c
    ended_at = func.coalesce(attempts.settled_at, attempts.created_at)
    found = await conn.execute(
        select(func.coalesce(func.sum(attempts.amount_minor), 0), func.min(ended_at)).where(
            attempts.org_id == org_id,
            attempts.wallet_id == wallet_id,
            or_(attempts.settled_at > after, attempts.settled_at.is_(None)),
            attempts.state != AttemptState.FAILED.value,
        )
    )
    total_minor, oldest_at = found.one()
    return Charged(int(total_minor), oldest_at)


async def due_configs(
    conn: AsyncConnection, org_id: UUID | None, *, now: datetime, limit: int
) -> Sequence[tuple[UUID, UUID]]:
    """Organization and wallet of what is to be looked at again; of one organization, or of all that live in real time."""
    columns = auto_recharges.c
    query = select(columns.org_id, columns.wallet_id).where(
        columns.is_enabled, columns.next_attempt_at <= now, _of(columns.org_id, org_id)
    )
    found = await conn.execute(query.order_by(columns.next_attempt_at).limit(limit))
    return [(row.org_id, row.wallet_id) for row in found]


async def due_attempts(
    conn: AsyncConnection, org_id: UUID | None, *, now: datetime, limit: int
) -> Sequence[tuple[UUID, UUID]]:
    """Organization and id of attempts whose payment is to be worked on; of one organization, or of all in real time."""
    columns = auto_recharge_attempts.c
    query = select(columns.org_id, columns.attempt_id).where(columns.next_check_at <= now, _of(columns.org_id, org_id))
    found = await conn.execute(query.order_by(columns.next_check_at).limit(limit))
    return [(row.org_id, row.attempt_id) for row in found]


async def next_due(conn: AsyncConnection, org_ids: Sequence[UUID]) -> Mapping[UUID, datetime]:
    """The first time at which one of those two has something for each organization."""
    return await first_times(conn, _NEXT_DUE, org_ids)


def from_row_config(row: Row[Any]) -> RechargeConfig:
    return RechargeConfig(
        org_id=row.org_id,
        wallet_id=row.wallet_id,
        is_enabled=row.is_enabled,
        terms=_from_row_terms(row),
        consent_id=row.consent_id,
        armed_seq=row.armed_seq,
        created_at=row.created_at,
        updated_at=row.updated_at,
        disabled_reason=None if row.disabled_reason is None else DisabledReason(row.disabled_reason),
        last_error_code=row.last_error_code,
        last_error=row.last_error,
        last_failed_at=row.last_failed_at,
        last_succeeded_at=row.last_succeeded_at,
        failure_count=row.failure_count,
        last_skip=None if row.last_skip is None else SkipReason(row.last_skip),
        next_attempt_at=row.next_attempt_at,
    )


def from_row_consent(row: Row[Any]) -> Consent:
    return Consent(
        org_id=row.org_id,
        consent_id=row.consent_id,
        wallet_id=row.wallet_id,
        key_id=row.key_id,
        mandate_version=row.mandate_version,
        mandate_text=row.mandate_text,
        terms=_from_row_terms(row),
        currency=row.currency,
        agreed_at=row.agreed_at,
    )


def from_row_attempt(row: Row[Any]) -> Attempt:
    return Attempt(
        org_id=row.org_id,
        attempt_id=row.attempt_id,
        wallet_id=row.wallet_id,
        topup_id=row.topup_id,
        amount_minor=row.amount_minor,
        state=AttemptState(row.state),
        created_at=row.created_at,
        next_check_at=row.next_check_at,
        try_count=row.try_count,
        settled_at=row.settled_at,
    )


async def _attempt(conn: AsyncConnection, query: Select[Any]) -> Attempt | None:
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else from_row_attempt(row)


def _of(column: ColumnElement[UUID], org_id: UUID | None) -> ColumnElement[bool]:
    return in_real_time(column) if org_id is None else column == org_id


def _terms(terms: Terms) -> dict[str, Any]:
    return {
        "threshold_minor": terms.threshold_minor,
        "amount_minor": terms.amount_minor,
        "payment_method_id": terms.payment_method_id,
        "close_gap_max_minor": terms.close_gap_max_minor,
        "daily_cap_minor": terms.daily_cap_minor,
        "monthly_cap_minor": terms.monthly_cap_minor,
        "cooldown_seconds": terms.cooldown // timedelta(seconds=1),
    }


def _from_row_terms(row: Row[Any]) -> Terms:
    return Terms(
        threshold_minor=row.threshold_minor,
        amount_minor=row.amount_minor,
        payment_method_id=row.payment_method_id,
        close_gap_max_minor=row.close_gap_max_minor,
        daily_cap_minor=row.daily_cap_minor,
        monthly_cap_minor=row.monthly_cap_minor,
        cooldown=timedelta(seconds=row.cooldown_seconds),
    )
