"""SQL of top-ups and of what was taken back."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.ids import unix_us
from ledger.money import Money
from providers.protocol import DisputeState, FailureKind
from wallet_service.due import first_times
from wallet_service.errors import Reason
from wallet_service.testclocks.steps import in_real_time
from wallet_service.topups.model import (
    ClaimKind,
    Origin,
    TakenBack,
    TopUp,
    TopUpFailure,
    TopUpMethod,
    TopUpState,
)
from wallet_service.topups.tables import topup_reversals, topups


async def insert_topup(conn: AsyncConnection, made: TopUp) -> None:
    await conn.execute(
        insert(topups).values(
            org_id=made.org_id,
            topup_id=made.topup_id,
            wallet_id=made.wallet_id,
            account_id=made.account_id,
            provider=made.provider,
            method=made.method.value,
            amount_minor=made.amount_minor,
            currency=made.currency,
            provider_key=made.provider_key,
            origin=made.origin.value,
            customer_id=made.customer_id,
            payment_method_id=made.payment_method_id,
            provider_method_id=made.provider_method_id,
            created_at=made.created_at,
            **_changing(made),
        )
    )


async def read_topup(conn: AsyncConnection, org_id: UUID, topup_id: UUID, *, lock: bool = False) -> TopUp | None:
    """One top-up; with `lock` nobody else changes it until this transaction ends."""
    query = _TOPUPS.where(topups.c.org_id == org_id, topups.c.topup_id == topup_id)
    found = await conn.execute(query.with_for_update(key_share=True, of=topups) if lock else query)
    row = found.one_or_none()
    return None if row is None else from_row_topup(row)


async def find_by_payment(conn: AsyncConnection, *, provider: str, external_id: str) -> tuple[UUID, UUID] | None:
    """Organization and id of the top-up that a provider's payment belongs to. Looks across organizations."""
    found = await conn.execute(
        select(topups.c.org_id, topups.c.topup_id).where(
            topups.c.provider == provider, topups.c.external_id == external_id
        )
    )
    row = found.first()
    return None if row is None else (row.org_id, row.topup_id)


async def update_topup(conn: AsyncConnection, changed: TopUp) -> None:
    """Store what may change of a top-up that this transaction has locked."""
    await conn.execute(
        update(topups)
        .where(topups.c.org_id == changed.org_id, topups.c.topup_id == changed.topup_id)
        .values(**_changing(changed))
    )


async def list_topups(
    conn: AsyncConnection,
    org_id: UUID,
    *,
    state: TopUpState | None,
    before: UUID | None,
    limit: int,
) -> Sequence[TopUp]:
    """Newest first, from behind `before`."""
    query = _TOPUPS.where(topups.c.org_id == org_id)
    if state is not None:
        query = query.where(topups.c.state == state.value)
    if before is not None:
        query = query.where(topups.c.topup_id < before)
    found = await conn.execute(query.order_by(topups.c.topup_id.desc()).limit(limit))
    return [from_row_topup(row) for row in found]


async def count_pending(conn: AsyncConnection, org_id: UUID, wallet_id: UUID) -> int:
    found = await conn.execute(
        select(func.count()).where(
            topups.c.org_id == org_id,
            topups.c.wallet_id == wallet_id,
            topups.c.state == TopUpState.PENDING.value,
        )
    )
    return found.scalar_one()


async def list_due(conn: AsyncConnection, org_id: UUID | None, *, now: datetime, limit: int) -> Sequence[TopUp]:
    """Top-ups whose check is due, the longest due first; None: of all organizations that live in real time."""
    whose = in_real_time(topups.c.org_id) if org_id is None else topups.c.org_id == org_id
    found = await conn.execute(
        _TOPUPS.where(whose, topups.c.next_check_at <= now).order_by(topups.c.next_check_at).limit(limit)
    )
    return [from_row_topup(row) for row in found]


async def next_checks(conn: AsyncConnection, org_ids: Sequence[UUID]) -> Mapping[UUID, datetime]:
    """The earliest check of each organization's top-ups and unmatched payments."""
    return await first_times(conn, _NEXT_CHECKS, org_ids)


async def postpone_check(conn: AsyncConnection, topup: TopUp, *, next_check_at: datetime | None) -> bool:
    """Whether nobody else has taken the check that `topup` was due for; it is due again at `next_check_at`."""
    written = await conn.execute(
        update(topups)
        .where(
            topups.c.org_id == topup.org_id,
            topups.c.topup_id == topup.topup_id,
            topups.c.next_check_at == topup.next_check_at,
        )
        .values(next_check_at=next_check_at)
    )
    return written.rowcount == 1


async def pending_unattended_minor(conn: AsyncConnection, org_id: UUID, wallet_id: UUID, *, since: datetime) -> int:
    """What PENDING charges of saved cards add up to that were neither declined nor wait for the customer."""
    found = await conn.execute(
        select(func.coalesce(func.sum(topups.c.amount_minor), 0)).where(
            topups.c.org_id == org_id,
            topups.c.wallet_id == wallet_id,
            # Ids are ordered by time to the hour, so the key finds the few rows that can be meant.
            topups.c.topup_id >= UUID(int=unix_us(since - timedelta(days=1)) // 1000 << 80),
            topups.c.state == TopUpState.PENDING.value,
            topups.c.provider_method_id.is_not(None),
            topups.c.failure_reason.is_(None),
            ~topups.c.action_required,
            topups.c.created_at >= since,
        )
    )
    return int(found.scalar_one())


async def has_manual_success(conn: AsyncConnection, org_id: UUID, *, before: datetime | None) -> bool:
    """Whether a top-up of origin `manual` is SUCCEEDED, settled earlier than `before` (None: ever)."""
    query = select(topups.c.topup_id).where(
        topups.c.org_id == org_id,
        topups.c.state == TopUpState.SUCCEEDED.value,
        topups.c.origin == Origin.MANUAL.value,
    )
    if before is not None:
        query = query.where(topups.c.settled_at < before)
    return (await conn.execute(query.limit(1))).one_or_none() is not None


async def read_taken_back(conn: AsyncConnection, topup: TopUp) -> dict[str, TakenBack]:
    """Refunds, disputes and warnings of a locked top-up by the provider's reference."""
    found = await conn.execute(
        select(topup_reversals).where(
            topup_reversals.c.org_id == topup.org_id, topup_reversals.c.topup_id == topup.topup_id
        )
    )
    return {row.provider_reference: from_row_taken_back(row, topup) for row in found}


async def has_open_dispute(conn: AsyncConnection, org_id: UUID, *, since: datetime | None) -> bool:
    """A dispute that is not an inquiry and was not won or closed; one that was lost stays open."""
    query = select(topup_reversals.c.reversal_id).where(
        topup_reversals.c.org_id == org_id,
        topup_reversals.c.kind == ClaimKind.DISPUTE.value,
        topup_reversals.c.status.in_(_AGAINST_US),
    )
    if since is not None:
        query = query.where(topup_reversals.c.created_at > since)
    return (await conn.execute(query.limit(1))).one_or_none() is not None


async def insert_taken_back(conn: AsyncConnection, made: TakenBack) -> None:
    await conn.execute(
        insert(topup_reversals).values(
            org_id=made.org_id,
            reversal_id=made.reversal_id,
            topup_id=made.topup_id,
            provider=made.provider,
            kind=made.kind.value,
            provider_reference=made.provider_reference,
            external_id=made.external_id,
            amount_minor=made.amount_minor,
            currency=made.currency,
            status=made.status,
            is_away=made.is_away,
            turn_count=made.turn_count,
            entry_id=made.entry_id,
            fee_minor=made.fee.amount_minor,
            fee_currency=made.fee.currency,
            created_at=made.created_at,
            updated_at=made.created_at,
        )
    )


async def update_taken_back(conn: AsyncConnection, changed: TakenBack, at: datetime) -> None:
    await conn.execute(
        update(topup_reversals)
        .where(
            topup_reversals.c.org_id == changed.org_id,
            topup_reversals.c.reversal_id == changed.reversal_id,
        )
        .values(
            amount_minor=changed.amount_minor,
            currency=changed.currency,
            status=changed.status,
            is_away=changed.is_away,
            turn_count=changed.turn_count,
            entry_id=changed.entry_id,
            fee_minor=changed.fee.amount_minor,
            fee_currency=changed.fee.currency,
            updated_at=at,
        )
    )


def from_row_topup(row: Row[Any]) -> TopUp:
    failure = None
    if row.failure_reason is not None:
        failure = TopUpFailure(
            reason=Reason(row.failure_reason),
            code=row.failure_code,
            message=row.failure_message,
            kind=FailureKind(row.failure_kind) if row.failure_kind else None,
        )
    return TopUp(
        org_id=row.org_id,
        topup_id=row.topup_id,
        wallet_id=row.wallet_id,
        account_id=row.account_id,
        provider=row.provider,
        method=TopUpMethod(row.method),
        amount_minor=row.amount_minor,
        currency=row.currency,
        state=TopUpState(row.state),
        provider_key=row.provider_key,
        origin=Origin(row.origin),
        action_required=row.action_required,
        created_at=row.created_at,
        updated_at=row.updated_at,
        customer_id=row.customer_id,
        payment_method_id=row.payment_method_id,
        provider_method_id=row.provider_method_id,
        external_id=row.external_id,
        hosted_url=row.hosted_url,
        failure=failure,
        entry_id=row.entry_id,
        fee=None if row.fee_minor is None else Money(row.fee_minor, row.fee_currency),
        revision=row.revision,
        settled_at=row.settled_at,
        next_check_at=row.next_check_at,
        taken_back_minor=row.taken_back_minor,
    )


def from_row_taken_back(row: Row[Any], topup: TopUp) -> TakenBack:
    return TakenBack(
        org_id=row.org_id,
        reversal_id=row.reversal_id,
        topup_id=row.topup_id,
        provider=row.provider,
        kind=ClaimKind(row.kind),
        provider_reference=row.provider_reference,
        external_id=row.external_id or topup.external_id,
        amount_minor=row.amount_minor,
        currency=row.currency or topup.currency,
        status=row.status,
        is_away=row.is_away,
        turn_count=row.turn_count,
        entry_id=row.entry_id,
        fee=Money(row.fee_minor, row.fee_currency),
        created_at=row.created_at,
    )


def _changing(topup: TopUp) -> dict[str, Any]:
    failure = topup.failure
    return {
        "state": topup.state.value,
        "external_id": topup.external_id,
        "failure_reason": failure.reason.value if failure else None,
        "failure_code": failure.code if failure else None,
        "failure_message": failure.message if failure else None,
        "failure_kind": failure.kind.value if failure and failure.kind else None,
        "action_required": topup.action_required,
        "hosted_url": topup.hosted_url,
        "entry_id": topup.entry_id,
        "fee_minor": topup.fee.amount_minor if topup.fee else None,
        "fee_currency": topup.fee.currency if topup.fee else None,
        "revision": topup.revision,
        "updated_at": topup.updated_at,
        "settled_at": topup.settled_at,
        "next_check_at": topup.next_check_at,
    }


_NEXT_CHECKS: Final = """
    SELECT org_id, min(at) FROM (
        SELECT org_id, min(next_check_at) AS at FROM topups WHERE org_id = ANY ($1) GROUP BY org_id
        UNION ALL
        SELECT org_id, min(next_check_at) FROM unmatched_payments WHERE org_id = ANY ($1) GROUP BY org_id
    ) planned
    GROUP BY org_id
"""
_AGAINST_US: Final = (
    DisputeState.NEEDS_RESPONSE.value,
    DisputeState.UNDER_REVIEW.value,
    DisputeState.LOST.value,
)
_TAKEN_BACK: Final = (
    select(func.coalesce(func.sum(topup_reversals.c.amount_minor), 0).cast(BigInteger))
    .where(
        topup_reversals.c.org_id == topups.c.org_id,
        topup_reversals.c.topup_id == topups.c.topup_id,
        topup_reversals.c.is_away,
        func.coalesce(topup_reversals.c.external_id, topups.c.external_id) == topups.c.external_id,
        func.coalesce(topup_reversals.c.currency, topups.c.currency) == topups.c.currency,
    )
    .correlate(topups)
    .scalar_subquery()
)
_TOPUPS: Final = select(topups, _TAKEN_BACK.label("taken_back_minor"))
