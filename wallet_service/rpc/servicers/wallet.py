"""wallet.v1.WalletService, put together from its parts. Methods that no part serves answer UNIMPLEMENTED."""

from wallet_api.wallet.v1.wallet_service_connect import WalletService

from wallet_service.accounts.balances import Balances
from wallet_service.accounts.operations import Organizations
from wallet_service.accounts.wallet_operations import Wallets
from wallet_service.activity.operations import ActivityLog
from wallet_service.alerts.operations import Alerts
from wallet_service.catalog.operations import CatalogOperations
from wallet_service.exports.operations import Exports
from wallet_service.forecast.operations import Forecasts
from wallet_service.invoices.operations import Invoices
from wallet_service.limits.authorization import SpendAuthorization
from wallet_service.limits.operations import SpendingLimits
from wallet_service.payment_methods.operations import PaymentMethods
from wallet_service.promotions.operations import Promotions
from wallet_service.recharge.operations import AutoRecharges
from wallet_service.rpc.scope import Scope
from wallet_service.rpc.servicers.wallet_accounts import WalletAccounts
from wallet_service.rpc.servicers.wallet_activity import WalletActivity
from wallet_service.rpc.servicers.wallet_alerts import WalletAlertMethods
from wallet_service.rpc.servicers.wallet_exports import WalletExports
from wallet_service.rpc.servicers.wallet_forecast import WalletForecast
from wallet_service.rpc.servicers.wallet_invoices import WalletInvoices
from wallet_service.rpc.servicers.wallet_limits import WalletLimits
from wallet_service.rpc.servicers.wallet_payments import WalletPayments
from wallet_service.rpc.servicers.wallet_promotions import WalletPromotions
from wallet_service.rpc.servicers.wallet_recharge import WalletRecharge
from wallet_service.rpc.servicers.wallet_usage import WalletUsage
from wallet_service.topups.operations import TopUps
from wallet_service.usage.query_operations import UsageQueries


class WalletServicer(
    WalletAccounts,
    WalletActivity,
    WalletAlertMethods,
    WalletExports,
    WalletForecast,
    WalletInvoices,
    WalletLimits,
    WalletPayments,
    WalletPromotions,
    WalletRecharge,
    WalletUsage,
    WalletService,
):
    """The published contract."""

    def __init__(
        self,
        scope: Scope,
        *,
        organizations: Organizations,
        wallets: Wallets,
        balances: Balances,
        topups: TopUps,
        payment_methods: PaymentMethods,
        usage_queries: UsageQueries,
        catalog: CatalogOperations,
        activity: ActivityLog,
        alerts: Alerts,
        exports: Exports,
        forecasts: Forecasts,
        invoices: Invoices,
        spending_limits: SpendingLimits,
        spend_authorization: SpendAuthorization,
        promotions: Promotions,
        auto_recharges: AutoRecharges,
        egress_free_gib: int,
    ) -> None:
        WalletAccounts.__init__(self, scope, organizations, wallets, balances)
        WalletActivity.__init__(self, scope, activity)
        WalletAlertMethods.__init__(self, scope, alerts)
        WalletExports.__init__(self, scope, exports)
        WalletForecast.__init__(self, scope, forecasts)
        WalletInvoices.__init__(self, scope, invoices)
        WalletLimits.__init__(self, scope, spending_limits, spend_authorization)
        WalletPromotions.__init__(self, scope, promotions)
        WalletPayments.__init__(self, scope, topups, payment_methods)
        WalletRecharge.__init__(self, scope, auto_recharges)
        WalletUsage.__init__(self, scope, usage_queries, catalog, egress_free_gib=egress_free_gib)
