"""SQL of customers, saved cards and set-ups."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as insert_or_skip
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.payment_methods.model import (
    CardSetup,
    Customer,
    MethodState,
    PaymentMethod,
)
from wallet_service.payment_methods.tables import (
    card_setups,
    payment_customers,
    payment_methods,
)


async def insert_customer(conn: AsyncConnection, made: Customer, at: datetime) -> None:
    """Make the row; one that exists is left as it is."""
    await conn.execute(
        insert_or_skip(payment_customers)
        .values(
            org_id=made.org_id,
            provider=made.provider,
            billing_account_id=made.billing_account_id,
            provider_key=made.provider_key,
            customer_id=made.customer_id,
            created_at=at,
        )
        .on_conflict_do_nothing()
    )


async def read_customer(conn: AsyncConnection, org_id: UUID, provider: str, *, lock: bool = False) -> Customer | None:
    """The customer record; with `lock`, its cards change in this transaction only until it ends."""
    query = select(payment_customers).where(
        payment_customers.c.org_id == org_id, payment_customers.c.provider == provider
    )
    found = await conn.execute(query.with_for_update(key_share=True) if lock else query)
    row = found.one_or_none()
    if row is None:
        return None
    return Customer(
        org_id=row.org_id,
        provider=row.provider,
        billing_account_id=row.billing_account_id,
        provider_key=row.provider_key,
        customer_id=row.customer_id,
    )


async def set_customer_id(conn: AsyncConnection, org_id: UUID, provider: str, customer_id: str) -> None:
    """Store the provider's answer; the first one stays."""
    await conn.execute(
        update(payment_customers)
        .where(
            payment_customers.c.org_id == org_id,
            payment_customers.c.provider == provider,
            payment_customers.c.customer_id.is_(None),
        )
        .values(customer_id=customer_id)
    )


async def insert_method(conn: AsyncConnection, made: PaymentMethod) -> None:
    await conn.execute(
        insert(payment_methods).values(
            org_id=made.org_id,
            payment_method_id=made.payment_method_id,
            provider=made.provider,
            provider_method_id=made.provider_method_id,
            customer_id=made.customer_id,
            brand=made.brand,
            last4=made.last4,
            exp_month=made.exp_month,
            exp_year=made.exp_year,
            is_default=made.is_default,
            state=made.state.value,
            created_at=made.created_at,
            updated_at=made.created_at,
        )
    )


async def read_method(conn: AsyncConnection, org_id: UUID, payment_method_id: str) -> PaymentMethod | None:
    found = await conn.execute(
        select(payment_methods).where(
            payment_methods.c.org_id == org_id,
            payment_methods.c.payment_method_id == payment_method_id,
        )
    )
    row = found.one_or_none()
    return None if row is None else from_row_method(row)


async def find_provider_method(
    conn: AsyncConnection, org_id: UUID, *, provider: str, provider_method_id: str
) -> PaymentMethod | None:
    found = await conn.execute(
        select(payment_methods).where(
            payment_methods.c.org_id == org_id,
            payment_methods.c.provider == provider,
            payment_methods.c.provider_method_id == provider_method_id,
        )
    )
    row = found.one_or_none()
    return None if row is None else from_row_method(row)


async def default_method(conn: AsyncConnection, org_id: UUID) -> PaymentMethod | None:
    found = await conn.execute(
        select(payment_methods).where(payment_methods.c.org_id == org_id, payment_methods.c.is_default)
    )
    row = found.one_or_none()
    return None if row is None else from_row_method(row)


async def list_attached(
    conn: AsyncConnection,
    org_id: UUID,
    *,
    before: tuple[datetime, str] | None,
    limit: int,
) -> Sequence[PaymentMethod]:
    """Newest first, from behind `before` (time and id)."""
    order = (payment_methods.c.created_at, payment_methods.c.payment_method_id)
    query = select(payment_methods).where(
        payment_methods.c.org_id == org_id,
        payment_methods.c.state == MethodState.ATTACHED.value,
    )
    if before is not None:
        query = query.where(tuple_(*order) < before)
    found = await conn.execute(query.order_by(*(column.desc() for column in order)).limit(limit))
    return [from_row_method(row) for row in found]


async def clear_default(conn: AsyncConnection, org_id: UUID, at: datetime) -> None:
    await conn.execute(
        update(payment_methods)
        .where(payment_methods.c.org_id == org_id, payment_methods.c.is_default)
        .values(is_default=False, updated_at=at)
    )


async def set_default(conn: AsyncConnection, org_id: UUID, payment_method_id: str, at: datetime) -> None:
    """Make a card the default; there must be none."""
    await conn.execute(
        update(payment_methods)
        .where(
            payment_methods.c.org_id == org_id,
            payment_methods.c.payment_method_id == payment_method_id,
        )
        .values(is_default=True, updated_at=at)
    )


async def set_state(
    conn: AsyncConnection,
    org_id: UUID,
    payment_method_id: str,
    state: MethodState,
    at: datetime,
) -> None:
    """Change the state; only an attached card can be the default."""
    await conn.execute(
        update(payment_methods)
        .where(
            payment_methods.c.org_id == org_id,
            payment_methods.c.payment_method_id == payment_method_id,
        )
        .values(state=state.value, is_default=False, updated_at=at)
    )


async def insert_setup(conn: AsyncConnection, made: CardSetup) -> None:
    await conn.execute(
        insert(card_setups).values(
            org_id=made.org_id,
            setup_id=made.setup_id,
            provider=made.provider,
            provider_key=made.provider_key,
            external_id=made.external_id,
            created_at=made.created_at,
        )
    )


async def read_setup(conn: AsyncConnection, org_id: UUID, setup_id: UUID) -> CardSetup:
    found = await conn.execute(
        select(card_setups).where(card_setups.c.org_id == org_id, card_setups.c.setup_id == setup_id)
    )
    row = found.one()
    return CardSetup(
        org_id=row.org_id,
        setup_id=row.setup_id,
        provider=row.provider,
        provider_key=row.provider_key,
        external_id=row.external_id,
        created_at=row.created_at,
    )


async def set_setup_external_id(conn: AsyncConnection, org_id: UUID, setup_id: UUID, external_id: str) -> None:
    await conn.execute(
        update(card_setups)
        .where(card_setups.c.org_id == org_id, card_setups.c.setup_id == setup_id)
        .values(external_id=external_id)
    )


def from_row_method(row: Row[Any]) -> PaymentMethod:
    return PaymentMethod(
        org_id=row.org_id,
        payment_method_id=row.payment_method_id,
        provider=row.provider,
        provider_method_id=row.provider_method_id,
        customer_id=row.customer_id,
        brand=row.brand,
        last4=row.last4,
        exp_month=row.exp_month,
        exp_year=row.exp_year,
        is_default=row.is_default,
        state=MethodState(row.state),
        created_at=row.created_at,
    )
