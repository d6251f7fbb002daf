"""Webhooks of an organization that lives on a test clock: sent at once, tried again when its own time has come."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.operations.webhook_scene import webhook_scene
from wallet_service.accounts.operations import Organizations
from wallet_service.clock import ServiceClock, SystemClock, at
from wallet_service.db import Database
from wallet_service.event_webhooks.dispatch import WebhookDispatcher
from wallet_service.event_webhooks.model import EndpointState, PausedReason
from wallet_service.event_webhooks.operations import WebhookEndpoints
from wallet_service.event_webhooks.rules import RETRY_DELAYS
from wallet_service.testclocks.operations import TestClocks
from wallet_service.testclocks.times import OrganizationTimes

START = datetime(2031, 1, 1, tzinfo=UTC)


async def test_an_advance_makes_the_repeated_attempts_and_real_time_does_not(db: Database):
    clock, times = ServiceClock(SystemClock()), OrganizationTimes(db)
    async with webhook_scene(db) as outside:
        dispatcher = WebhookDispatcher(db, clock, outside.sender, time_of=times.time_of, machine_clock=SystemClock())
        clocks = TestClocks(db, SystemClock(), (dispatcher,), allowed=True)
        await clocks.create(clock_id="year", display_name="", now=START)
        org_id = (await Organizations(db, clock).create(slug="simulated", test_clock="year")).org_id
        endpoints = WebhookEndpoints(db, clock, outside.sender, machine_clock=SystemClock())
        scene = replace(outside, org_id=org_id, endpoints=endpoints, dispatcher=dispatcher)
        receiver = await scene.receiver()
        receiver.answers = [(500, b"")] * (len(RETRY_DELAYS) + 1)
        with at(START):
            endpoint, secret = await scene.endpoint(receiver.url)
            await endpoints.send_test(org_id, endpoint.endpoint_id)
        # The loop of a worker makes first attempts for every organization, signed in real time.
        assert await dispatcher.run_due(None) == 1
        receiver.received[0].verify(secret)
        assert receiver.received[0].content["timestamp"] == "2031-01-01T00:00:00Z"
        assert await dispatcher.run_due(None) == 0
        await clocks.advance("year", target=START + timedelta(hours=1))
        assert len(receiver.received) == 4  # after 5 seconds, 5 and 30 minutes
        assert await dispatcher.run_due(None) == 0
        await clocks.advance("year", target=START + timedelta(days=4))
        assert len(receiver.received) == len(RETRY_DELAYS) + 1
        current = await endpoints.get(org_id, endpoint.endpoint_id)
        assert (current.state, current.paused_reason) == (EndpointState.PAUSED, PausedReason.FAILING)
        assert START + timedelta(days=2, hours=23) < current.updated_at < START + timedelta(days=4)
