"""SQL of test clocks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_skip
from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.accounts.tables import organization_directory
from wallet_service.testclocks.model import ClockState, Member, TestClock
from wallet_service.testclocks.tables import test_clock_organizations, test_clocks


async def insert_clock(conn: AsyncConnection, made: TestClock) -> bool:
    """Whether its id was free."""
    written = await conn.execute(
        insert_or_skip(test_clocks)
        .values(
            clock_id=made.clock_id,
            display_name=made.display_name,
            state=made.state.value,
            present_at=made.present_at,
            created_at=made.created_at,
        )
        .on_conflict_do_nothing()
    )
    return written.rowcount == 1


async def clock(conn: AsyncConnection, clock_id: str, *, lock: bool = False) -> TestClock | None:
    query = select(test_clocks).where(test_clocks.c.clock_id == clock_id)
    found = await conn.execute(query.with_for_update() if lock else query)
    row = found.one_or_none()
    return None if row is None else from_row_clock(row)


async def list_clocks(
    conn: AsyncConnection, *, after: tuple[datetime, str] | None, limit: int
) -> Sequence[tuple[TestClock, int]]:
    """Oldest first, each with how many organizations live on it."""
    query = select(test_clocks)
    key = test_clocks.c.created_at, test_clocks.c.clock_id
    if after is not None:
        at, clock_id = after
        query = query.where((key[0] > at) | ((key[0] == at) & (key[1] > clock_id)))
    found = (await conn.execute(query.order_by(*key).limit(limit))).all()
    lives = test_clock_organizations.c
    counted = await conn.execute(
        select(lives.clock_id, func.count().label("organization_count"))
        .where(lives.clock_id.in_([row.clock_id for row in found]))
        .group_by(lives.clock_id)
    )
    counts = {row.clock_id: row.organization_count for row in counted}
    return [(from_row_clock(row), counts.get(row.clock_id, 0)) for row in found]


async def update_clock(conn: AsyncConnection, changed: TestClock) -> None:
    """Of a clock that this transaction has locked."""
    await conn.execute(
        update(test_clocks)
        .where(test_clocks.c.clock_id == changed.clock_id)
        .values(
            state=changed.state.value,
            present_at=changed.present_at,
            target_at=changed.target_at,
            lease_id=changed.lease_id,
            leased_until=changed.leased_until,
        )
    )


async def move(
    conn: AsyncConnection, clock_id: str, *, lease_id: UUID, present_at: datetime, leased_until: datetime
) -> bool:
    """Let the clock show a later time, and keep the lease; False when the lease was lost."""
    written = await conn.execute(
        update(test_clocks)
        .where(test_clocks.c.clock_id == clock_id, test_clocks.c.lease_id == lease_id)
        .values(present_at=present_at, leased_until=leased_until)
    )
    return written.rowcount == 1


async def delete_clock(conn: AsyncConnection, clock_id: str) -> None:
    await conn.execute(delete(test_clocks).where(test_clocks.c.clock_id == clock_id))


async def insert_member(conn: AsyncConnection, *, org_id: UUID, clock_id: str) -> None:
    await conn.execute(insert(test_clock_organizations).values(org_id=org_id, clock_id=clock_id))


async def members(conn: AsyncConnection, clock_id: str) -> Sequence[Member]:
    """In the order of their ids."""
    lives = test_clock_organizations.c
    query = (
        select(lives.org_id, organization_directory.c.slug)
        .join_from(test_clock_organizations, organization_directory, organization_directory.c.org_id == lives.org_id)
        .where(lives.clock_id == clock_id)
        .order_by(lives.org_id)
    )
    return [Member(row.org_id, row.slug) for row in await conn.execute(query)]


def from_row_clock(row: Row[Any]) -> TestClock:
    return TestClock(
        clock_id=row.clock_id,
        display_name=row.display_name,
        state=ClockState(row.state),
        present_at=row.present_at,
        target_at=row.target_at,
        lease_id=row.lease_id,
        leased_until=row.leased_until,
        created_at=row.created_at,
    )
