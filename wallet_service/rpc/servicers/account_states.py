"""billing.v1.AccountService: standing of billing accounts."""

from datetime import timedelta
from typing import Final

from wallet_api.billing.v1 import account_pb as pb
from wallet_api.billing.v1 import account_service_pb as rpc

from wallet_service import names
from wallet_service.account_states.model import Policy, PolicyChoice
from wallet_service.account_states.operations import AccountStates
from wallet_service.accounts.model import BillingAccount, BillingAccountState
from wallet_service.rpc.convert import to_proto_timestamp
from wallet_service.rpc.scope import Scope

_STATES: Final = {
    BillingAccountState.ACTIVE: pb.BillingAccountState.ACTIVE,
    BillingAccountState.SUSPENDED: pb.BillingAccountState.SUSPENDED,
    BillingAccountState.CLOSED: pb.BillingAccountState.CLOSED,
}


class AccountStateMethods:
    """Suspend, resume and close an account, and the policy by which that happens by itself."""

    def __init__(self, scope: Scope, states: AccountStates) -> None:
        self._scope = scope
        self._states = states

    async def suspend_billing_account(
        self, request: rpc.SuspendBillingAccountRequest, ctx: object, /
    ) -> rpc.SuspendBillingAccountResponse:
        owner = await self._scope.owner("billing account", request.name)
        return rpc.SuspendBillingAccountResponse(
            billing_account=to_proto_billing_account(await self._states.suspend(owner.org_id))
        )

    async def resume_billing_account(
        self, request: rpc.ResumeBillingAccountRequest, ctx: object, /
    ) -> rpc.ResumeBillingAccountResponse:
        owner = await self._scope.owner("billing account", request.name)
        return rpc.ResumeBillingAccountResponse(
            billing_account=to_proto_billing_account(await self._states.resume(owner.org_id))
        )

    async def close_billing_account(
        self, request: rpc.CloseBillingAccountRequest, ctx: object, /
    ) -> rpc.CloseBillingAccountResponse:
        owner = await self._scope.owner("billing account", request.name)
        return rpc.CloseBillingAccountResponse(
            billing_account=to_proto_billing_account(await self._states.close(owner.org_id))
        )

    async def get_suspension_policy(
        self, request: rpc.GetSuspensionPolicyRequest, ctx: object, /
    ) -> rpc.GetSuspensionPolicyResponse:
        owner = await self._scope.owner("billing account", request.name)
        return rpc.GetSuspensionPolicyResponse(policy=to_proto_policy(await self._states.policy(owner.org_id)))

    async def update_suspension_policy(
        self, request: rpc.UpdateSuspensionPolicyRequest, ctx: object, /
    ) -> rpc.UpdateSuspensionPolicyResponse:
        owner = await self._scope.owner("billing account", request.name)
        choice = PolicyChoice() if request.policy is None else from_proto_policy(request.policy)
        policy = await self._states.choose_policy(owner.org_id, choice)
        return rpc.UpdateSuspensionPolicyResponse(policy=to_proto_policy(policy))


def to_proto_billing_account(account: BillingAccount) -> pb.BillingAccount:
    return pb.BillingAccount(
        name=names.billing_account(account.org_slug),
        organization_name=names.organization(account.org_slug),
        display_name=account.display_name,
        state=_STATES[account.state],
        suspended_reason=account.suspended_reason or "",
        create_time=to_proto_timestamp(account.created_at),
    )


def from_proto_policy(policy: pb.SuspensionPolicy) -> PolicyChoice:
    return PolicyChoice(
        warn_hours=tuple(policy.warn_hours),
        grace_hours=policy.grace_hours if policy.has_field("grace_hours") else None,
        suspends=policy.suspends if policy.has_field("suspends") else None,
    )


def to_proto_policy(policy: Policy) -> pb.SuspensionPolicy:
    return pb.SuspensionPolicy(
        warn_hours=list(policy.warn_hours),
        grace_hours=policy.grace // timedelta(hours=1),
        suspends=policy.suspends,
    )
