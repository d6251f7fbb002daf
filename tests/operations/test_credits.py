"""Credits on a real database: the balance, the history, top-ups of the default card, the automatic top-up."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from tests.operations.payments_lab import AUTHENTICATE, DECLINED_AFTER_SAVING, PaymentsLab, payments_lab
from tests.operations.recharge_scene import RechargeScene
from tests.operations.usage_scene import CATALOG, GPU, VCPU, Scene, event
from wallet_service.accounts.wallet_operations import Wallets
from wallet_service.catalog.operations import CatalogOperations
from wallet_service.clock import ManualClock
from wallet_service.credits.model import Card, TopUpConfig, TopUpStatus
from wallet_service.credits.operations import Credits
from wallet_service.credits.rules import status_of
from wallet_service.db import Database
from wallet_service.errors import Code, Reason, ServiceError
from wallet_service.topups.model import Origin, TopUpState
from wallet_service.usage.operations import UsageRecorder
from wallet_service.usage.query_operations import UsageQueries
from wallet_service.usage.query_rules import Bucket

KEY_ID = UUID(int=7)


@dataclass(frozen=True)
class Desk:
    """Credits of one organization with an empty USD wallet."""

    lab: PaymentsLab
    credits: Credits

    async def buy(self, amount_minor: int = 1000, key: str = "k"):
        return await self.credits.create_topup(self.lab.org_id, amount_minor=amount_minor, request_key=key)

    async def configure(self, amount_minor: int = 1000, threshold_minor: int = 500) -> TopUpConfig:
        return await self.credits.set_topup_config(
            self.lab.org_id, amount_minor=amount_minor, threshold_minor=threshold_minor, key_id=KEY_ID
        )


def credits_of(lab: PaymentsLab) -> Credits:
    return Credits(
        lab.db,
        lab.clock,
        topups=lab.topups,
        auto_recharges=lab.recharges,
        usage_queries=UsageQueries(lab.db),
    )


@pytest.fixture
async def desk(db: Database, clock: ManualClock) -> AsyncIterator[Desk]:
    async with payments_lab(db, clock) as lab:
        yield Desk(lab, credits_of(lab))


async def test_what_fills_the_wallet_up_is_on_one_snapshot_with_it(desk: Desk) -> None:
    empty = await desk.credits.balance(desk.lab.org_id)
    assert (empty.exact_minor, empty.currency, empty.card, empty.topup_config) == (0, "USD", None, TopUpConfig())
    assert empty.has_topped_up is False
    await desk.lab.saved_card()
    await desk.configure()
    await RechargeScene(desk.lab).use(3)
    await desk.buy()
    found = await desk.credits.balance(desk.lab.org_id)
    assert (found.exact_minor, found.card, found.has_topped_up) == (997, Card("visa", "4242"), True)
    assert found.topup_config == TopUpConfig(1000, 500)


async def test_only_a_manual_top_up_is_the_first_one(desk: Desk) -> None:
    await desk.lab.saved_card()
    await desk.configure()
    scene = RechargeScene(desk.lab)
    await scene.fall()
    [auto] = (await desk.lab.topups.list(desk.lab.org_id, state=None, size=0, token="")).rows
    assert (auto.origin, auto.state) == (Origin.AUTO, TopUpState.SUCCEEDED)
    assert (await desk.credits.balance(desk.lab.org_id)).has_topped_up is False
    desk.lab.clock.advance(timedelta(minutes=1))
    assert (await desk.buy(key="k1")).is_first
    desk.lab.clock.advance(timedelta(minutes=1))
    assert not (await desk.buy(key="k2")).is_first
    assert (await desk.buy(key="k1")).is_first


async def test_racing_repetitions_charge_once(desk: Desk) -> None:
    await desk.lab.saved_card()
    made = await asyncio.gather(*(desk.buy() for _ in range(5)), return_exceptions=True)
    done = [each for each in made if not isinstance(each, BaseException)]
    # Whoever meets a payment that is still being made is told to ask again.
    assert all(isinstance(each, ServiceError) for each in made if isinstance(each, BaseException))
    assert len({each.topup.topup_id for each in done}) == 1
    again = await desk.buy()
    assert status_of(again.topup) is TopUpStatus.COMPLETED
    assert len(desk.lab.intents()) == 1
    assert (await desk.lab.balances())["wallet"] == 1000


async def test_a_lost_answer_is_found_by_the_same_key(desk: Desk) -> None:
    await desk.lab.saved_card()
    await desk.lab.fault("disconnect_after", times=1)
    with pytest.raises(ServiceError) as refused:
        await desk.buy()
    assert refused.value.reason is Reason.OUTCOME_UNKNOWN
    assert status_of((await desk.buy()).topup) is TopUpStatus.COMPLETED
    assert len(desk.lab.intents()) == 1


async def test_the_default_card_of_the_first_call_is_charged(desk: Desk) -> None:
    first = await desk.lab.saved_card()
    made = await desk.buy()
    second = await desk.lab.methods.attach(
        desk.lab.org_id, provider_method_id="pm_card_mastercard", payment_method_id=None, make_default=True
    )
    await desk.lab.methods.detach(desk.lab.org_id, first)
    again = await desk.buy()
    assert (again.topup.topup_id, again.card) == (made.topup.topup_id, Card("visa", "4242"))
    other = await desk.buy(key="k2")
    assert (other.topup.payment_method_id, other.card.brand) == (second.payment_method_id, "mastercard")


async def test_a_bank_that_wants_the_customer_gets_them(desk: Desk) -> None:
    await desk.lab.saved_card(AUTHENTICATE)
    made = await desk.buy()
    assert (status_of(made.topup), bool(made.client_secret)) == (TopUpStatus.PENDING, True)
    assert (await desk.buy()).client_secret == made.client_secret
    await desk.lab.authenticate(made.topup, passed=True)
    await desk.lab.settle_everything()
    assert status_of(await desk.lab.stored(made.topup)) is TopUpStatus.COMPLETED
    again = await desk.buy()
    assert (again.client_secret, again.is_first) == ("", True)


async def test_a_decline_is_the_same_refusal_at_every_repetition(desk: Desk) -> None:
    await desk.lab.saved_card(DECLINED_AFTER_SAVING)
    for _ in range(2):
        with pytest.raises(ServiceError) as refused:
            await desk.buy()
        assert refused.value.reason is Reason.PAYMENT_DECLINED
    assert len(desk.lab.intents()) == 1


async def test_minimums_and_the_missing_card(desk: Desk) -> None:
    for call, reason, code in (
        (desk.buy(999), Reason.AMOUNT_TOO_SMALL, Code.INVALID_ARGUMENT),
        (desk.configure(999, 500), Reason.AMOUNT_TOO_SMALL, Code.INVALID_ARGUMENT),
        (desk.configure(1000, 499), Reason.AMOUNT_TOO_SMALL, Code.INVALID_ARGUMENT),
        (desk.buy(1000), Reason.PAYMENT_METHOD_INVALID, Code.FAILED_PRECONDITION),
        (desk.configure(1000, 500), Reason.PAYMENT_METHOD_INVALID, Code.FAILED_PRECONDITION),
    ):
        with pytest.raises(ServiceError) as refused:
            await call
        assert (refused.value.reason, refused.value.code) == (reason, code)
    assert desk.lab.intents() == []
    assert await desk.lab.rows("SELECT 1 FROM topups UNION ALL SELECT 1 FROM auto_recharge_consents") == []


async def test_a_configuration_is_a_consent_and_forgets_what_went_wrong(desk: Desk) -> None:
    await desk.lab.saved_card(DECLINED_AFTER_SAVING)
    await desk.configure()
    scene = RechargeScene(desk.lab)
    await scene.fall()
    config = (await desk.credits.balance(desk.lab.org_id)).topup_config
    assert (config.error, config.last_failed_at) == ("Your card was declined.", desk.lab.clock.now())
    assert await desk.configure(2000, 600) == TopUpConfig(2000, 600)
    view = await desk.lab.recharges.get(desk.lab.org_id)
    assert view.consent is not None
    assert view.consent.key_id == KEY_ID
    assert "is charged 2000 USD" in view.consent.mandate_text
    assert scene.charges() == []


@pytest.fixture
async def scene(desk: Desk) -> AsyncIterator[Scene]:
    """The same organization with usage of its project `my-app`."""
    lab = desk.lab
    catalog = CatalogOperations(lab.db, lab.clock)
    await catalog.apply(CATALOG)
    ages = {"usage_age_max": timedelta(days=35), "usage_ahead_max": timedelta(minutes=5)}
    async with UsageRecorder(lab.db, lab.ledger, lab.clock, **ages) as recorder:
        made = Scene(lab.db, lab.clock, lab.ledger, catalog, recorder, UsageQueries(lab.db), lab.org_id)
        await made.project(lab.org_id, "my-app")
        yield made


async def test_the_history_adds_up_to_what_the_ledger_has(desk: Desk, scene: Scene) -> None:
    now = scene.clock.now()
    ages = [timedelta(hours=hours, minutes=minutes) for hours, minutes in ((0, 1), (0, 59), (30, 7), (31, 7), (700, 0))]
    await scene.recorder.record(
        scene.org_id,
        [event(f"{n}", "0.37", meter=(GPU, VCPU)[n % 2], event_time=now - age) for n, age in enumerate(ages)],
    )
    accrued, _, _ = await scene.accrued(scene.org_id)
    for bucket in (Bucket.HOUR, Bucket.DAY):
        whole = await desk.credits.usage_history(scene.org_id, bucket=bucket, start=None, end=None, size=0, token="")
        assert sum((window.exact_minor for window in whole.rows), Decimal(0)) == accrued
        assert whole.next_page_token == ""
        found, token = [], ""
        while True:
            page = await desk.credits.usage_history(
                scene.org_id, bucket=bucket, start=None, end=None, size=1, token=token
            )
            found += page.rows
            token = page.next_page_token
            if not token:
                break
        assert tuple(found) == whole.rows


async def test_the_history_is_of_the_currency_that_the_wallet_has_now(desk: Desk, scene: Scene) -> None:
    await scene.recorder.record(scene.org_id, [event("a", "1", meter=GPU)])
    wallets = Wallets(scene.db, scene.clock)

    async def windows() -> list[str]:
        page = await desk.credits.usage_history(scene.org_id, bucket=Bucket.DAY, start=None, end=None, size=0, token="")
        return [window.window_id for window in page.rows]

    assert await windows() == ["day-2026-03-01-usd"]
    await scene.recorder.record(scene.org_id, [event("b", "-1", meter=GPU)])
    await wallets.delete(scene.org_id)
    with pytest.raises(ServiceError) as refused:
        await windows()
    assert refused.value.reason is Reason.RESOURCE_NOT_FOUND
    await wallets.create(scene.org_id, currency="EUR", display_name="")
    assert await windows() == []
