"""Suspending, resuming and closing billing accounts, and their policies, by the generated client of AccountService."""

from collections.abc import AsyncIterator

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from wallet_api.billing.v1 import account_pb as pb
from wallet_api.billing.v1 import account_service_pb as rpc
from wallet_api.wallet.v1 import wallet_service_pb as wallet_rpc

from tests.rpc.accounts_app import Api, reason, running
from wallet_service.principal import Role

NAME = "organizations/my-org/billing-accounts/default"


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with running(database_url) as api:
        yield api


async def shown(api: Api) -> tuple[str, str]:
    """(state, reason) as a viewer sees it."""
    request = wallet_rpc.GetBillingAccountRequest(name=NAME)
    answer = await api.wallet.get_billing_account(request, headers=api.headers(Role.VIEWER))
    assert answer.billing_account is not None
    return answer.billing_account.state, answer.billing_account.suspended_reason


async def test_an_operator_suspends_and_resumes(api: Api):
    operator = api.headers(Role.OPERATOR)
    for _ in range(2):
        suspended = await api.account.suspend_billing_account(
            rpc.SuspendBillingAccountRequest(name=NAME), headers=operator
        )
        assert suspended.billing_account is not None
        assert suspended.billing_account.state is pb.BillingAccountState.SUSPENDED
        assert suspended.billing_account.suspended_reason == "manual"
    assert await shown(api) == ("SUSPENDED", "manual")
    await api.account.resume_billing_account(rpc.ResumeBillingAccountRequest(name=NAME), headers=operator)
    assert await shown(api) == ("ACTIVE", "")


async def test_nobody_else_does(api: Api):
    for call in (
        api.account.suspend_billing_account(
            rpc.SuspendBillingAccountRequest(name=NAME), headers=api.headers(Role.ADMIN)
        ),
        api.account.update_suspension_policy(
            rpc.UpdateSuspensionPolicyRequest(name=NAME), headers=api.headers(Role.ADMIN)
        ),
    ):
        with pytest.raises(ConnectError) as refused:
            await call
        assert (refused.value.code, reason(refused.value)) == (Code.PERMISSION_DENIED, "ROLE_TOO_LOW")


async def test_a_policy_is_shown_as_it_is_in_force(api: Api):
    async def policy() -> pb.SuspensionPolicy | None:
        request = rpc.GetSuspensionPolicyRequest(name=NAME)
        return (await api.account.get_suspension_policy(request, headers=api.headers(Role.VIEWER))).policy

    default = pb.SuspensionPolicy(warn_hours=[72, 24, 1], grace_hours=24, suspends=True)
    assert await policy() == default
    chosen = pb.SuspensionPolicy(warn_hours=[6, 48], grace_hours=0, suspends=False)
    operator = api.headers(Role.OPERATOR)
    await api.account.update_suspension_policy(
        rpc.UpdateSuspensionPolicyRequest(name=NAME, policy=chosen), headers=operator
    )
    assert await policy() == pb.SuspensionPolicy(warn_hours=[48, 6], grace_hours=0, suspends=False)
    await api.account.update_suspension_policy(rpc.UpdateSuspensionPolicyRequest(name=NAME), headers=operator)
    assert await policy() == default


async def test_an_account_with_a_wallet_is_not_closed(api: Api):
    operator = api.headers(Role.OPERATOR)
    with pytest.raises(ConnectError) as refused:
        await api.account.close_billing_account(rpc.CloseBillingAccountRequest(name=NAME), headers=operator)
    assert (refused.value.code, reason(refused.value)) == (Code.FAILED_PRECONDITION, "WALLET_NOT_EMPTY")
    organization = await api.organizations.create(slug="leaving")
    await api.wallets.delete(organization.org_id)
    name = "organizations/leaving/billing-accounts/default"
    closed = await api.account.close_billing_account(rpc.CloseBillingAccountRequest(name=name), headers=operator)
    assert closed.billing_account is not None
    assert closed.billing_account.state is pb.BillingAccountState.CLOSED
    with pytest.raises(ConnectError) as refused:
        await api.account.resume_billing_account(rpc.ResumeBillingAccountRequest(name=name), headers=operator)
    assert reason(refused.value) == "BILLING_ACCOUNT_CLOSED"
