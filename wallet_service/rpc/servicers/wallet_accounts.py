"""wallet.v1.WalletService: billing accounts and wallets."""

from wallet_api.wallet.v1 import wallet_pb as pb
from wallet_api.wallet.v1 import wallet_service_pb as rpc

from wallet_service import names
from wallet_service.accounts.balances import Balances
from wallet_service.accounts.model import BillingAccount, Wallet
from wallet_service.accounts.operations import Organizations
from wallet_service.accounts.wallet_operations import Wallets
from wallet_service.errors import not_found
from wallet_service.rpc.call import current_call
from wallet_service.rpc.convert import to_unix
from wallet_service.rpc.scope import Scope, visible_organization


class WalletAccounts:
    """The four methods about what an organization has."""

    def __init__(
        self,
        scope: Scope,
        organizations: Organizations,
        wallets: Wallets,
        balances: Balances,
    ) -> None:
        self._scope = scope
        self._organizations = organizations
        self._wallets = wallets
        self._balances = balances

    async def list_billing_accounts(
        self, request: rpc.ListBillingAccountsRequest, ctx: object, /
    ) -> rpc.ListBillingAccountsResponse:
        flat = current_call().flat_names
        page = await self._organizations.list_billing_accounts(
            visible_organization(), size=request.page_size, token=request.page_token
        )
        return rpc.ListBillingAccountsResponse(
            billing_accounts=[to_proto_billing_account(row, flat=flat) for row in page.rows],
            next_page_token=page.next_page_token,
        )

    async def get_billing_account(
        self, request: rpc.GetBillingAccountRequest, ctx: object, /
    ) -> rpc.GetBillingAccountResponse:
        owner = await self._scope.owner("billing account", request.name)
        found = await self._organizations.get_billing_account(owner.org_id)
        return rpc.GetBillingAccountResponse(
            billing_account=to_proto_billing_account(found, flat=current_call().flat_names)
        )

    async def get_wallet(self, request: rpc.GetWalletRequest, ctx: object, /) -> rpc.GetWalletResponse:
        owner = await self._scope.owner("wallet", request.name)
        found = await self._wallets.get(owner.org_id)
        return rpc.GetWalletResponse(wallet=to_proto_wallet(found, flat=current_call().flat_names))

    async def get_wallet_balance(
        self, request: rpc.GetWalletBalanceRequest, ctx: object, /
    ) -> rpc.GetWalletBalanceResponse:
        owner = await self._scope.owner("wallet", request.name)
        balance = await self._balances.balance(owner.org_id)
        if balance is None:
            raise not_found("wallet", request.name)
        return rpc.GetWalletBalanceResponse(
            wallet_name=names.wallet(owner.slug, flat=current_call().flat_names),
            balance_minor=balance.balance_minor,
            currency=balance.currency,
            last_journal_unix=to_unix(balance.last_entry_at),
            available_minor=balance.available_minor,
            held_minor=balance.held_minor,
            carry_minor_decimal=balance.carry_text,
        )


def to_proto_billing_account(account: BillingAccount, *, flat: bool) -> pb.BillingAccount:
    return pb.BillingAccount(
        name=names.billing_account(account.org_slug, flat=flat),
        organization_name=names.organization(account.org_slug),
        display_name=account.display_name,
        state=account.state.name,
        create_time_unix=to_unix(account.created_at),
        suspended_reason=account.suspended_reason or "",
    )


def to_proto_wallet(wallet: Wallet, *, flat: bool) -> pb.Wallet:
    return pb.Wallet(
        name=names.wallet(wallet.org_slug, flat=flat),
        billing_account_name=names.billing_account(wallet.org_slug, flat=flat),
        currency=wallet.currency,
        create_time_unix=to_unix(wallet.created_at),
    )
