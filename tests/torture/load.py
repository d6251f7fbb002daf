"""The mixed load: what the clients do, each by its own chance, until they are stopped."""

import threading
from collections.abc import Callable, Mapping
from typing import Final

from wallet.v1 import spending_pb2, wallet_service_pb2

from tests.simulation.books import Broken
from tests.torture import spending
from tests.torture.calling import Refused, Stopped
from tests.torture.payer import DECLINED, GOOD
from tests.torture.scene import DECLINED as DECLINED_PAYMENT
from tests.torture.scene import Caller, Scene
from tests.torture.spending import WALLET, id_of

CLIENTS: Final = 12
_THINK_SECONDS: Final = 0.04


def top_up(caller: Caller) -> None:
    """A top-up by card: the payer pays at once, is declined, is declined and takes another card, or thinks better of it.

    Some are charged to a saved card, which may be declined too.
    """
    tenant, key, chance = caller.some_tenant(), caller.key(), caller.chance
    amount = chance.randrange(100, 5_000)
    card = chance.choice(tenant.cards) if tenant.cards and chance.random() < 0.3 else ""
    request = wallet_service_pb2.CreateStripeTopUpIntentRequest(
        wallet_name=tenant.wallet, amount_minor=amount, payment_method_name=card, idempotency_key=key
    )
    method = f"{WALLET}/CreateStripeTopUpIntent"
    answer = caller.write("top-up", tenant, method, request, key, refusals=DECLINED_PAYMENT)
    if answer is None:
        return
    made = answer.top_up
    if (made.amount_minor, bool(made.external_id)) != (amount, True):
        raise Broken(f"{request} was answered {made}")
    with tenant.lock:
        tenant.topups[id_of(made.name)] = made.external_id
    if card:
        return
    for paying_card in chance.choice(((GOOD,), (GOOD,), (GOOD,), (DECLINED,), (DECLINED, GOOD), ())):
        caller.scene.stripe.pay(made.external_id, paying_card)
    if chance.random() < 0.15:
        caller.scene.stripe.refund(made.external_id, chance.randrange(1, amount + 1))


def look(caller: Caller) -> None:
    """A read; its answer is compared when nobody writes."""
    tenant = caller.some_tenant()
    method, request = caller.chance.choice(
        (
            ("GetWalletBalance", wallet_service_pb2.GetWalletBalanceRequest(name=tenant.wallet)),
            ("GetWalletBalance", wallet_service_pb2.GetWalletBalanceRequest(name=tenant.wallet)),
            ("GetSpendingLimit", spending_pb2.GetSpendingLimitRequest(wallet_name=tenant.wallet)),
            ("ListTopUps", wallet_service_pb2.ListTopUpsRequest(wallet_name=tenant.wallet, page_size=20)),
            ("QueryUsage", wallet_service_pb2.QueryUsageRequest(organization_name=tenant.name, bucket="day")),
            ("AuthorizeSpend", spending_pb2.AuthorizeSpendRequest(wallet_name=tenant.wallet, amount_minor=100)),
        )
    )
    try:
        caller.read(tenant, f"{WALLET}/{method}", request)
    except Refused as refused:
        raise Broken(f"{method} of {tenant.slug} was refused: {refused}") from refused


ACTIONS: Final[Mapping[Callable[[Caller], None], int]] = {
    spending.use_batch: 14,
    spending.use_one: 16,
    spending.deposit: 9,
    spending.buy: 7,
    spending.take_back: 4,
    spending.hold: 12,
    spending.capture: 7,
    spending.release: 4,
    spending.set_limit: 1,
    top_up: 6,
    look: 16,
    Caller.repeat: 6,
}
"""How often, out of their sum."""


def act_until_stopped(number: int, scene: Scene) -> None:
    """The life of one client, in a thread of its own."""
    actions, weights = list(ACTIONS), list(ACTIONS.values())
    with scene.client() as client:
        caller = Caller(number, scene, client)
        try:
            while True:
                with scene.gate.passing():
                    caller.chance.choices(actions, weights)[0](caller)
                scene.stopping.wait(caller.chance.uniform(0, _THINK_SECONDS))
        except Stopped:
            return
        except BaseException as error:
            scene.fail(error)


def clients_of(scene: Scene) -> list[threading.Thread]:
    return [
        threading.Thread(target=act_until_stopped, args=(number, scene), name=f"client-{number}")
        for number in range(CLIENTS)
    ]
