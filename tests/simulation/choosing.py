"""Steps in which customers and operators choose: limits, alerts, policies, cards, automatic recharging, promotions."""

import asyncio
import random
from datetime import timedelta
from typing import Final
from uuid import UUID

from tests.simulation.books import Broken
from tests.simulation.model import Card, Customer, Discount, Limit
from tests.simulation.simulation import Refused, Simulation
from wallet_service.account_states.model import PolicyChoice
from wallet_service.errors import Reason
from wallet_service.limits.model import Duration, Strategy
from wallet_service.promotions.model import NewCampaign, Promotion
from wallet_service.recharge.operations import RechargeRequest
from wallet_service.topups.operations import CardTopUpRequest

SAVABLE: Final = (
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_mastercard",
    "pm_card_chargeCustomerFail",
    "pm_card_authenticationRequired",
    "pm_card_createDispute",
)
_KEY_ID: Final = UUID(int=77)
_DECLINED: Final = frozenset({Reason.PAYMENT_DECLINED, Reason.PROVIDER_REFUSED, Reason.PAYMENT_METHOD_INVALID})


async def limit(sim: Simulation, chance: random.Random) -> None:
    """A spending limit is set, changed or removed."""
    customer = chance.choice(sim.customers)
    if customer.limit is not None and chance.random() < 0.5:
        await sim.must(lambda service: service.spending_limits.delete(customer.org_id))
        customer.limit = None
        return
    wanted = Limit(chance.randrange(100, 90_000), chance.choice(list(Duration)), chance.choice(list(Strategy)))
    status = await sim.must(
        lambda service: service.spending_limits.set(
            customer.org_id, amount_minor=wanted.amount, duration=wanted.duration, strategy=wanted.strategy
        )
    )
    customer.limit = wanted
    spent = sim.book(customer).spent_since(wanted.window_start(sim.clock.now()))
    if status.spent_minor != spent:
        raise Broken(f"{customer.wallet.org_slug} has spent {spent} in the window, and is told {status}")


async def alert(sim: Simulation, chance: random.Random) -> None:
    """Alerts are turned on, changed or turned off."""
    customer = chance.choice(sim.customers)
    balance = chance.choice((None, 0, 5_000, 20_000))
    days = chance.choice((None, 3, 10))
    await sim.must(
        lambda service: service.alerts.configure(
            customer.org_id, balance_alert_minor=balance, days_remaining_alert=days
        )
    )


async def account(sim: Simulation, chance: random.Random) -> None:
    """An operator suspends, resumes, or chooses how an account ends that has no money."""
    customer = chance.choice(sim.customers)
    match chance.randrange(4):
        case 0:
            await sim.must(lambda service: service.account_states.suspend(customer.org_id))
        case 1:
            choice = PolicyChoice(grace_hours=chance.choice((0, 6, 48)), suspends=chance.random() < 0.6)
            await sim.must(lambda service: service.account_states.choose_policy(customer.org_id, choice))
        case _:
            await sim.must(lambda service: service.account_states.resume(customer.org_id))


async def save_card(sim: Simulation, chance: random.Random) -> None:
    """A card is saved, some of which are declined or want the payer's bank when they are charged."""
    customer = chance.choice(sim.customers)
    token, name = chance.choice(SAVABLE), f"card-{customer.key()}"
    answer = await sim.ask(
        lambda service: service.payment_methods.attach(
            customer.org_id, provider_method_id=token, payment_method_id=name, make_default=chance.random() < 0.5
        )
    )
    if isinstance(answer, Refused):
        # The provider keeps the answer to a token for a day; the card of then may be gone.
        if answer.reason not in _DECLINED:
            raise answer.error
    elif all(card.name != answer.payment_method_id for card in customer.cards):
        customer.cards.append(Card(answer.payment_method_id, token))


async def drop_card(sim: Simulation, chance: random.Random) -> None:
    """A card is removed, unless a recharge needs it."""
    customer = chance.choice(sim.customers)
    if not customer.cards:
        return
    card = chance.choice(customer.cards)
    answer = await sim.ask(lambda service: service.payment_methods.detach(customer.org_id, card.name))
    if not isinstance(answer, Refused):
        customer.cards.remove(card)
    elif answer.reason is not Reason.PAYMENT_METHOD_IN_USE or customer.recharge is None:
        raise Broken(f"{card} was not removed: {answer.error!r}")


async def charge_card(sim: Simulation, chance: random.Random) -> None:
    """A top-up with a saved card, or with the default one; the same key again has the same answer."""
    customer = chance.choice(sim.customers)
    if not customer.cards:
        return
    card, amount, key = chance.choice(customer.cards), chance.randrange(100, 30_000), customer.key()
    wanted = CardTopUpRequest(org_id=customer.org_id, amount_minor=amount, payment_method_id=card.name, request_key=key)
    answers = [
        await sim.ask(lambda service: service.topups.create_by_card(wanted)) for _ in range(chance.choice((1, 2)))
    ]
    for answer in answers:
        if isinstance(answer, Refused):
            if answer.reason not in _DECLINED:
                raise answer.error
        elif answer.topup.amount_minor != amount:
            raise Broken(f"{amount} were asked for: {answer.topup}")
    started = [answer.topup.topup_id for answer in answers if not isinstance(answer, Refused)]
    if len(set(started)) > 1:
        raise Broken(f"one key has started {started}")


async def recharge(sim: Simulation, chance: random.Random) -> None:
    """Automatic recharging is turned on with a card, changed, turned off or forgotten."""
    customer = chance.choice(sim.customers)
    if not customer.cards:
        return
    if customer.recharge is not None and chance.random() < 0.3:
        if chance.random() < 0.5:
            await sim.must(lambda service: service.auto_recharges.disable(customer.org_id))
        else:
            await sim.must(lambda service: service.auto_recharges.delete(customer.org_id))
        customer.recharge = None
        return
    terms = customer.terms
    card = chance.choice(customer.cards)
    amount = chance.randrange(1_000, terms.daily_cap // 2)
    wanted = RechargeRequest(
        threshold_minor=chance.randrange(500, 20_000),
        amount_minor=amount,
        payment_method_id=card.name,
        close_gap_max_minor=chance.choice((0, terms.daily_cap)),
        daily_cap_minor=terms.daily_cap,
        monthly_cap_minor=terms.monthly_cap,
        cooldown=terms.cooldown,
    )
    await sim.must(lambda service: service.auto_recharges.enable(customer.org_id, wanted, key_id=_KEY_ID))
    customer.recharge = card.name


async def campaign(sim: Simulation, chance: random.Random) -> None:
    """An operator makes a campaign, with a few codes."""
    sim.campaigns += 1
    terms = NewCampaign(
        campaign_id=f"campaign-{sim.campaigns}",
        display_name="",
        percent=chance.randrange(1, 101),
        starts_at=chance.choice((None, sim.clock.now() + timedelta(days=2))),
        ends_at=None,
        lasts=timedelta(hours=chance.randrange(1, 24 * 20)),
        applies_to_usage=chance.random() < 0.8,
        applies_to_prepaid=True,
        redeem_before=None,
    )
    made = await sim.ask(lambda service: service.promotions.create_campaign(terms, request_id=f"c-{sim.campaigns}"))
    if isinstance(made, Refused):
        raise made.error
    codes = await sim.must(lambda service: service.promotions.create_codes(terms.campaign_id, count=3))
    sim.codes += codes


async def redeem(sim: Simulation, chance: random.Random) -> None:
    """A customer redeems a code several times at once and gets it once, if no promotion is in the way; then another tries.

    One after the other, so that who gets it does not depend on which of two connections is faster.
    """
    if not sim.codes:
        return
    code = chance.choice(sim.codes)
    racing = chance.sample(sim.customers, 2)

    async def one(customer: Customer) -> Promotion | Refused:
        return await sim.ask(lambda service: service.promotions.redeem(customer.org_id, code))

    first = await asyncio.gather(*(one(racing[0]) for _ in range(chance.choice((1, 3)))))
    answers = [(racing[0], answer) for answer in first]
    answers.append((racing[1], await one(racing[1])))
    for customer, answer in answers:
        if isinstance(answer, Refused):
            if answer.reason not in (
                Reason.PROMOTION_CODE_USED,
                Reason.PROMOTION_ALREADY_ACTIVE,
                Reason.PROMOTION_CODE_INVALID,
            ):
                raise answer.error
            continue
        _grant(sim, customer, code, answer)


def _grant(sim: Simulation, customer: Customer, code: str, promotion: Promotion) -> None:
    owner = sim.owners.setdefault(code, customer.wallet.org_slug)
    if owner != customer.wallet.org_slug:
        raise Broken(f"{code} was redeemed by {owner} and by {customer.wallet.org_slug}")
    percent = promotion.percent if promotion.applies_to_usage else 0
    granted = Discount(promotion.starts_at, promotion.ends_at, percent)
    if granted in customer.discounts:
        return
    if any(granted.starts_at < other.ends_at and other.starts_at < granted.ends_at for other in customer.discounts):
        raise Broken(f"{customer.wallet.org_slug} has two promotions at a time: {granted}, {customer.discounts}")
    sim.seen["promotion redeemed"] += 1
    customer.discounts.append(granted)
