"""How the installation is filled before the load begins: the schema, the catalog, the organizations and their cards."""

from datetime import timedelta
from typing import Final

from pydantic import SecretStr
from wallet.v1 import wallet_service_pb2

from tests.simulation.model import Customer, Terms
from tests.simulation.prices import CATALOG
from tests.torture.calling import Client
from tests.torture.installation import STRIPE_KEY
from tests.torture.journal import Tenant
from tests.torture.payer import GOOD
from tests.torture.scene import Scene
from tests.torture.spending import WALLET
from wallet_service.accounts import steps as accounts
from wallet_service.config import Settings
from wallet_service.migrate import upgrade
from wallet_service.principal import Role
from wallet_service.service import Service
from wallet_service.tenancy import Reach, within

TENANTS: Final = 5
"""The first is the hot one, the second has a limit, the third is recharged automatically, the fourth has a bad card."""

_BAD_CARD: Final = "pm_card_chargeCustomerFail"
_TERMS: Final = Terms(0, 0, timedelta(0))
_RECHARGE_BELOW_MINOR: Final = 3_000
_RECHARGE_MINOR: Final = 5_000


async def fill(database_url: str, stripe_url: str) -> tuple[str, list[Tenant]]:
    """An operator's key, and organizations with a key each."""
    await upgrade(database_url)
    settings = Settings().model_copy(
        update={
            "environment": "test",
            "database_url": SecretStr(database_url),
            "stripe_api_key": SecretStr(STRIPE_KEY),
            "stripe_api_base": stripe_url,
            "stripe_webhook_secret": SecretStr("whsec_none"),
            "log_level": "error",
        }
    )
    with within(Reach.EVERYONE):
        async with Service(settings) as service:
            await service.catalog.apply(CATALOG)
            operator = await service.api_keys.issue(org_id=None, role=Role.OPERATOR, display_name="torture")
            return operator.secret, [await _tenant(service, number) for number in range(TENANTS)]


async def _tenant(service: Service, number: int) -> Tenant:
    slug = f"tenant-{number}"
    made = await service.organizations.create(slug=slug, currency="USD")
    await service.projects.create(made.org_id, slug=f"{slug}-main", display_name="", request_id="")
    key = await service.api_keys.issue(org_id=made.org_id, role=Role.ADMIN, display_name="torture")
    wallet = await service.db.read(lambda conn: accounts.open_wallet(conn, made.org_id))
    return Tenant(Customer(wallet, _TERMS), key.secret)


def save_cards(scene: Scene, client: Client) -> None:
    """Cards, and automatic recharging, by calls to the running service."""
    for tenant, token in ((scene.tenants[0], GOOD), (scene.tenants[2], GOOD), (scene.tenants[3], _BAD_CARD)):
        name = f"{tenant.name}/payment-methods/card"
        client.read(
            f"{WALLET}/AttachPaymentMethod",
            wallet_service_pb2.AttachPaymentMethodRequest(
                name=name,
                billing_account_name=f"{tenant.name}/billing-accounts/default",
                stripe_payment_method_id=token,
            ),
            tenant.api_key,
        )
        tenant.cards = (name,)
    tenant = scene.tenants[2]
    tenant.is_recharged = True
    client.read(
        f"{WALLET}/ConfigureAutoRecharge",
        wallet_service_pb2.ConfigureAutoRechargeRequest(
            wallet_name=tenant.wallet,
            enabled=True,
            threshold_minor=_RECHARGE_BELOW_MINOR,
            amount_minor=_RECHARGE_MINOR,
            payment_method_name=tenant.cards[0],
            cooldown_seconds=1,
        ),
        tenant.api_key,
    )
