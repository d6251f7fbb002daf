"""billing.v1.TestClockService by its generated client, and the calls of an organization that lives on a clock."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from protobuf.wkt import Timestamp
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from wallet_api.billing.v1 import account_pb, ledger_pb
from wallet_api.billing.v1 import account_service_pb as account
from wallet_api.billing.v1 import ledger_service_pb as ledger
from wallet_api.billing.v1 import test_clock_service_pb as rpc
from wallet_api.billing.v1 import usage_service_pb as usage
from wallet_api.billing.v1.account_service_connect import AccountServiceClient
from wallet_api.billing.v1.test_clock_service_connect import TestClockServiceClient as ClockServiceClient
from wallet_api.billing.v1.usage_service_connect import UsageServiceClient
from wallet_api.wallet.v1.operator_messages_pb import RecordUsageEventRequest

from tests.operations.usage_scene import CATALOG, VCPU
from tests.rpc.accounts_app import reason
from tests.rpc.service_app import START, Api, running
from wallet_service.principal import Role

FUTURE = datetime(2031, 6, 1, tzinfo=UTC)
CLOCK = "test-clocks/later"
ORG = "organizations/orbit"
STATE = rpc.TestClock.State


class Scene:
    """The whole service, with an organization `orbit` that lives on the clock `later`."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.accounts = AccountServiceClient("http://test", http_client=api.http)
        self.clocks = ClockServiceClient("http://test", http_client=api.http)
        self.usage = UsageServiceClient("http://test", http_client=api.http)
        self.operator = api.headers(Role.OPERATOR)
        self.key: dict[str, str] = {}

    async def begin(self) -> None:
        await self.api.service.catalog.apply(CATALOG)
        await self.clocks.create_test_clock(
            rpc.CreateTestClockRequest(test_clock_id="later", display_name="Later", now=at(FUTURE)),
            headers=self.operator,
        )
        await self.accounts.create_organization(
            account.CreateOrganizationRequest(organization_id="orbit", test_clock_name=CLOCK), headers=self.operator
        )
        await self.accounts.create_project(
            account.CreateProjectRequest(organization_name=ORG, project_id="station"), headers=self.operator
        )
        made = await self.accounts.create_api_key(
            account.CreateApiKeyRequest(organization_name=ORG, role=account_pb.Role.ADMIN, display_name="admin"),
            headers=self.operator,
        )
        self.key = self.api.headers(made.secret)
        await self.api.ledger.deposit(
            ledger.DepositRequest(wallet_name=f"{ORG}/wallets/default", amount_minor=100_000, request_id="d"),
            headers=self.operator,
        )

    async def rows(self, statement: str) -> list[Any]:
        async def work(conn: AsyncConnection) -> list[Any]:
            return list(await conn.execute(text(statement)))

        return await self.api.service.db.read(work)

    async def advance(self, target: datetime) -> rpc.AdvanceTestClockResponse:
        request = rpc.AdvanceTestClockRequest(name=CLOCK, target=at(target))
        return await self.clocks.advance_test_clock(request, headers=self.operator)


def at(time: datetime) -> Timestamp:
    return Timestamp.from_datetime(time)


@pytest.fixture
async def scene(database_url: str) -> AsyncIterator[Scene]:
    async with running(database_url) as api:
        made = Scene(api)
        await made.begin()
        yield made


async def test_a_hold_expires_when_its_clock_gets_there(scene: Scene) -> None:
    made = await scene.api.ledger.create_hold(
        ledger.CreateHoldRequest(wallet_name=f"{ORG}/wallets/default", amount_minor=500, request_id="h"),
        headers=scene.key,
    )
    assert made.hold is not None
    assert made.hold.expire_time == at(FUTURE + timedelta(days=7))

    done = await scene.advance(FUTURE + timedelta(days=8))
    assert done.test_clock is not None
    assert (done.test_clock.state, done.test_clock.now) == (STATE.READY, at(FUTURE + timedelta(days=8)))
    assert done.test_clock.organization_count == 1
    assert done.work_count >= 1
    listed = await scene.api.ledger.list_holds(
        ledger.ListHoldsRequest(wallet_name=f"{ORG}/wallets/default"), headers=scene.key
    )
    [hold] = listed.holds
    assert (hold.state, hold.update_time) == (ledger_pb.HoldState.EXPIRED, at(FUTURE + timedelta(days=7)))


async def test_usage_of_both_times_is_recorded_side_by_side(scene: Scene) -> None:
    async def record(number: int, project: str, headers: dict[str, str]) -> None:
        await scene.usage.record_usage_event(
            RecordUsageEventRequest(
                project_name=f"projects/{project}", meter=VCPU, quantity="10", idempotency_key=f"{project}{number}"
            ),
            headers=headers,
        )

    ours = scene.api.headers(Role.EDITOR)
    await asyncio.gather(
        *(record(number, "station", scene.key) for number in range(10)),
        *(record(number, "my-app", ours) for number in range(10)),
        # Nothing but the project tells whose call of an operator it is.
        *(record(number, "station", scene.operator) for number in range(10, 20)),
    )
    rows = await scene.rows(
        "SELECT o.slug, e.event_time, e.recorded_at, count(*) AS n FROM usage_events e"
        " JOIN organizations o USING (org_id) GROUP BY 1, 2, 3 ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [("my-org", START, START, 10), ("orbit", FUTURE, FUTURE, 20)]
    entries = await scene.rows(
        "SELECT DISTINCT o.slug, e.recorded_at FROM ledger_entries e JOIN organizations o USING (org_id)"
        " WHERE e.kind = 'accrual' ORDER BY 1"
    )
    assert [tuple(row) for row in entries] == [("my-org", START), ("orbit", FUTURE)]


async def test_usage_is_rated_and_refused_by_the_time_of_its_organization(scene: Scene) -> None:
    answer = await scene.usage.record_usage_events(
        usage.RecordUsageEventsRequest(
            organization_name=ORG,
            events=[
                usage.UsageEventInput(
                    project_name="projects/station",
                    meter=VCPU,
                    quantity="1",
                    idempotency_key=key,
                    event_time=at(time),
                )
                for key, time in (("now", START), ("then", FUTURE - timedelta(hours=1)))
            ],
        ),
        headers=scene.key,
    )
    assert (answer.recorded_count, answer.refused_count) == (1, 1)


async def test_keys_of_an_organization_on_a_clock_live_in_real_time(scene: Scene) -> None:
    made = await scene.accounts.create_api_key(
        account.CreateApiKeyRequest(
            organization_name=ORG,
            role=account_pb.Role.VIEWER,
            display_name="short",
            expire_time=at(START + timedelta(hours=1)),
        ),
        headers=scene.key,
    )
    got = await scene.accounts.get_organization(
        account.GetOrganizationRequest(name=ORG), headers=scene.api.headers(made.secret)
    )
    assert got.organization is not None
    assert got.organization.create_time == at(FUTURE)


async def test_clocks_are_the_operators(scene: Scene) -> None:
    listed = await scene.clocks.list_test_clocks(rpc.ListTestClocksRequest(), headers=scene.operator)
    assert [(clock.name, clock.organization_count) for clock in listed.test_clocks] == [(CLOCK, 1)]
    got = await scene.clocks.get_test_clock(rpc.GetTestClockRequest(name=CLOCK), headers=scene.operator)
    assert got.test_clock is not None
    assert (got.test_clock.display_name, got.test_clock.now, got.test_clock.create_time) == (
        "Later",
        at(FUTURE),
        at(START),
    )
    assert got.test_clock.target is None
    refused = {
        (Code.FAILED_PRECONDITION, "TEST_CLOCK_IN_USE"): scene.clocks.delete_test_clock(
            rpc.DeleteTestClockRequest(name=CLOCK), headers=scene.operator
        ),
        (Code.NOT_FOUND, "RESOURCE_NOT_FOUND"): scene.clocks.get_test_clock(
            rpc.GetTestClockRequest(name="test-clocks/other"), headers=scene.operator
        ),
        (Code.INVALID_ARGUMENT, "INVALID_FIELD"): scene.advance(FUTURE - timedelta(seconds=1)),
        (Code.ALREADY_EXISTS, "RESOURCE_EXISTS"): scene.clocks.create_test_clock(
            rpc.CreateTestClockRequest(test_clock_id="later", now=at(FUTURE)), headers=scene.operator
        ),
        (Code.PERMISSION_DENIED, "ROLE_TOO_LOW"): scene.clocks.get_test_clock(
            rpc.GetTestClockRequest(name=CLOCK), headers=scene.key
        ),
    }
    for expected, call in refused.items():
        with pytest.raises(ConnectError) as caught:
            await call
        assert (caught.value.code, reason(caught.value)) == expected
    await scene.clocks.create_test_clock(
        rpc.CreateTestClockRequest(test_clock_id="empty", now=at(FUTURE)), headers=scene.operator
    )
    await scene.clocks.delete_test_clock(rpc.DeleteTestClockRequest(name="test-clocks/empty"), headers=scene.operator)
