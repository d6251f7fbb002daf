"""Events of a running instance: sent by its worker, streamed by its API, cut off in good order when it ends."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import pytest
from standardwebhooks import Webhook
from wallet.v1 import webhook_service_pb2, webhook_service_pb2_grpc

from tests.system.instance import Dev, until
from wallet_service.embedded_postgres import Binaries

ORGANIZATION = "organizations/my-org"
SERVICE = "wallet.v1.WebhookService"


class Receiver(ThreadingHTTPServer):
    """Keeps what is posted to it."""

    def __init__(self) -> None:
        self.received: list[tuple[bytes, dict[str, str]]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.append((body, dict(self.headers.items())))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(params=["pyvoy", "hypercorn"])
def dev(request: pytest.FixtureRequest, tmp_path: Path, postgres_binaries: Binaries) -> Iterator[Dev]:
    """A new instance, served by each server."""
    instance = Dev(tmp_path, postgres_binaries.bin_dir, WALLET_SERVER=request.param)
    instance.start()
    yield instance
    instance.close()


def test_events_reach_webhooks_and_streams_until_the_end(dev: Dev, receiver: Receiver):
    made = dev.call(f"{SERVICE}/CreateWebhookEndpoint", organizationName=ORGANIZATION, url=receiver.url)
    endpoint, secret = made["endpoint"], str(made["secret"])
    assert isinstance(endpoint, dict)
    with grpc.insecure_channel(dev.url.rpartition("/")[2]) as channel:
        stub = webhook_service_pb2_grpc.WebhookServiceStub(channel)
        request = webhook_service_pb2.WatchEventsRequest(organization_name=ORGANIZATION, after_sequence=0)
        stream = stub.WatchEvents(request, metadata=[("authorization", f"Bearer {dev.api_key}")])
        replayed = [next(stream) for _ in range(5)]
        assert [message.sequence for message in replayed] == [1, 2, 3, 4, 5]
        assert [message.event.type for message in replayed] == [
            "organization.created",
            "wallet.created",
            "project.created",
            "api_key.created",
            "webhook_endpoint.created",
        ]
        dev.call(f"{SERVICE}/SendTestEvent", name=endpoint["name"])
        live = next(stream)
        assert (live.sequence, live.event.type) == (6, "webhook_endpoint.test")
        until(lambda: bool(receiver.received), "the webhook")
        body, headers = receiver.received[0]
        assert Webhook(secret).verify(body, headers)["sequence"] == 6
        began = time.monotonic()
        stopping = threading.Thread(target=dev.stop)
        stopping.start()
        with pytest.raises(grpc.RpcError) as caught:
            next(stream)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "continue after the last number" in caught.value.details()
        stopping.join()
        assert time.monotonic() - began < 10
    assert "Traceback" not in dev.err, dev.err
