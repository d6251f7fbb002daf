"""An organization on a test clock: the months that an advance passes are closed at their times, and at no other."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from protobuf.wkt import Timestamp
from wallet_api.billing.v1 import account_service_pb as account
from wallet_api.billing.v1 import test_clock_service_pb as clocks
from wallet_api.billing.v1.account_service_connect import AccountServiceClient
from wallet_api.billing.v1.test_clock_service_connect import TestClockServiceClient as ClockServiceClient
from wallet_api.wallet.v1 import wallet_service_pb as rpc
from wallet_api.wallet.v1.invoice_pb import Invoice

from tests.rpc.service_app import Api, running
from wallet_service.principal import Role

CLOCK = "test-clocks/later"


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with running(database_url) as made:
        yield made


async def test_an_advance_over_months_closes_each_at_its_time(api: Api) -> None:
    operator = api.headers(Role.OPERATOR)
    driver = ClockServiceClient("http://test", http_client=api.http)
    await driver.create_test_clock(
        clocks.CreateTestClockRequest(
            test_clock_id="later", display_name="Later", now=at(datetime(2031, 6, 10, tzinfo=UTC))
        ),
        headers=operator,
    )
    await AccountServiceClient("http://test", http_client=api.http).create_organization(
        account.CreateOrganizationRequest(organization_id="orbit", test_clock_name=CLOCK), headers=operator
    )
    org_id = await api.service.directory.resolve_organization("orbit")
    assert org_id is not None
    assert await api.service.statement_closing.run_due(None) == 0

    async def statements() -> list[Invoice]:
        request = rpc.ListInvoicesRequest(billing_account_name="organizations/orbit/billing-accounts/default")
        return list((await api.wallet.list_invoices(request, headers=operator)).invoices)

    target = datetime(2031, 9, 1, 0, 10, tzinfo=UTC)
    await driver.advance_test_clock(clocks.AdvanceTestClockRequest(name=CLOCK, target=at(target)), headers=operator)
    found = await statements()
    assert [invoice.number for invoice in found] == ["ST-000003", "ST-000002", "ST-000001"]
    finalized = [datetime.fromtimestamp(invoice.finalize_time_unix, UTC) for invoice in found]
    assert finalized == [datetime(2031, month, 1, 0, 10, tzinfo=UTC) for month in (9, 8, 7)]


def at(time: datetime) -> Timestamp:
    return Timestamp.from_datetime(time)
