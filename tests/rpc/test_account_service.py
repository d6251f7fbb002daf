"""billing.v1.AccountService and the account methods of wallet.v1.WalletService, by their generated clients."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from protobuf.wkt import Duration, Timestamp
from wallet_api.billing.v1 import account_pb as pb
from wallet_api.billing.v1 import account_service_pb as rpc
from wallet_api.wallet.v1 import operator_messages_pb as operator
from wallet_api.wallet.v1 import wallet_service_pb as wallet_rpc

from ledger.accounts import AccountKind, chart_account_id
from ledger.model import OpenHold, Posted, Transfer
from tests.rpc.accounts_app import Api, reason, running
from wallet_service.principal import Role

MY_ORG = "organizations/my-org"


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with running(database_url) as api:
        yield api


async def create(api: Api, slug: str, **fields: Any) -> pb.Organization:
    request = rpc.CreateOrganizationRequest(organization_id=slug, **fields)
    answer = await api.account.create_organization(request, headers=api.headers(Role.OPERATOR))
    assert answer.organization is not None
    return answer.organization


async def refusal(call: Any) -> tuple[Code, str]:
    with pytest.raises(ConnectError) as refused:
        await call
    return refused.value.code, reason(refused.value)


NOT_FOUND = (Code.NOT_FOUND, "RESOURCE_NOT_FOUND")
TOO_LOW = (Code.PERMISSION_DENIED, "ROLE_TOO_LOW")
UNAUTHENTICATED = (Code.UNAUTHENTICATED, "UNAUTHENTICATED")


async def test_an_operator_creates_and_updates_an_organization(api: Api):
    made = await create(api, "acme", display_name="Acme", currency="EUR")
    assert made.name == "organizations/acme"
    assert (made.display_name, made.currency, made.usage_age_max) == ("Acme", "EUR", None)
    assert made.create_time == Timestamp.from_datetime(api.clock.now())
    as_operator = api.headers(Role.OPERATOR)
    request = rpc.UpdateOrganizationRequest(name=made.name, usage_age_max=Duration(seconds=90))
    changed = (await api.account.update_organization(request, headers=as_operator)).organization
    assert changed is not None
    assert (changed.display_name, changed.usage_age_max) == ("Acme", Duration(seconds=90))
    renamed = await api.account.update_organization(
        rpc.UpdateOrganizationRequest(name=made.name, display_name="Acme 2"), headers=as_operator
    )
    found = await api.account.get_organization(rpc.GetOrganizationRequest(name=made.name), headers=as_operator)
    assert found.organization == renamed.organization
    assert renamed.organization is not None
    assert renamed.organization.usage_age_max == Duration(seconds=90)
    balance = await api.wallet.get_wallet_balance(
        wallet_rpc.GetWalletBalanceRequest(name="wallets/acme"), headers=as_operator
    )
    assert (balance.wallet_name, balance.currency) == ("organizations/acme/wallets/default", "EUR")
    assert (balance.balance_minor, balance.last_journal_unix, balance.carry_minor_decimal) == (0, 0, "0")


async def test_taken_names_and_bad_values_are_refused(api: Api):
    assert await refusal(create(api, "my-org")) == (Code.ALREADY_EXISTS, "RESOURCE_EXISTS")
    assert await refusal(create(api, "acme", currency="QQQ")) == (Code.INVALID_ARGUMENT, "INVALID_FIELD")
    assert await refusal(create(api, "Acme")) == (Code.INVALID_ARGUMENT, "INVALID_FIELD")
    too_long = Duration(seconds=315_360_000, nanos=1)
    assert await refusal(create(api, "acme", usage_age_max=too_long)) == (Code.INVALID_ARGUMENT, "INVALID_FIELD")
    await create(api, "acme", request_id="one")
    assert (await create(api, "acme", request_id="one")).name == "organizations/acme"
    reused = await refusal(create(api, "other", request_id="one"))
    assert reused == (Code.ALREADY_EXISTS, "IDEMPOTENCY_KEY_REUSED")


async def test_lists_show_an_operator_all_and_others_their_own(api: Api):
    await create(api, "acme")
    for role, expected in ((Role.OPERATOR, ["acme", "my-org"]), (Role.VIEWER, ["my-org"])):
        listed = await api.account.list_organizations(rpc.ListOrganizationsRequest(), headers=api.headers(role))
        assert [row.name for row in listed.organizations] == [f"organizations/{slug}" for slug in expected]
        names: list[str] = []
        token = "first"
        while token:
            page = await api.wallet.list_billing_accounts(
                wallet_rpc.ListBillingAccountsRequest(page_size=1, page_token="" if token == "first" else token),
                headers=api.headers(role),
            )
            names += [row.name for row in page.billing_accounts]
            token = page.next_page_token
        assert names == [f"organizations/{slug}/billing-accounts/default" for slug in expected]


async def test_another_organization_does_not_exist_for_reads_and_writes_alike(api: Api):
    await create(api, "acme")
    await api.account.create_project(
        rpc.CreateProjectRequest(organization_name="organizations/acme", project_id="their-app"),
        headers=api.headers(Role.OPERATOR),
    )
    for slug in ("acme", "nobody"):
        for role in (Role.VIEWER, Role.ADMIN):
            headers = api.headers(role)
            account = f"organizations/{slug}/billing-accounts/default"
            project = "projects/their-app" if slug == "acme" else "projects/nobody"
            for call in (
                api.account.get_organization(rpc.GetOrganizationRequest(name=f"organizations/{slug}"), headers=headers),
                api.account.get_billing_account(rpc.GetBillingAccountRequest(name=account), headers=headers),
                api.account.update_billing_account(
                    rpc.UpdateBillingAccountRequest(name=account, display_name="x"), headers=headers
                ),
                api.account.list_projects(
                    rpc.ListProjectsRequest(organization_name=f"organizations/{slug}"), headers=headers
                ),
                api.account.create_project(
                    rpc.CreateProjectRequest(organization_name=f"organizations/{slug}", project_id="p"), headers=headers
                ),
                api.account.get_project(rpc.GetProjectRequest(name=project), headers=headers),
                api.wallet.get_wallet(wallet_rpc.GetWalletRequest(name=f"wallets/{slug}"), headers=headers),
                api.wallet.get_wallet_balance(
                    wallet_rpc.GetWalletBalanceRequest(name=f"organizations/{slug}/wallets/default"), headers=headers
                ),
            ):
                assert await refusal(call) == NOT_FOUND
    for slug in ("nobody",):
        missing = api.wallet.get_wallet(
            wallet_rpc.GetWalletRequest(name=f"wallets/{slug}"), headers=api.headers(Role.OPERATOR)
        )
        assert await refusal(missing) == NOT_FOUND


async def test_a_role_that_is_too_low_is_told_so_at_home(api: Api):
    viewer, admin = api.headers(Role.VIEWER), api.headers(Role.ADMIN)
    for call in (
        api.account.create_project(rpc.CreateProjectRequest(organization_name=MY_ORG, project_id="p"), headers=viewer),
        api.account.list_api_keys(rpc.ListApiKeysRequest(organization_name=MY_ORG), headers=viewer),
        api.account.list_api_keys(rpc.ListApiKeysRequest(), headers=admin),
        api.account.create_organization(rpc.CreateOrganizationRequest(organization_id="mine"), headers=admin),
        api.account.update_organization(rpc.UpdateOrganizationRequest(name=MY_ORG), headers=admin),
        api.account.delete_wallet(operator.DeleteWalletRequest(name="wallets/my-org"), headers=admin),
    ):
        assert await refusal(call) == TOO_LOW


async def test_a_wallet_is_deleted_and_opened_again(api: Api):
    headers = api.headers(Role.OPERATOR)
    name, account = f"{MY_ORG}/wallets/default", f"{MY_ORG}/billing-accounts/default"
    again = operator.CreateWalletRequest(name=name, billing_account_name=account, currency="jpy", display_name="second")
    taken = await refusal(api.account.create_wallet(again, headers=headers))
    assert taken == (Code.ALREADY_EXISTS, "RESOURCE_EXISTS")
    await api.account.delete_wallet(operator.DeleteWalletRequest(name=name), headers=headers)
    gone = api.account.delete_wallet(operator.DeleteWalletRequest(name=name), headers=headers)
    assert await refusal(gone) == NOT_FOUND
    for read in (
        api.wallet.get_wallet(wallet_rpc.GetWalletRequest(name=name), headers=headers),
        api.wallet.get_wallet_balance(wallet_rpc.GetWalletBalanceRequest(name=name), headers=headers),
    ):
        assert await refusal(read) == NOT_FOUND
    made = (await api.account.create_wallet(again, headers=headers)).wallet
    assert made is not None
    assert (made.name, made.currency) == (name, "JPY")
    listed = await api.account.list_wallets(
        rpc.ListWalletsRequest(organization_name=MY_ORG), headers=api.headers(Role.VIEWER)
    )
    ends = [(row.wallet and row.wallet.currency, row.display_name, bool(row.delete_time)) for row in listed.wallets]
    assert ends == [("USD", "", True), ("JPY", "second", False)]


async def test_a_wallet_with_money_is_not_deleted_and_its_balance_is_told(api: Api):
    organization = (await api.organizations.list(None, size=0, token="")).rows[0]
    account_id = (await api.wallets.get(organization.org_id)).account_id
    clearing = chart_account_id(organization.org_id, "USD", AccountKind.PROVIDER_CLEARING)
    api.clock.advance(timedelta(seconds=10))
    for request in (
        Transfer(
            org_id=organization.org_id,
            key="fund",
            debit_account=clearing,
            credit_account=account_id,
            amount_minor=5000,
        ),
        OpenHold(org_id=organization.org_id, key="hold", wallet=account_id, amount_minor=1200),
    ):
        assert isinstance(await api.ledger.post(request), Posted)
    balance = await api.wallet.get_wallet_balance(
        wallet_rpc.GetWalletBalanceRequest(name="wallets/my-org"), headers=api.headers(Role.VIEWER)
    )
    assert (balance.balance_minor, balance.available_minor, balance.held_minor) == (5000, 3800, 1200)
    assert balance.last_journal_unix == int(api.clock.now().timestamp())
    kept = api.account.delete_wallet(
        operator.DeleteWalletRequest(name="wallets/my-org"), headers=api.headers(Role.OPERATOR)
    )
    assert await refusal(kept) == (Code.FAILED_PRECONDITION, "WALLET_NOT_EMPTY")


async def test_the_published_path_answers_with_flat_names(api: Api):
    answers = {}
    for service in ("wallet.v1", "aes.wallet.v1"):
        for method, body in (
            ("GetWallet", {"name": f"{MY_ORG}/wallets/default"}),
            ("GetWalletBalance", {"name": "wallets/my-org"}),
            ("GetBillingAccount", {"name": "billing-accounts/my-org"}),
            ("ListBillingAccounts", {}),
        ):
            answer = await api.http.post(
                f"/{service}.WalletService/{method}", json=body, headers=api.headers(Role.VIEWER)
            )
            assert answer.status_code == 200, answer.text
            answers[service, method] = answer.json()
    wallet = {"currency": "USD", "createTimeUnix": str(int(api.clock.now().timestamp()))}
    assert answers["aes.wallet.v1", "GetWallet"]["wallet"] == wallet | {
        "name": "wallets/my-org",
        "billingAccountName": "billing-accounts/my-org",
    }
    assert answers["wallet.v1", "GetWallet"]["wallet"] == wallet | {
        "name": f"{MY_ORG}/wallets/default",
        "billingAccountName": f"{MY_ORG}/billing-accounts/default",
    }
    assert answers["aes.wallet.v1", "GetWalletBalance"]["walletName"] == "wallets/my-org"
    assert answers["wallet.v1", "GetWalletBalance"]["walletName"] == f"{MY_ORG}/wallets/default"
    for service, name in (
        ("wallet.v1", f"{MY_ORG}/billing-accounts/default"),
        ("aes.wallet.v1", "billing-accounts/my-org"),
    ):
        account = answers[service, "GetBillingAccount"]["billingAccount"]
        assert (account["name"], account["organizationName"], account["state"]) == (name, MY_ORG, "ACTIVE")
        assert answers[service, "ListBillingAccounts"]["billingAccounts"] == [account]


async def test_projects(api: Api):
    admin = api.headers(Role.ADMIN)
    made = await api.account.create_project(
        rpc.CreateProjectRequest(organization_name=MY_ORG, project_id="web"), headers=admin
    )
    assert made.project is not None
    assert (made.project.name, made.project.display_name) == ("projects/web", "web")
    renamed = await api.account.update_project(
        rpc.UpdateProjectRequest(name="projects/web", display_name="Web"), headers=admin
    )
    for role in (Role.VIEWER, Role.OPERATOR):
        found = await api.account.get_project(rpc.GetProjectRequest(name="projects/web"), headers=api.headers(role))
        assert found.project == renamed.project
    listed = await api.account.list_projects(
        rpc.ListProjectsRequest(organization_name=MY_ORG), headers=api.headers(Role.VIEWER)
    )
    assert [row.name for row in listed.projects] == ["projects/my-app", "projects/web"]


async def test_the_life_of_a_key(api: Api):
    admin = api.headers(Role.ADMIN)
    request = rpc.CreateApiKeyRequest(
        organization_name=MY_ORG,
        display_name="ci",
        role=pb.Role.EDITOR,
        expire_time=Timestamp.from_datetime(api.clock.now() + timedelta(days=1)),
        request_id="r",
    )
    made = await api.account.create_api_key(request, headers=admin)
    assert made.api_key is not None
    assert made.secret.startswith("wk_test_")
    assert made.api_key.prefix == made.secret[:12]
    again = await api.account.create_api_key(request, headers=admin)
    assert (again.secret, again.api_key) == ("", made.api_key)
    read = rpc.GetOrganizationRequest(name=MY_ORG)
    await api.account.get_organization(read, headers=api.headers(made.secret))
    name = made.api_key.name
    revoked = await api.account.revoke_api_key(rpc.RevokeApiKeyRequest(name=name), headers=admin)
    assert revoked.api_key is not None
    assert revoked.api_key.revoke_time == Timestamp.from_datetime(api.clock.now())
    found = await api.account.get_api_key(rpc.GetApiKeyRequest(name=name), headers=admin)
    assert found.api_key == revoked.api_key
    listed = await api.account.list_api_keys(rpc.ListApiKeysRequest(organization_name=MY_ORG), headers=admin)
    assert listed.api_keys[0] == revoked.api_key
    assert len(listed.api_keys) == 4


async def test_wrong_expired_and_missing_keys_are_refused_alike(api: Api):
    request = rpc.GetOrganizationRequest(name=MY_ORG)
    soon = Timestamp.from_datetime(api.clock.now() + timedelta(minutes=1))
    expiring = await api.account.create_api_key(
        rpc.CreateApiKeyRequest(organization_name=MY_ORG, display_name="soon", role=pb.Role.VIEWER, expire_time=soon),
        headers=api.headers(Role.ADMIN),
    )
    api.clock.advance(timedelta(minutes=1))
    for headers in (
        api.headers("wk_test_wrong"),
        api.headers(expiring.secret),
        {"authorization": "Basic abc"},
        {},
    ):
        assert await refusal(api.account.get_organization(request, headers=headers)) == UNAUTHENTICATED


async def test_keys_of_operators_are_for_operators(api: Api):
    headers = api.headers(Role.OPERATOR)
    made = await api.account.create_api_key(
        rpc.CreateApiKeyRequest(display_name="second", role=pb.Role.OPERATOR), headers=headers
    )
    assert made.api_key is not None
    name = made.api_key.name
    assert name.startswith("operators/api-keys/")
    found = await api.account.get_api_key(rpc.GetApiKeyRequest(name=name), headers=headers)
    assert found.api_key == made.api_key
    admin = api.headers(Role.ADMIN)
    for call in (
        api.account.get_api_key(rpc.GetApiKeyRequest(name=name), headers=admin),
        api.account.revoke_api_key(rpc.RevokeApiKeyRequest(name=name), headers=admin),
        api.account.get_api_key(
            rpc.GetApiKeyRequest(name=f"{MY_ORG}/api-keys/{name.rpartition('/')[2]}"), headers=admin
        ),
    ):
        assert await refusal(call) == NOT_FOUND
    for organization_name, role in (("", pb.Role.OPERATOR), (MY_ORG, pb.Role.OPERATOR)):
        request = rpc.CreateApiKeyRequest(organization_name=organization_name, display_name="x", role=role)
        assert await refusal(api.account.create_api_key(request, headers=admin)) == TOO_LOW


async def test_the_last_admin_key_stays(api: Api):
    admin = api.headers(Role.ADMIN)
    listed = await api.account.list_api_keys(rpc.ListApiKeysRequest(organization_name=MY_ORG), headers=admin)
    (mine,) = (key.name for key in listed.api_keys if key.role is pb.Role.ADMIN)
    request = rpc.RevokeApiKeyRequest(name=mine)
    refused = await refusal(api.account.revoke_api_key(request, headers=admin))
    assert refused == (Code.FAILED_PRECONDITION, "LAST_ADMIN_KEY")
    await api.account.revoke_api_key(request, headers=api.headers(Role.OPERATOR))
