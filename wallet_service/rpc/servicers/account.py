"""billing.v1.AccountService."""

from typing import Final

from wallet_api.billing.v1 import account_pb as pb
from wallet_api.billing.v1 import account_service_pb as rpc
from wallet_api.billing.v1.account_service_connect import AccountService
from wallet_api.wallet.v1.operator_messages_pb import (
    CreateWalletRequest,
    CreateWalletResponse,
    DeleteWalletRequest,
    DeleteWalletResponse,
)

from wallet_service import names
from wallet_service.account_states.operations import AccountStates
from wallet_service.accounts.model import (
    Organization,
    Project,
    Wallet,
)
from wallet_service.accounts.operations import Organizations
from wallet_service.accounts.project_operations import Projects
from wallet_service.accounts.wallet_operations import Wallets
from wallet_service.apikeys.operations import ApiKeys
from wallet_service.apikeys.rules import ApiKey
from wallet_service.audit_log.operations import AuditLog
from wallet_service.errors import not_found
from wallet_service.notifications.operations import Notifications
from wallet_service.principal import Role
from wallet_service.rpc.convert import (
    from_proto_duration,
    from_proto_timestamp,
    to_proto_duration,
    to_proto_timestamp,
)
from wallet_service.rpc.scope import Owner, Scope, caller, visible_organization
from wallet_service.rpc.servicers.account_states import AccountStateMethods, to_proto_billing_account
from wallet_service.rpc.servicers.audit_log import AuditLogMethods
from wallet_service.rpc.servicers.notification_settings import NotificationSettingsMethods
from wallet_service.rpc.servicers.wallet_accounts import to_proto_wallet

_TO_ROLES: Final = {
    Role.VIEWER: pb.Role.VIEWER,
    Role.EDITOR: pb.Role.EDITOR,
    Role.ADMIN: pb.Role.ADMIN,
    Role.OPERATOR: pb.Role.OPERATOR,
}
_FROM_ROLES: Final = {wire: role for role, wire in _TO_ROLES.items()}


class AccountServicer(AccountStateMethods, NotificationSettingsMethods, AuditLogMethods, AccountService):
    """Organizations and what belongs to them."""

    def __init__(
        self,
        scope: Scope,
        organizations: Organizations,
        wallets: Wallets,
        projects: Projects,
        keys: ApiKeys,
        notifications: Notifications,
        states: AccountStates,
        audit_log: AuditLog,
    ) -> None:
        AccountStateMethods.__init__(self, scope, states)
        NotificationSettingsMethods.__init__(self, scope, notifications)
        AuditLogMethods.__init__(self, scope, audit_log)
        self._scope = scope
        self._organizations = organizations
        self._wallets = wallets
        self._projects = projects
        self._keys = keys

    async def create_organization(
        self, request: rpc.CreateOrganizationRequest, ctx: object, /
    ) -> rpc.CreateOrganizationResponse:
        made = await self._organizations.create(
            slug=request.organization_id,
            display_name=request.display_name,
            currency=request.currency,
            usage_age_max=from_proto_duration(request.usage_age_max, "usage_age_max"),
            test_clock=names.parse_test_clock(clock, "test_clock_name") if (clock := request.test_clock_name) else None,
            request_id=request.request_id,
        )
        return rpc.CreateOrganizationResponse(organization=to_proto_organization(made))

    async def get_organization(
        self, request: rpc.GetOrganizationRequest, ctx: object, /
    ) -> rpc.GetOrganizationResponse:
        owner = await self._scope.owner("organization", request.name)
        found = await self._organizations.get(owner.org_id)
        return rpc.GetOrganizationResponse(organization=to_proto_organization(found))

    async def list_organizations(
        self, request: rpc.ListOrganizationsRequest, ctx: object, /
    ) -> rpc.ListOrganizationsResponse:
        page = await self._organizations.list(visible_organization(), size=request.page_size, token=request.page_token)
        return rpc.ListOrganizationsResponse(
            organizations=[to_proto_organization(row) for row in page.rows],
            next_page_token=page.next_page_token,
        )

    async def update_organization(
        self, request: rpc.UpdateOrganizationRequest, ctx: object, /
    ) -> rpc.UpdateOrganizationResponse:
        owner = await self._scope.owner("organization", request.name)
        named = request.has_field("display_name")
        changed = await self._organizations.update(
            owner.org_id,
            display_name=request.display_name if named else None,
            usage_age_max=from_proto_duration(request.usage_age_max, "usage_age_max"),
        )
        return rpc.UpdateOrganizationResponse(organization=to_proto_organization(changed))

    async def get_billing_account(
        self, request: rpc.GetBillingAccountRequest, ctx: object, /
    ) -> rpc.GetBillingAccountResponse:
        owner = await self._scope.owner("billing account", request.name)
        found = await self._organizations.get_billing_account(owner.org_id)
        return rpc.GetBillingAccountResponse(billing_account=to_proto_billing_account(found))

    async def update_billing_account(
        self, request: rpc.UpdateBillingAccountRequest, ctx: object, /
    ) -> rpc.UpdateBillingAccountResponse:
        owner = await self._scope.owner("billing account", request.name)
        changed = await self._organizations.rename_billing_account(owner.org_id, request.display_name)
        return rpc.UpdateBillingAccountResponse(billing_account=to_proto_billing_account(changed))

    async def create_wallet(self, request: CreateWalletRequest, ctx: object, /) -> CreateWalletResponse:
        owner = await self._scope.owner("wallet", request.name)
        made = await self._wallets.create(owner.org_id, currency=request.currency, display_name=request.display_name)
        return CreateWalletResponse(wallet=to_proto_wallet(made, flat=False))

    async def list_wallets(self, request: rpc.ListWalletsRequest, ctx: object, /) -> rpc.ListWalletsResponse:
        owner = await self._scope.owner("organization", request.organization_name)
        page = await self._wallets.list(owner.org_id, size=request.page_size, token=request.page_token)
        return rpc.ListWalletsResponse(
            wallets=[to_proto_wallet_record(row) for row in page.rows],
            next_page_token=page.next_page_token,
        )

    async def delete_wallet(self, request: DeleteWalletRequest, ctx: object, /) -> DeleteWalletResponse:
        owner = await self._scope.owner("wallet", request.name)
        await self._wallets.delete(owner.org_id)
        return DeleteWalletResponse()

    async def create_project(self, request: rpc.CreateProjectRequest, ctx: object, /) -> rpc.CreateProjectResponse:
        owner = await self._scope.owner("organization", request.organization_name)
        made = await self._projects.create(
            owner.org_id,
            slug=request.project_id,
            display_name=request.display_name,
            request_id=request.request_id,
        )
        return rpc.CreateProjectResponse(project=to_proto_project(made))

    async def get_project(self, request: rpc.GetProjectRequest, ctx: object, /) -> rpc.GetProjectResponse:
        owner = await self._scope.project(request.name, "name")
        slug = names.parse_project(request.name, "name")
        found = await self._projects.get(owner.org_id, slug)
        return rpc.GetProjectResponse(project=to_proto_project(found))

    async def list_projects(self, request: rpc.ListProjectsRequest, ctx: object, /) -> rpc.ListProjectsResponse:
        owner = await self._scope.owner("organization", request.organization_name)
        page = await self._projects.list(owner.org_id, size=request.page_size, token=request.page_token)
        return rpc.ListProjectsResponse(
            projects=[to_proto_project(row) for row in page.rows],
            next_page_token=page.next_page_token,
        )

    async def update_project(self, request: rpc.UpdateProjectRequest, ctx: object, /) -> rpc.UpdateProjectResponse:
        owner = await self._scope.project(request.name, "name")
        slug = names.parse_project(request.name, "name")
        changed = await self._projects.rename(owner.org_id, slug=slug, display_name=request.display_name)
        return rpc.UpdateProjectResponse(project=to_proto_project(changed))

    async def create_api_key(self, request: rpc.CreateApiKeyRequest, ctx: object, /) -> rpc.CreateApiKeyResponse:
        owner = await self._owner_or_platform(request.organization_name)
        issued = await self._keys.create(
            caller(),
            org_id=owner and owner.org_id,
            role=_FROM_ROLES[request.role],
            display_name=request.display_name,
            expires_at=from_proto_timestamp(request.expire_time, "expire_time"),
            request_id=request.request_id,
        )
        return rpc.CreateApiKeyResponse(api_key=to_proto_api_key(issued.key), secret=issued.secret)

    async def get_api_key(self, request: rpc.GetApiKeyRequest, ctx: object, /) -> rpc.GetApiKeyResponse:
        owner, key_id = await self._named_key(request.name)
        found = await self._keys.get(owner and owner.org_id, key_id)
        return rpc.GetApiKeyResponse(api_key=to_proto_api_key(found))

    async def list_api_keys(self, request: rpc.ListApiKeysRequest, ctx: object, /) -> rpc.ListApiKeysResponse:
        owner = await self._owner_or_platform(request.organization_name)
        page = await self._keys.list(owner and owner.org_id, size=request.page_size, token=request.page_token)
        return rpc.ListApiKeysResponse(
            api_keys=[to_proto_api_key(row) for row in page.rows],
            next_page_token=page.next_page_token,
        )

    async def revoke_api_key(self, request: rpc.RevokeApiKeyRequest, ctx: object, /) -> rpc.RevokeApiKeyResponse:
        owner, key_id = await self._named_key(request.name)
        revoked = await self._keys.revoke(caller(), owner and owner.org_id, key_id)
        return rpc.RevokeApiKeyResponse(api_key=to_proto_api_key(revoked))

    async def _owner_or_platform(self, organization_name: str) -> Owner | None:
        """None where no organization is named, which authorization leaves to operators."""
        if not organization_name:
            return None
        return await self._scope.owner("organization", organization_name)

    async def _named_key(self, name: str) -> tuple[Owner | None, str]:
        """Owner and id of a key; an operator's key is there for operators only."""
        child = names.parse_api_key(name, "name")
        if child.org is not None:
            return await self._scope.owner("API key", name), child.id
        if caller().role is not Role.OPERATOR:
            raise not_found("API key", name)
        return None, child.id


def to_proto_organization(organization: Organization) -> pb.Organization:
    return pb.Organization(
        name=names.organization(organization.slug),
        display_name=organization.display_name,
        currency=organization.currency,
        usage_age_max=to_proto_duration(organization.usage_age_max),
        create_time=to_proto_timestamp(organization.created_at),
    )


def to_proto_wallet_record(wallet: Wallet) -> rpc.WalletRecord:
    return rpc.WalletRecord(
        wallet=to_proto_wallet(wallet, flat=False),
        display_name=wallet.display_name,
        delete_time=to_proto_timestamp(wallet.closed_at),
    )


def to_proto_project(project: Project) -> pb.Project:
    return pb.Project(
        name=names.project(project.slug),
        organization_name=names.organization(project.org_slug),
        display_name=project.display_name,
        create_time=to_proto_timestamp(project.created_at),
    )


def to_proto_api_key(key: ApiKey) -> pb.ApiKey:
    return pb.ApiKey(
        name=names.api_key(key.org_slug, str(key.key_id)),
        display_name=key.display_name,
        role=_TO_ROLES[key.role],
        prefix=key.prefix,
        expire_time=to_proto_timestamp(key.expires_at),
        revoke_time=to_proto_timestamp(key.revoked_at),
        last_use_time=to_proto_timestamp(key.last_used_at),
        create_time=to_proto_timestamp(key.created_at),
    )
