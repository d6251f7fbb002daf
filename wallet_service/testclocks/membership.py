"""Steps of whoever makes an organization that is to live on a clock."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service import names
from wallet_service.errors import Code, Reason, ServiceError, not_found
from wallet_service.testclocks import store
from wallet_service.testclocks.model import ClockState
from wallet_service.testclocks.rules import ORGANIZATIONS_MAX, busy


async def present(conn: AsyncConnection, clock_id: str) -> datetime:
    """The time that a clock shows. Raises RESOURCE_NOT_FOUND."""
    clock = await store.clock(conn, clock_id)
    if clock is None:
        raise not_found("test clock", names.test_clock(clock_id))
    return clock.present_at


async def join(conn: AsyncConnection, clock_id: str, *, org_id: UUID, made_at: datetime) -> None:
    """Put an organization of this transaction, made at the time of the clock, on it.

    The clock stands still until the transaction ends. Raises RESOURCE_NOT_FOUND, TEST_CLOCK_BUSY when it is being advanced
    or was since `made_at`, TOO_MANY_RESOURCES.
    """
    clock = await store.clock(conn, clock_id, lock=True)
    if clock is None:
        raise not_found("test clock", names.test_clock(clock_id))
    if clock.state is not ClockState.READY or clock.present_at != made_at:
        raise busy(clock_id)
    if len(await store.members(conn, clock_id)) >= ORGANIZATIONS_MAX:
        raise ServiceError(
            Code.RESOURCE_EXHAUSTED,
            Reason.TOO_MANY_RESOURCES,
            f"{ORGANIZATIONS_MAX} organizations live on the test clock {clock_id} already",
            metadata={"limit": str(ORGANIZATIONS_MAX), "test_clock": clock_id},
        )
    await store.insert_member(conn, org_id=org_id, clock_id=clock_id)
