"""Parts of the transport by themselves: deadlines, nested JSON, shielded writes and the shielded receive."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import pytest
from protobuf.wkt import Timestamp

from wallet_service.errors import Code, Reason, ServiceError
from wallet_service.rpc.codecs import array_depth
from wallet_service.rpc.convert import from_proto_timestamp, to_proto_timestamp
from wallet_service.rpc.deadlines import DeadlinePolicy
from wallet_service.rpc.health import HealthServicer, HealthState
from wallet_service.rpc.shielding import ShieldedWrites
from wallet_service.rpc.validation import Validation, refusal
from wallet_service.serving.entry import shield_receive

POLICY = DeadlinePolicy(default=timedelta(seconds=30), maximum=timedelta(seconds=600))


@pytest.mark.parametrize(
    ("asked", "grpc", "seconds", "header"),
    [
        (None, False, 30, b"30000"),
        (None, True, 30, b"30000m"),
        (b"1500", False, 1.5, None),
        (b"600000", False, 600, None),
        (b"600001", False, 600, b"600000"),
        (b"2H", True, 600, b"600000m"),
        (b"10M", True, 600, None),
        (b"250m", True, 0.25, None),
        (b"5n", True, 5e-9, None),
        (b"soon", False, 30, None),
        (b"-5", False, 30, None),
        (b"99999999999", False, 30, None),
        (b"5", True, 30, None),
        (b"123456789S", True, 30, None),
    ],
)
def test_deadlines(asked: bytes | None, grpc: bool, seconds: float, header: bytes | None) -> None:
    got, value = POLICY.apply(asked, grpc=grpc)
    assert got == pytest.approx(seconds)
    assert value == header


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        (b"[" * 101, 101),
        (b"[[]]" * 60, 2),
        (b'{"a": "' + b"[" * 500 + b'"}', 0),
        (b'{"a": "\\"' + b"[" * 500 + b'"}', 0),
        (b'["\\\\", ' + b"[" * 200 + b"]" * 200 + b"]", 201),
        (b'"unterminated ' + b"[" * 200, 0),
    ],
)
def test_array_depth(text: bytes, depth: int) -> None:
    assert array_depth(text, enough=100) == depth


async def test_a_shielded_write_outlives_its_waiter_and_is_drained() -> None:
    writes = ShieldedWrites()
    release = asyncio.Event()
    done: list[str] = []

    async def write() -> None:
        await release.wait()
        done.append("committed")

    waiter = asyncio.create_task(writes.run(write()))
    await asyncio.sleep(0)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert done == []
    asyncio.get_running_loop().call_later(0.05, release.set)
    assert await writes.drain(timedelta(seconds=5)) == 0
    assert done == ["committed"]


async def test_a_write_that_does_not_end_is_cancelled_by_the_drain() -> None:
    writes = ShieldedWrites()
    waiter = asyncio.create_task(writes.run(asyncio.sleep(60)))
    await asyncio.sleep(0)
    assert await writes.drain(timedelta(seconds=0.05)) == 1
    with pytest.raises(asyncio.CancelledError):
        await waiter


async def test_a_shielded_write_returns_and_raises_as_if_awaited() -> None:
    writes = ShieldedWrites()

    async def answer() -> int:
        return 7

    async def fail() -> None:
        raise ValueError("no")

    assert await writes.run(answer()) == 7
    with pytest.raises(ValueError, match="no"):
        await writes.run(fail())


async def test_a_cancelled_receive_loses_no_event() -> None:
    loop = asyncio.get_running_loop()
    futures: list[asyncio.Future[Any]] = []

    def receive() -> Awaitable[Any]:
        futures.append(loop.create_future())
        return futures[-1]

    receive_shielded = shield_receive(receive)  # type: ignore[arg-type]
    waiter = asyncio.ensure_future(receive_shielded())
    await asyncio.sleep(0)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    # The server resolves the future that it handed out: not cancelled, so no InvalidStateError.
    futures[0].set_result({"type": "http.request", "body": b"x"})
    assert await receive_shielded() == {"type": "http.request", "body": b"x"}
    assert len(futures) == 1


async def test_a_request_without_a_body_waits_for_its_end() -> None:
    """The server says at once, each time it is asked, that the body has ended, until the caller hangs up."""
    end: dict[str, Any] = {"type": "http.request", "body": b"", "more_body": False}
    asked = 0

    async def receive() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        return end if asked < 4 else {"type": "http.disconnect"}

    receive_shielded = shield_receive(receive)  # type: ignore[arg-type]
    assert await receive_shielded() == end
    waiter = asyncio.ensure_future(receive_shielded())
    await asyncio.sleep(0)
    # The event loop is free meanwhile.
    assert not waiter.done()
    assert await waiter == {"type": "http.disconnect"}


async def test_a_request_that_lasts_is_asked_less_and_less_often() -> None:
    asked = 0

    async def receive() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": b"", "more_body": False}

    receive_shielded = shield_receive(receive)  # type: ignore[arg-type]
    await receive_shielded()
    for _ in range(2):
        # Whoever stops waiting and waits again does not begin anew.
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive_shielded(), 0.4)
    assert 3 <= asked <= 7


async def test_a_watcher_is_told_of_a_drain_that_begins_while_it_is_being_answered() -> None:
    from wallet_api.grpc.health.v1.health_pb import HealthCheckRequest, HealthCheckResponse

    async def database_ok() -> bool:
        return True

    draining = asyncio.Event()
    state = HealthState(database_ok, draining)
    await state.probe()
    poller = asyncio.create_task(state.poll())
    context: Any = None
    watcher = HealthServicer(state, ()).watch(HealthCheckRequest(), context)
    status = HealthCheckResponse.ServingStatus
    assert (await anext(watcher)).status is status.SERVING
    # The watcher has not gone on since its answer.
    draining.set()
    assert [update.status async for update in watcher] == [status.NOT_SERVING]
    await poller


def test_field_paths_of_violations() -> None:
    from protovalidate import collect_violations
    from wallet_api.billing.v1.usage_service_pb import RecordUsageEventsRequest, UsageEventInput

    good = UsageEventInput(project_name="projects/p", meter="m", quantity="1", idempotency_key="k")
    bad = UsageEventInput(
        project_name="projects/p", meter="m", quantity="1", idempotency_key="k", metadata={"zone": "z" * 1001}
    )
    request = RecordUsageEventsRequest(organization_name="organizations/o", events=[good, bad, UsageEventInput()])
    fields = [violation.field for violation in refusal(collect_violations(request)).violations]
    assert 'events[1].metadata["zone"]' in fields
    assert "events[2].quantity" in fields


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1, 2**63, 10**30])
async def test_a_number_that_no_enum_can_hold_is_the_callers_fault(number: int) -> None:
    """The JSON parser takes it, and the validator cannot."""
    from wallet_api.billing.v1.catalog_service_pb import CreateMeterRequest

    text = f'{{"meterId": "a", "unit": "x", "category": "c", "aggregation": {number}}}'
    request: Any = CreateMeterRequest.from_json(text)

    async def call(request: Any, ctx: Any) -> Any:
        raise AssertionError("not reached")

    context: Any = None
    with pytest.raises(ServiceError) as caught:
        await Validation().intercept_unary(call, request, context)
    assert (caught.value.code, caught.value.reason) == (Code.INVALID_ARGUMENT, Reason.INVALID_FIELD)


@pytest.mark.parametrize(
    ("seconds", "nanos"), [(-62_135_596_800, 0), (253_402_300_799, 999_999_999), (2**62, 0), (0, 1_000_000_000)]
)
def test_a_time_that_the_database_cannot_keep_is_the_callers_fault(seconds: int, nanos: int) -> None:
    with pytest.raises(ServiceError) as caught:
        from_proto_timestamp(Timestamp(seconds=seconds, nanos=nanos), "effective_time")
    assert (caught.value.code, caught.value.reason) == (Code.INVALID_ARGUMENT, Reason.INVALID_FIELD)


@pytest.mark.parametrize(("seconds", "nanos"), [(-62_135_596_800, 1000), (253_402_300_799, 999_998_999), (0, 0)])
def test_times_next_to_the_ends_of_the_calendar_are_times(seconds: int, nanos: int) -> None:
    found = from_proto_timestamp(Timestamp(seconds=seconds, nanos=nanos), "effective_time")
    assert to_proto_timestamp(found) == Timestamp(seconds=seconds, nanos=nanos // 1000 * 1000)
