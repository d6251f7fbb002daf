"""People are told once of each event that they want, by a real HTTP request, and of failures never too often."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import UUID

import pytest

from tests.operations.journal_scene import JournalScene, journal_scene
from tests.operations.watch_scene import events_of, set_balance, watch_of
from wallet_service.alerts.operations import Alerts
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.errors import Reason, ServiceError
from wallet_service.job_queue import JobName, Payload
from wallet_service.job_worker import JobWorker
from wallet_service.jobs import Job
from wallet_service.notifications.model import DeliveryState, Message, Shown, Wanted
from wallet_service.notifications.operations import Notifications
from wallet_service.notifications.rules import ATTEMPTS_MAX
from wallet_service.notifications.sending import Courier


@dataclass
class Receiver:
    """A chat service on loopback: what it was sent, and how it answers."""

    url: str = ""
    status: int = 200
    received: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening(Receiver()) as made:
        yield made


@contextmanager
def listening(made: Receiver) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.received.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(made.status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"json://127.0.0.1:{server.server_port}/hook-secret"
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
async def scene(db: Database, clock: ManualClock) -> AsyncIterator[JournalScene]:
    async with journal_scene(db, clock) as made:
        yield made


@pytest.fixture
async def notifications(scene: JournalScene) -> AsyncIterator[Notifications]:
    courier = Courier(mail_relay=None, is_live=False)
    yield Notifications(scene.db, scene.clock, courier)
    await courier.aclose()


async def cross(scene: JournalScene, *balances: int) -> None:
    """Move the balance around an alert at 1000 that exists."""
    alerts = Alerts(scene.db, scene.clock)
    await alerts.configure(scene.org_id, balance_alert_minor=1000, days_remaining_alert=None)
    available, held = await scene.amounts()
    for balance in balances:
        await set_balance(scene, balance, f"{available + held}-{balance}-{len(await events_of(scene))}")
        await watch_of(scene, alerts).run_due(None)


async def queued(scene: JournalScene) -> list[dict[str, Any]]:
    """Jobs that wait, with the seconds until they may run."""
    rows = await scene.rows(
        "SELECT convert_from(payload, 'UTF8')::jsonb AS payload, execute_after - created AS delay FROM pgqueuer"
        " WHERE entrypoint = 'notification' ORDER BY id"
    )
    return [{**row.payload, "delay": row.delay} for row in rows]


async def deliveries(scene: JournalScene) -> list[Any]:
    return await scene.rows(
        "SELECT event_seq, target_id, state, attempt_count, last_error FROM notification_deliveries ORDER BY 1, 2"
    )


async def work(notifications: Notifications, job: Payload) -> DeliveryState | None:
    return await notifications.deliver(UUID(job["org_id"]), int(job["event_seq"]), UUID(job["target_id"]))


async def test_an_alert_reaches_a_chat_and_is_told_once(
    scene: JournalScene, notifications: Notifications, receiver: Receiver
):
    await set_balance(scene, 1200, "start")
    await notifications.update(scene.org_id, [Wanted(receiver.url)])
    await cross(scene, 900, 800)
    assert await notifications.dispatch() == 1, "configuring the alert is not told by default"
    assert await notifications.dispatch() == 0
    [job] = await queued(scene)
    assert await work(notifications, job) is DeliveryState.SENT
    assert await work(notifications, job) is DeliveryState.SENT, "a job that runs again sends nothing"
    [message] = receiver.received
    assert message["title"] == "The balance fell below the alert threshold"
    assert "Balance: 9.00 USD\nAlert below: 10.00 USD" in message["message"]
    assert "organizations/my-org/wallets/default" in message["message"]


async def test_each_target_gets_what_it_wants_and_a_past_is_not_told(
    scene: JournalScene, notifications: Notifications, receiver: Receiver
):
    await set_balance(scene, 1200, "start")
    await cross(scene, 900, 1200)
    second = f"{receiver.url}2"
    await notifications.update(
        scene.org_id, [Wanted(receiver.url, ("wallet.alert.balance",)), Wanted(second, ("wallet.alert.*",))]
    )
    await cross(scene, 900, 1300)
    assert await notifications.dispatch() == 3
    for job in await queued(scene):
        await work(notifications, job)
    titles = sorted(message["title"] for message in receiver.received)
    assert titles == [
        "The balance fell below the alert threshold",
        "The balance fell below the alert threshold",
        "The balance is above the alert threshold again",
    ]


async def test_attempts_are_bounded_and_spread(scene: JournalScene, notifications: Notifications, receiver: Receiver):
    receiver.status = 500
    await set_balance(scene, 1200, "start")
    await notifications.update(scene.org_id, [Wanted(receiver.url)])
    await cross(scene, 900)
    await notifications.dispatch()
    states: list[DeliveryState | None] = []
    for attempt in range(ATTEMPTS_MAX + 2):
        states.append(await work(notifications, (await queued(scene))[min(attempt, ATTEMPTS_MAX - 1)]))
    assert states == [DeliveryState.PENDING] * 4 + [DeliveryState.FAILED] * 3
    assert len(receiver.received) == ATTEMPTS_MAX
    assert [round(job["delay"].total_seconds()) for job in await queued(scene)] == [0, 30, 120, 480, 1920]
    [delivery] = await deliveries(scene)
    assert (delivery.state, delivery.attempt_count) == ("failed", ATTEMPTS_MAX)
    assert "secret" not in delivery.last_error
    scene.clock.advance(timedelta(days=31))
    assert (await notifications.clean(), await deliveries(scene)) == (1, [])


async def test_a_target_that_is_removed_is_told_no_more(
    scene: JournalScene, notifications: Notifications, receiver: Receiver
):
    await set_balance(scene, 1200, "start")
    await notifications.update(scene.org_id, [Wanted(receiver.url)])
    await cross(scene, 900)
    await notifications.dispatch()
    assert await notifications.update(scene.org_id, []) == []
    [job] = await queued(scene)
    assert await work(notifications, job) is DeliveryState.DROPPED
    await cross(scene, 1200, 900)
    assert await notifications.dispatch() == 0
    assert receiver.received == []


async def test_settings_show_no_secret_and_take_the_mask_back(
    scene: JournalScene, notifications: Notifications, receiver: Receiver
):
    assert await notifications.get(scene.org_id) == []
    [shown] = await notifications.update(scene.org_id, [Wanted(receiver.url)])
    assert shown.address.startswith("json://****/")
    again = await notifications.update(scene.org_id, [Wanted(shown.address, ("dispute.*",)), Wanted("ops@example.com")])
    assert again == [Shown(shown.address, ("dispute.*",)), Shown("ops@example.com", ())]
    assert await notifications.get(scene.org_id) == again
    [row] = await scene.rows("SELECT address FROM notification_targets WHERE address LIKE 'json%'")
    assert row.address == receiver.url
    data = [data for type, data in await events_of(scene, "notification_settings.updated")]
    assert data == [{"target_count": 1}, {"target_count": 2}]


async def test_an_address_that_is_not_served_changes_nothing(scene: JournalScene, notifications: Notifications):
    await notifications.update(scene.org_id, [Wanted("ops@example.com")])
    with pytest.raises(ServiceError) as refused:
        await notifications.update(scene.org_id, [Wanted("slack://a/b/c-secret"), Wanted("file:///etc/passwd")])
    assert refused.value.reason is Reason.INVALID_FIELD
    assert refused.value.metadata["field"] == "targets[0].url"
    assert "secret" not in str(refused.value)
    assert [one.address for one in await notifications.get(scene.org_id)] == ["ops@example.com"]


async def test_several_workers_tell_each_event_once(
    scene: JournalScene, notifications: Notifications, receiver: Receiver, database_url: str
):
    """Dispatchers race, and the queue's worker sends what they queued."""
    await set_balance(scene, 1200, "start")
    await notifications.update(scene.org_id, [Wanted(receiver.url)])
    await cross(scene, *(balance for turn in range(6) for balance in (900 - turn, 1200 + turn)))
    counts = await asyncio.gather(*(notifications.dispatch() for _ in range(5)))
    assert sum(counts) == 12
    worker = JobWorker(database_url, [Job(JobName.NOTIFICATION, lambda payload: work(notifications, payload))], [])
    running = asyncio.create_task(worker.run())
    try:
        async with asyncio.timeout(20):
            while [row.state for row in await deliveries(scene)] != ["sent"] * 12:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    finally:
        await worker.stop(timedelta(seconds=10))
        await running
    assert len(receiver.received) == 12


async def test_mail_without_a_relay_is_taken_in_development(scene: JournalScene, notifications: Notifications):
    await set_balance(scene, 1200, "start")
    await notifications.update(scene.org_id, [Wanted("ops@example.com")])
    await cross(scene, 900)
    await notifications.dispatch()
    [job] = await queued(scene)
    assert await work(notifications, job) is DeliveryState.SENT


async def test_a_service_that_is_not_there_is_a_failed_attempt_that_logs_no_secret(
    scene: JournalScene, notifications: Notifications, receiver: Receiver, caplog: pytest.LogCaptureFixture
):
    await notifications.update(scene.org_id, [Wanted("json://127.0.0.1:9/hook-secret")])
    await cross(scene)
    await set_balance(scene, 5, "five")
    await notifications.dispatch()
    [job] = await queued(scene)
    with caplog.at_level(logging.DEBUG, logger=""):
        assert await work(notifications, job) is DeliveryState.PENDING
    assert "secret" not in caplog.text


@asynccontextmanager
async def mail_server() -> AsyncGenerator[tuple[int, list[str]]]:
    """An SMTP server on loopback that takes everything: its port, and the commands and lines it was sent."""
    lines: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 loopback\r\n")
        is_data = False
        while raw := await reader.readline():
            line = raw.decode().rstrip("\r\n")
            lines.append(line)
            is_end = is_data and line == "."
            if not is_data or is_end:
                starts_data = not is_data and line.upper() == "DATA"
                writer.write(b"354 go on\r\n" if starts_data else b"250 taken\r\n")
                is_data = starts_data
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], lines


async def test_mail_goes_through_the_relay_to_the_one_who_asked(scene: JournalScene):
    async with mail_server() as (port, lines):
        courier = Courier(mail_relay=f"mailto://127.0.0.1:{port}?from=billing@example.com", is_live=True)
        error = await courier.send("o-neil+ops@mail.example.com", Message("Balance is low", "Balance: 9.00 USD"))
        await courier.aclose()
    assert error is None
    assert [line for line in lines if line.upper().startswith(("MAIL FROM", "RCPT TO"))] == [
        "mail FROM:<billing@example.com>",
        "rcpt TO:<o-neil+ops@mail.example.com>",
    ]
    assert "Subject: Balance is low" in lines
    assert any("Balance: 9.00 USD" in line for line in lines)
