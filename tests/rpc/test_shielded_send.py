"""What pyvoy does with a `send` that was cancelled: it tells the future that it handed out, whatever became of it."""

import asyncio
import gc
from collections.abc import Awaitable
from typing import Any

import grpc
import pytest
from wallet.v1 import webhook_service_pb2, webhook_service_pb2_grpc

from tests.rpc.conftest import ServerProcess
from wallet_service.serving.entry import shield_send

BODY = {"type": "http.response.body", "more_body": True}


class Server:
    """Hands out a future for each message, as pyvoy does."""

    def __init__(self) -> None:
        self.futures: list[asyncio.Future[Any]] = []

    def send(self, _message: Any) -> Awaitable[Any]:
        self.futures.append(asyncio.get_running_loop().create_future())
        return self.futures[-1]


@pytest.mark.parametrize("failure", [None, OSError("the caller has left")])
async def test_a_cancelled_send_ends_without_a_sound(failure: OSError | None, caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    waiter = asyncio.ensure_future(shield_send(server.send)(BODY))
    await asyncio.sleep(0)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    # Neither raises InvalidStateError.
    future = server.futures.pop()
    if failure is None:
        future.set_result(None)
    else:
        future.set_exception(failure)
    await asyncio.sleep(0)
    del future
    gc.collect()
    assert caplog.text == ""


async def test_a_send_ends_as_the_server_says() -> None:
    server = Server()
    send = shield_send(server.send)
    waiter = asyncio.ensure_future(send(BODY))
    await asyncio.sleep(0)
    assert not waiter.done()
    server.futures[0].set_result(None)
    await waiter
    waiter = asyncio.ensure_future(send(BODY))
    await asyncio.sleep(0)
    server.futures[1].set_exception(OSError("the caller has left"))
    with pytest.raises(OSError, match="has left"):
        await waiter


def test_floods_that_their_deadlines_end_leave_no_errors_behind(server: ServerProcess) -> None:
    with grpc.insecure_channel(server.target) as channel:
        stub: Any = webhook_service_pb2_grpc.WebhookServiceStub(channel)
        request = webhook_service_pb2.WatchEventsRequest(
            organization_name="organizations/my-org", event_types=["flood"], after_sequence=1
        )
        viewer = [("authorization", "Bearer wk_test_viewer")]
        floods = [stub.WatchEvents(request, metadata=viewer, timeout=0.5 + number / 100) for number in range(60)]
        assert {flood.code() for flood in floods} == {grpc.StatusCode.DEADLINE_EXCEEDED}
    log = server.log_text()
    assert "InvalidStateError" not in log
    assert "never retrieved" not in log
