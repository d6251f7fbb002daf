"""Webhooks to customers, sent to a real receiver: order, retries, pause, rotation, redelivery."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from tests.operations.webhook_scene import SILENT, WebhookScene, webhook_scene
from wallet_service.clock import SystemClock
from wallet_service.db import Database
from wallet_service.errors import Reason, ServiceError
from wallet_service.event_webhooks.dispatch import WebhookDispatcher
from wallet_service.event_webhooks.model import DeliveryState, Endpoint, EndpointState, PausedReason
from wallet_service.event_webhooks.operations import EndpointChange
from wallet_service.event_webhooks.rules import ENDPOINTS_MAX, RETRY_DELAYS
from wallet_service.events import steps
from wallet_service.events.model import EventType


@pytest.fixture
async def scene(db: Database) -> AsyncIterator[WebhookScene]:
    async with webhook_scene(db) as made:
        yield made


async def types_after(scene: WebhookScene, seq: int) -> list[str]:
    found = await scene.db.read(lambda conn: steps.events_after(conn, scene.org_id, seq, limit=1000))
    return [event.type for event in found]


async def deliveries(scene: WebhookScene, endpoint: Endpoint, state: DeliveryState | None = None):
    page = await scene.endpoints.list_deliveries(scene.org_id, endpoint.endpoint_id, state=state, size=1000, token="")
    return list(page.rows)


async def test_an_event_arrives_signed_and_complete(scene: WebhookScene):
    receiver = await scene.receiver()
    endpoint, secret = await scene.endpoint(receiver.url)
    (event,) = await scene.happens("naïve-☃")
    assert await scene.deliver() == 1
    (received,) = receiver.received
    received.verify(secret)
    assert received.headers["webhook-id"] == str(event.event_id)
    age = SystemClock().now().timestamp() - int(received.headers["webhook-timestamp"])
    assert -1 <= age < 10
    assert received.headers["content-type"] == "application/json"
    assert received.headers["host"].startswith("localhost:")
    assert received.content == {
        "type": "project.created",
        "timestamp": "2026-03-01T12:00:30Z",
        "id": f"organizations/acme/events/{event.event_id}",
        "sequence": event.seq,
        "organization": "organizations/acme",
        "subject": "projects/naïve-☃",
        "data": {"name": "naïve-☃"},
    }
    (delivery,) = await deliveries(scene, endpoint)
    assert (delivery.state, delivery.attempt_count, delivery.answer.status_code) == (DeliveryState.DELIVERED, 1, 204)
    assert (await scene.current(endpoint)).handled_seq == event.seq
    with pytest.raises(WebhookVerificationError):
        received.verify("whsec_" + "A" * 44)


async def test_out_of_order_webhooks_pain_19(scene: WebhookScene):
    """What was refused holds back what follows: a receiver sees each number once the ones before have arrived, and can
    read what it lost from any number on (polar#6751)."""
    receiver = await scene.receiver()
    endpoint, _ = await scene.endpoint(receiver.url)
    start = endpoint.handled_seq
    receiver.answers = [(204, b""), (500, b"later")]
    await scene.happens("one", "two", "three", "four")
    await scene.deliver()
    assert receiver.sequences == [start + 1, start + 2]
    assert await scene.deliver() == 0  # nothing overtakes the one that failed
    scene.clock.advance(timedelta(seconds=6))
    await scene.deliver()
    assert receiver.sequences == [start + 1, start + 2, start + 2, start + 3, start + 4]
    replayed = await scene.db.read(lambda conn: steps.events_after(conn, scene.org_id, start + 1, limit=10))
    assert [event.seq for event in replayed] == [start + 2, start + 3, start + 4]
    by_number = {received.content["sequence"]: received.content["id"] for received in receiver.received}
    assert [by_number[event.seq].rpartition("/")[2] for event in replayed] == [str(e.event_id) for e in replayed]


async def test_a_filter_lets_through_what_it_names(scene: WebhookScene):
    receiver, other = await scene.receiver(), await scene.receiver()
    exact, _ = await scene.endpoint(receiver.url, "wallet.created", "payment_method.*")
    everything, _ = await scene.endpoint(other.url)
    start = everything.handled_seq
    await scene.happens("a")
    await scene.happens("b", happened=EventType.PAYMENT_METHOD_DETACHED)
    await scene.happens("c", happened=EventType.WALLET_CREATED)
    await scene.happens("d", happened=EventType.WALLET_CLOSED)
    await scene.deliver()
    assert receiver.sequences == [start + 2, start + 3]
    assert other.sequences == [start + 1, start + 2, start + 3, start + 4]
    assert (await scene.current(exact)).handled_seq == start + 4


async def test_a_test_event_reaches_its_endpoint_only(scene: WebhookScene):
    receiver, other = await scene.receiver(), await scene.receiver()
    tested, _ = await scene.endpoint(receiver.url, "invoice.finalized")
    await scene.endpoint(other.url)
    event = await scene.endpoints.send_test(scene.org_id, tested.endpoint_id)
    await scene.deliver()
    assert receiver.sequences == [event.seq]
    assert receiver.received[0].content["type"] == "webhook_endpoint.test"
    assert other.sequences == []


async def test_retries_for_three_days_then_a_pause_with_an_event(scene: WebhookScene):
    receiver = await scene.receiver()
    endpoint, _ = await scene.endpoint(receiver.url)
    receiver.answers = [(503, b"x" * 1000)] * (len(RETRY_DELAYS) + 1)
    (event,) = await scene.happens("one")
    began = scene.clock.now()
    for attempt in range(1, len(RETRY_DELAYS) + 1):
        await scene.deliver()
        current = await scene.current(endpoint)
        due = (await scene.dispatcher.next_due([scene.org_id])).get(scene.org_id)
        assert (len(receiver.received), current.failure_count) == (attempt, attempt)
        assert due is not None
        assert due == current.next_attempt_at
        (delivery,) = await deliveries(scene, endpoint, DeliveryState.PENDING)
        assert (delivery.attempt_count, delivery.next_attempt_at) == (attempt, due)
        assert delivery.answer.snippet == "x" * 256
        scene.clock.advance(due - scene.clock.now() - timedelta(microseconds=1))
        assert await scene.deliver() == 0
        scene.clock.advance(timedelta(microseconds=1))
    await scene.deliver()
    assert timedelta(hours=71) < scene.clock.now() - began < timedelta(hours=80)
    current = await scene.current(endpoint)
    assert (current.state, current.paused_reason) == (EndpointState.PAUSED, PausedReason.FAILING)
    assert await types_after(scene, event.seq) == ["webhook_endpoint.paused"]
    (delivery,) = await deliveries(scene, endpoint, DeliveryState.FAILED)
    assert delivery.attempt_count == len(receiver.received) == len(RETRY_DELAYS) + 1
    assert (await scene.dispatcher.next_due([scene.org_id])).get(scene.org_id) is None
    scene.clock.advance(timedelta(days=30))
    await scene.happens("two")
    assert await scene.deliver() == 0
    resumed = await scene.endpoints.update(
        scene.org_id, endpoint.endpoint_id, EndpointChange(state=EndpointState.ACTIVE)
    )
    assert (resumed.state, resumed.failure_count) == (EndpointState.ACTIVE, 0)
    await scene.deliver()
    kinds = [received.content["type"] for received in receiver.received[len(RETRY_DELAYS) + 1 :]]
    assert kinds == ["project.created", "webhook_endpoint.paused", "project.created", "webhook_endpoint.resumed"]


async def test_resuming_may_skip_what_was_missed(scene: WebhookScene):
    receiver = await scene.receiver()
    endpoint, _ = await scene.endpoint(receiver.url)
    pause = EndpointChange(state=EndpointState.PAUSED)
    paused = await scene.endpoints.update(scene.org_id, endpoint.endpoint_id, pause)
    assert paused.paused_reason is PausedReason.MANUAL
    await scene.happens("missed", "missed too")
    resume = EndpointChange(state=EndpointState.ACTIVE, skip_missed=True)
    await scene.endpoints.update(scene.org_id, endpoint.endpoint_id, resume)
    (event,) = await scene.happens("seen")
    await scene.deliver()
    assert receiver.sequences == [event.seq]


async def test_gone_pauses_at_once(scene: WebhookScene):
    receiver = await scene.receiver()
    endpoint, _ = await scene.endpoint(receiver.url)
    receiver.answers = [(410, b"")]
    await scene.happens("one")
    await scene.deliver()
    current = await scene.current(endpoint)
    assert (current.state, current.paused_reason) == (EndpointState.PAUSED, PausedReason.GONE)


async def test_a_redirect_is_a_failure_and_not_followed(scene: WebhookScene):
    receiver, target = await scene.receiver(), await scene.receiver()
    endpoint, _ = await scene.endpoint(receiver.url)
    receiver.extra_headers, receiver.answers = f"location: {target.url}\r\n", [(307, b"")]
    await scene.happens("one")
    await scene.deliver()
    (delivery,) = await deliveries(scene, endpoint)
    assert (delivery.answer.status_code, delivery.answer.error) == (307, "redirects are not followed")
    assert target.connection_count == 0


async def test_a_receiver_that_is_silent_or_absent_is_a_failure(db: Database):
    async with webhook_scene(db, timeout=timedelta(milliseconds=300)) as scene:
        receiver = await scene.receiver()
        silent, _ = await scene.endpoint(receiver.url)
        absent, _ = await scene.endpoint("http://127.0.0.1:1/")
        unknown, _ = await scene.endpoint("https://no-such-host.invalid/")
        receiver.answers = [(SILENT, b"")]
        await scene.happens("one")
        await scene.deliver()
        errors = [(await deliveries(scene, each))[0].answer.error for each in (silent, absent, unknown)]
        assert errors == ["timeout", "connection failed", "the host does not resolve"]


async def test_a_slow_endpoint_holds_up_no_other(db: Database):
    async with webhook_scene(db, timeout=timedelta(seconds=5)) as scene:
        slow, quick = await scene.receiver(), await scene.receiver()
        slow.answers = [(SILENT, b"")]
        await scene.endpoint(slow.url)
        await scene.endpoint(quick.url)
        running = asyncio.create_task(scene.dispatcher.run())
        for count in range(1, 4):
            await scene.happens(f"event {count}")
            await quick.wait_for(count)
        assert len(slow.received) == 1
        await scene.dispatcher.stop()
        running.cancel()
        await asyncio.wait([running])


async def test_slow_repetitions_leave_room_for_first_attempts(db: Database):
    async with webhook_scene(db, timeout=timedelta(seconds=60)) as scene:
        slow, quick = await scene.receiver(), await scene.receiver()
        slow.answers = [(500, b"")] * 4 + [(SILENT, b"")] * 4
        for _ in range(4):
            await scene.endpoint(slow.url)
        await scene.happens("one")
        await scene.deliver()
        scene.clock.advance(timedelta(hours=1))
        dispatcher = scene.another_dispatcher(at_once=4)
        running = asyncio.create_task(dispatcher.run())
        await slow.wait_for(4 + 2)
        await scene.endpoint(quick.url)
        await scene.happens("two")
        await quick.wait_for(1)
        assert len(slow.received) == 4 + 2
        running.cancel()
        await asyncio.wait([running])


async def test_rotation_signs_with_both_secrets_for_a_day(scene: WebhookScene):
    receiver = await scene.receiver()
    endpoint, old = await scene.endpoint(receiver.url)
    new, until = await scene.endpoints.rotate_secret(scene.org_id, endpoint.endpoint_id)
    assert until == scene.clock.now() + timedelta(hours=24)
    assert new.startswith("whsec_")
    assert new != old
    await scene.deliver()
    scene.clock.advance(timedelta(hours=24) - timedelta(microseconds=1))
    await scene.happens("still both")
    await scene.deliver()
    for received in receiver.received:
        received.verify(old)
        received.verify(new)
        assert len(received.headers["webhook-signature"].split(" ")) == 2
    scene.clock.advance(timedelta(microseconds=1))
    await scene.happens("only the new one")
    await scene.deliver()
    receiver.received[-1].verify(new)
    with pytest.raises(WebhookVerificationError):
        receiver.received[-1].verify(old)


async def test_redelivery_sends_one_event_again_even_while_paused(scene: WebhookScene):
    receiver = await scene.receiver()
    endpoint, secret = await scene.endpoint(receiver.url)
    first, second = await scene.happens("one", "two")
    await scene.deliver()
    await scene.endpoints.update(scene.org_id, endpoint.endpoint_id, EndpointChange(state=EndpointState.PAUSED))
    receiver.answers = [(500, b"no"), (200, b"thanks")]
    failed = await scene.endpoints.redeliver(scene.org_id, endpoint.endpoint_id, first.event_id)
    # It was delivered before, which a later failure does not undo.
    assert (failed.state, failed.answer.status_code, failed.attempt_count) == (DeliveryState.DELIVERED, 500, 2)
    again = await scene.endpoints.redeliver(scene.org_id, endpoint.endpoint_id, first.event_id)
    assert (again.state, again.answer.snippet, again.attempt_count) == (DeliveryState.DELIVERED, "thanks", 3)
    assert receiver.sequences == [first.seq, second.seq, first.seq, first.seq]
    assert receiver.received[-1].body == receiver.received[0].body
    assert receiver.received[-1].headers["webhook-id"] == receiver.received[0].headers["webhook-id"]
    receiver.received[-1].verify(secret)
    with pytest.raises(ServiceError) as caught:
        await scene.endpoints.redeliver(scene.org_id, endpoint.endpoint_id, endpoint.endpoint_id)
    assert caught.value.reason is Reason.RESOURCE_NOT_FOUND


async def test_a_change_makes_a_failing_endpoint_be_tried_at_once(scene: WebhookScene):
    broken, mended = await scene.receiver(), await scene.receiver()
    broken.answers = [(500, b"")] * 3
    endpoint, _ = await scene.endpoint(broken.url)
    (event,) = await scene.happens("one")
    await scene.deliver()
    assert await scene.deliver() == 0
    await scene.endpoints.update(scene.org_id, endpoint.endpoint_id, EndpointChange(url=mended.url))
    await scene.deliver()
    assert mended.sequences == [event.seq, event.seq + 1]
    assert len(broken.received) == 1


async def test_several_workers_send_each_event_once_and_in_order(scene: WebhookScene):
    receivers = [await scene.receiver() for _ in range(4)]
    for receiver in receivers:
        await scene.endpoint(receiver.url, "project.*")
    workers = [scene.another_dispatcher() for _ in range(3)]

    async def keep_delivering(worker: WebhookDispatcher) -> None:
        for _ in range(40):
            await worker.run_due(None)
            await asyncio.sleep(0.005)

    async def keep_happening() -> list[int]:
        return [(await scene.happens(f"event {index}"))[0].seq for index in range(30)]

    sequences, *_ = await asyncio.gather(keep_happening(), *(keep_delivering(worker) for worker in workers))
    await scene.deliver()
    for receiver in receivers:
        assert receiver.sequences == sequences


async def test_only_the_newest_deliveries_are_kept(scene: WebhookScene):
    receiver = await scene.receiver()
    endpoint, _ = await scene.endpoint(receiver.url)
    written = await scene.happens(*(f"event {index}" for index in range(130)))
    await scene.deliver()
    assert receiver.sequences == [event.seq for event in written]
    assert receiver.connection_count == 1
    kept = [row.seq for row in await deliveries(scene, endpoint)]
    assert kept == [event.seq for event in written][:29:-1]
    page = await scene.endpoints.list_deliveries(scene.org_id, endpoint.endpoint_id, state=None, size=60, token="")
    rest = await scene.endpoints.list_deliveries(
        scene.org_id, endpoint.endpoint_id, state=None, size=60, token=page.next_page_token
    )
    assert [row.seq for row in (*page.rows, *rest.rows)] == kept


async def test_a_deleted_endpoint_receives_nothing_more(scene: WebhookScene):
    receiver = await scene.receiver()
    endpoint, _ = await scene.endpoint(receiver.url)
    (event,) = await scene.happens("one")
    await scene.deliver()
    await scene.endpoints.delete(scene.org_id, endpoint.endpoint_id)
    await scene.happens("two")
    await scene.deliver()
    assert receiver.sequences == [event.seq]
    assert await types_after(scene, event.seq) == ["webhook_endpoint.deleted", "project.created"]
    with pytest.raises(ServiceError) as caught:
        await scene.endpoints.delete(scene.org_id, endpoint.endpoint_id)
    assert caught.value.reason is Reason.RESOURCE_NOT_FOUND


async def test_an_endpoint_that_is_changed_while_a_request_is_under_way(db: Database):
    async with webhook_scene(db, timeout=timedelta(seconds=1)) as scene:
        receiver = await scene.receiver()
        endpoint, _ = await scene.endpoint(receiver.url)
        receiver.answers = [(SILENT, b"")]
        await scene.happens("one", "two")
        turn = asyncio.create_task(scene.deliver())
        await receiver.wait_for(1)
        pause = EndpointChange(state=EndpointState.PAUSED)
        await scene.endpoints.update(scene.org_id, endpoint.endpoint_id, pause)
        await turn
        current = await scene.current(endpoint)
        assert (current.state, current.paused_reason) == (EndpointState.PAUSED, PausedReason.MANUAL)
        assert (len(receiver.received), current.failure_count) == (1, 0)


async def test_at_most_sixteen_endpoints_even_when_made_at_once(scene: WebhookScene):
    made = await asyncio.gather(
        *(scene.endpoint(f"http://127.0.0.1:{9000 + index}/") for index in range(ENDPOINTS_MAX + 4)),
        return_exceptions=True,
    )
    refused = [each for each in made if isinstance(each, ServiceError)]
    assert [each.reason for each in refused] == [Reason.TOO_MANY_RESOURCES] * 4
    page = await scene.endpoints.list(scene.org_id, size=10, token="")
    rest = await scene.endpoints.list(scene.org_id, size=10, token=page.next_page_token)
    assert len(page.rows) + len(rest.rows) == ENDPOINTS_MAX


async def test_a_repeated_request_makes_no_second_endpoint_and_shows_no_secret(scene: WebhookScene):
    first, secret = await scene.endpoint("http://127.0.0.1:9000/", request_id="once")
    second, hidden = await scene.endpoint("http://127.0.0.1:9000/", request_id="once")
    assert (second.endpoint_id, hidden) == (first.endpoint_id, "")
    assert secret
    with pytest.raises(ServiceError) as caught:
        await scene.endpoint("http://127.0.0.1:9001/", request_id="once")
    assert caught.value.reason is Reason.IDEMPOTENCY_KEY_REUSED


@pytest.mark.parametrize("pattern", ["nothing.of.ours", "wallet.nothing.*", "wallet.topup"])
async def test_a_filter_that_can_match_nothing_is_refused(scene: WebhookScene, pattern: str):
    with pytest.raises(ServiceError) as caught:
        await scene.endpoint("http://127.0.0.1:9000/", pattern)
    assert caught.value.reason is Reason.INVALID_FIELD
