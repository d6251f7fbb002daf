"""billing.v1.TestClockService."""

from typing import Final

from wallet_api.billing.v1 import test_clock_service_pb as rpc
from wallet_api.billing.v1.test_clock_service_connect import TestClockService

from wallet_service import names
from wallet_service.errors import invalid_field
from wallet_service.rpc.convert import from_proto_timestamp, to_proto_timestamp
from wallet_service.testclocks.model import ClockState, TestClock
from wallet_service.testclocks.operations import TestClocks

_STATES: Final = {
    ClockState.READY: rpc.TestClock.State.READY,
    ClockState.ADVANCING: rpc.TestClock.State.ADVANCING,
}


class TestClockServicer(TestClockService):
    """Clocks that are driven by hand."""

    __test__ = False

    def __init__(self, clocks: TestClocks) -> None:
        self._clocks = clocks

    async def create_test_clock(
        self, request: rpc.CreateTestClockRequest, ctx: object, /
    ) -> rpc.CreateTestClockResponse:
        now = from_proto_timestamp(request.now, "now")
        if now is None:
            raise invalid_field("now", "is required")
        made = await self._clocks.create(clock_id=request.test_clock_id, display_name=request.display_name, now=now)
        return rpc.CreateTestClockResponse(test_clock=_to_proto(made, 0))

    async def get_test_clock(self, request: rpc.GetTestClockRequest, ctx: object, /) -> rpc.GetTestClockResponse:
        clock, count = await self._clocks.get(names.parse_test_clock(request.name, "name"))
        return rpc.GetTestClockResponse(test_clock=_to_proto(clock, count))

    async def list_test_clocks(self, request: rpc.ListTestClocksRequest, ctx: object, /) -> rpc.ListTestClocksResponse:
        page = await self._clocks.list(size=request.page_size, token=request.page_token)
        return rpc.ListTestClocksResponse(
            test_clocks=[_to_proto(clock, count) for clock, count in page.rows], next_page_token=page.next_page_token
        )

    async def advance_test_clock(
        self, request: rpc.AdvanceTestClockRequest, ctx: object, /
    ) -> rpc.AdvanceTestClockResponse:
        target = from_proto_timestamp(request.target, "target")
        if target is None:
            raise invalid_field("target", "is required")
        done = await self._clocks.advance(names.parse_test_clock(request.name, "name"), target=target)
        return rpc.AdvanceTestClockResponse(
            test_clock=_to_proto(done.clock, done.organization_count), work_count=done.work_count
        )

    async def delete_test_clock(
        self, request: rpc.DeleteTestClockRequest, ctx: object, /
    ) -> rpc.DeleteTestClockResponse:
        await self._clocks.delete(names.parse_test_clock(request.name, "name"))
        return rpc.DeleteTestClockResponse()


def _to_proto(clock: TestClock, organization_count: int) -> rpc.TestClock:
    return rpc.TestClock(
        name=names.test_clock(clock.clock_id),
        display_name=clock.display_name,
        now=to_proto_timestamp(clock.present_at),
        state=_STATES[clock.state],
        target=to_proto_timestamp(clock.target_at),
        organization_count=organization_count,
        create_time=to_proto_timestamp(clock.created_at),
    )
