"""Promotions: campaigns, codes that one organization redeems once, and the discount that usage is charged with."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.model import Transfer
from tests.operations.usage_scene import EGRESS, GPU, VCPU, event, scene_on
from tests.operations.usage_scene import Scene as UsageScene
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.errors import Code, Reason, ServiceError
from wallet_service.journal.audit_operations import Audit
from wallet_service.limits.authorization import SpendAuthorization
from wallet_service.limits.model import Duration, Strategy
from wallet_service.limits.operations import SpendingLimits
from wallet_service.promotions.model import NewCampaign, Promotion
from wallet_service.promotions.operations import Promotions

DAY = timedelta(days=1)
MONTH = NewCampaign("spring", "Spring", 20, None, None, 30 * DAY, True, True, None)


@dataclass(frozen=True)
class Scene:
    """The organization `my-org` that records usage at noon of 1 March 2026."""

    usage: UsageScene
    promotions: Promotions
    authorization: SpendAuthorization

    @property
    def org_id(self) -> UUID:
        return self.usage.org_id

    async def code(self, terms: NewCampaign = MONTH) -> str:
        try:
            await self.promotions.create_campaign(terms)
        except ServiceError as error:
            if error.reason is not Reason.RESOURCE_EXISTS:
                raise
        (code,) = await self.promotions.create_codes(terms.campaign_id, count=1)
        return code

    async def redeem(self, terms: NewCampaign = MONTH) -> Promotion:
        return await self.promotions.redeem(self.org_id, await self.code(terms))

    async def use(self, key: str, quantity: str, *, meter: str = VCPU, at: datetime | None = None) -> Decimal:
        found = await self.usage.recorder.record_one(self.org_id, event(key, quantity, meter=meter, event_time=at))
        return found.cost_minor

    async def discounts(self) -> list[Decimal]:
        query = "SELECT discount_minor FROM usage_events WHERE org_id = :o ORDER BY event_id"
        rows = await self.usage.rows(query, o=self.org_id)
        return [row.discount_minor for row in rows]


@pytest.fixture
async def scene(db: Database, clock: ManualClock) -> AsyncIterator[Scene]:
    async with scene_on(db, clock) as usage:
        yield Scene(usage, Promotions(db, clock), SpendAuthorization(db, clock))


async def refused(work: Any, reason: Reason) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await work
    assert caught.value.reason is reason
    return caught.value


async def test_campaigns_are_made_once_and_listed(scene: Scene) -> None:
    promotions = scene.promotions
    made = await promotions.create_campaign(MONTH, request_id="r")
    assert made == await promotions.create_campaign(MONTH, request_id="r")
    await refused(promotions.create_campaign(MONTH), Reason.RESOURCE_EXISTS)
    scene.usage.clock.advance(DAY)
    fixed = NewCampaign("autumn", "", 5, None, scene.usage.clock.now() + DAY, None, False, True, None)
    await promotions.create_campaign(fixed)
    first = await promotions.list_campaigns(size=1)
    rest = await promotions.list_campaigns(size=1, token=first.next_page_token)
    assert [page.rows[0].terms.campaign_id for page in (first, rest)] == ["autumn", "spring"]
    assert rest.next_page_token == ""
    assert (await promotions.get_campaign("autumn")).terms == fixed
    await refused(promotions.get_campaign("winter"), Reason.RESOURCE_NOT_FOUND)
    await refused(promotions.create_codes("winter", count=1), Reason.RESOURCE_NOT_FOUND)
    await refused(promotions.list_codes("winter"), Reason.RESOURCE_NOT_FOUND)
    await refused(promotions.create_codes("spring", count=1001), Reason.INVALID_FIELD)


async def test_codes_are_shown_once_and_stored_as_a_hash(scene: Scene) -> None:
    await scene.promotions.create_campaign(MONTH)
    codes = await scene.promotions.create_codes("spring", count=3)
    assert len(set(codes)) == 3
    await scene.promotions.redeem(scene.org_id, codes[1])
    first = await scene.promotions.list_codes("spring", size=2)
    rest = await scene.promotions.list_codes("spring", size=2, token=first.next_page_token)
    listed = [*first.rows, *rest.rows]
    assert [row.prefix for row in listed] == [code[:4] for code in codes]
    assert [row.org_slug for row in listed] == [None, "my-org", None]
    stored = await scene.usage.rows("SELECT row_to_json(c)::text AS row FROM promotion_codes c")
    for code in codes:
        assert not any(code[4:] in row.row or code.replace("-", "")[4:] in row.row for row in stored)
    campaign = await scene.promotions.get_campaign("spring")
    assert (campaign.code_count, campaign.redeemed_count) == (3, 1)


async def test_a_code_is_redeemed_once_and_the_same_organization_may_ask_again(scene: Scene) -> None:
    code = await scene.code()
    made = await scene.promotions.redeem(scene.org_id, code)
    now = scene.usage.clock.now()
    assert (made.percent, made.starts_at, made.ends_at) == (20, now, now + 30 * DAY)
    assert await scene.promotions.active(scene.org_id) == made
    scene.usage.clock.advance(DAY)
    assert await scene.promotions.redeem(scene.org_id, code.lower().replace("-", " ")) == made
    other = await scene.usage.organization("other")
    await refused(scene.promotions.redeem(other, code), Reason.PROMOTION_CODE_USED)
    assert await scene.promotions.active(other) is None
    error = await refused(scene.promotions.redeem(other, "no-such-code"), Reason.PROMOTION_CODE_INVALID)
    assert error.code is Code.NOT_FOUND
    error = await refused(scene.redeem(), Reason.PROMOTION_ALREADY_ACTIVE)
    assert error.metadata["campaign"] == "spring"
    scene.usage.clock.advance(29 * DAY)
    assert await scene.promotions.active(scene.org_id) is None
    assert (await scene.redeem()).starts_at == scene.usage.clock.now()
    assert await scene.promotions.redeem(scene.org_id, code) == made
    [events] = await scene.usage.rows("SELECT count(*) AS n FROM events WHERE type = 'promotion.redeemed'")
    assert events.n == 2


async def test_a_promotion_that_begins_later_is_shown_and_gives_nothing_yet(scene: Scene) -> None:
    now = scene.usage.clock.now()
    later = NewCampaign("later", "", 50, now + DAY, now + 2 * DAY, None, True, True, None)
    made = await scene.redeem(later)
    assert made.starts_at == now + DAY
    assert await scene.promotions.active(scene.org_id) == made
    await refused(scene.redeem(), Reason.PROMOTION_ALREADY_ACTIVE)
    await scene.use("before", "10")
    scene.usage.clock.advance(DAY)
    await scene.use("within", "10")
    assert await scene.discounts() == [Decimal(0), Decimal("2.5")]


@pytest.mark.parametrize("codes", [1, 8])
async def test_racing_organizations_and_codes_redeem_once_each(scene: Scene, codes: int) -> None:
    await scene.promotions.create_campaign(MONTH)
    texts = await scene.promotions.create_codes("spring", count=codes)
    orgs = [scene.org_id, *[await scene.usage.organization(f"org-{number}") for number in range(3)]]
    results = await asyncio.gather(
        *(scene.promotions.redeem(org, code) for org in orgs for code in texts), return_exceptions=True
    )
    made = {(result.org_id, result.code_id) for result in results if isinstance(result, Promotion)}
    others = [result for result in results if not isinstance(result, Promotion)]
    assert all(isinstance(other, ServiceError) for other in others), others
    assert len(made) == len({org for org, _ in made}) == len({code for _, code in made}) == min(codes, 4)
    [row] = await scene.usage.rows("SELECT count(*) AS n, count(DISTINCT org_id) AS orgs FROM promotions")
    assert row.n == row.orgs == min(codes, 4)


async def test_usage_is_charged_less_inside_the_window_by_the_time_of_the_event(scene: Scene) -> None:
    clock = scene.usage.clock
    now = clock.now()
    assert await scene.use("before", "10") == Decimal(5)
    await scene.redeem()
    assert await scene.use("at", "10") == Decimal(4)
    # What happened before it is not discounted, however late it is recorded; what happened within it is.
    assert await scene.use("late", "10", at=now - timedelta(seconds=1)) == Decimal(5)
    clock.advance(30 * DAY)
    assert await scene.use("end", "10") == Decimal(5)
    assert await scene.use("late within", "10", at=clock.now() - timedelta(microseconds=1)) == Decimal(4)
    assert await scene.discounts() == [0, 1, 0, 0, 1]
    await scene.usage.check_laws(scene.org_id)
    assert (await Audit(scene.usage.db).verify(scene.org_id)).violations == ()


async def test_a_correction_takes_back_what_was_charged(scene: Scene) -> None:
    clock = scene.usage.clock
    await scene.redeem()
    within = clock.now()
    await scene.use("use", "3.7")
    clock.advance(31 * DAY)
    await scene.use("back", "-3.7", at=within)
    assert await scene.discounts() == [Decimal("0.37"), Decimal("-0.37")]
    assert await scene.usage.check_laws(scene.org_id) == 0


async def test_a_repeated_event_keeps_what_it_cost(scene: Scene) -> None:
    at = scene.usage.clock.now() + timedelta(minutes=1)
    assert await scene.use("k", "10", at=at) == Decimal(5)
    await scene.redeem()
    assert await scene.use("k", "10", at=at) == Decimal(5)


async def test_a_promotion_of_prepaid_purchases_leaves_usage_alone(scene: Scene) -> None:
    await scene.redeem(NewCampaign("prepaid", "", 50, None, None, DAY, False, True, None))
    assert await scene.use("k", "10") == Decimal(5)


async def test_all_of_it_free_moves_no_money(scene: Scene) -> None:
    await scene.redeem(NewCampaign("free", "", 100, None, None, DAY, True, True, None))
    assert await scene.use("k", "10.123456789012", meter=EGRESS) == 0
    assert await scene.usage.check_laws(scene.org_id) == 0
    assert (await scene.discounts())[0] == Decimal("10.123456789012") * Decimal("0.9765625")


async def test_a_query_shows_cost_and_discount(scene: Scene) -> None:
    await scene.use("a", "1", meter=GPU)
    await scene.redeem()
    await scene.use("b", "1", meter=GPU)
    [row] = (await scene.usage.queries.query(scene.org_id)).rows
    assert (row.cost_minor_exact, row.discount_minor_exact) == (Decimal("448.2"), Decimal("49.8"))


async def test_a_query_of_a_part_of_an_hour_shows_it_too(scene: Scene) -> None:
    await scene.redeem()
    await scene.use("b", "1", meter=GPU)
    start = scene.usage.clock.now()
    [row] = (await scene.usage.queries.query(scene.org_id, start=start, end=start + timedelta(seconds=5))).rows
    assert row.discount_minor_exact == Decimal("49.8")


async def fund(scene: Scene, amount_minor: int) -> None:
    [wallet] = await scene.usage.rows("SELECT account_id FROM wallets WHERE org_id = :o", o=scene.org_id)
    [clearing] = await scene.usage.rows(
        "SELECT account_id FROM ledger_accounts WHERE org_id = :o AND kind = 'provider_clearing'", o=scene.org_id
    )
    await scene.usage.ledger.post(
        Transfer(
            org_id=scene.org_id,
            key=f"fund{amount_minor}",
            debit_account=clearing.account_id,
            credit_account=wallet.account_id,
            amount_minor=amount_minor,
        )
    )


async def test_authorize_says_everything_that_refuses_and_changes_nothing(scene: Scene, db: Database) -> None:
    await fund(scene, 1000)
    limits = SpendingLimits(db, scene.usage.clock)
    await limits.set(scene.org_id, amount_minor=500, duration=Duration.DAILY, strategy=Strategy.FIXED)
    digest = "SELECT md5(string_agg(t::text, '' ORDER BY t::text)) AS d FROM {} t"
    tables = ("ledger_wallets", "ledger_books", "ledger_holds", "spending_limits", "events", "usage_events")

    async def state() -> list[Any]:
        return [(await scene.usage.rows(digest.format(table)))[0].d for table in tables]

    before = await state()
    good = await scene.authorization.of_amount(scene.org_id, 500)
    assert (good.allowed, good.available_after_minor, good.limit_remaining_minor) == (True, 500, 500)
    bad = await scene.authorization.of_amount(scene.org_id, 1001)
    assert bad.refusals == (Reason.SPENDING_LIMIT_EXCEEDED, Reason.INSUFFICIENT_FUNDS)
    assert bad.available_after_minor == -1
    assert await state() == before

    async def suspend(conn: AsyncConnection) -> None:
        await conn.execute(text("UPDATE billing_accounts SET state = 'suspended', suspended_reason = 'manual'"))

    await db.transact(suspend)
    bad = await scene.authorization.of_usage(scene.org_id, meter=VCPU, quantity="99999")
    assert bad.refusals == (
        Reason.BILLING_ACCOUNT_SUSPENDED,
        Reason.SPENDING_LIMIT_EXCEEDED,
        Reason.INSUFFICIENT_FUNDS,
    )


async def test_authorize_refuses_what_it_cannot_rate(scene: Scene) -> None:
    ask = scene.authorization.of_usage
    await refused(ask(scene.org_id, meter="nope", quantity="1"), Reason.METER_UNKNOWN)
    await refused(ask(scene.org_id, meter=VCPU, quantity="-1"), Reason.QUANTITY_OUT_OF_RANGE)
    await refused(ask(scene.org_id, meter=VCPU, quantity="1e3"), Reason.QUANTITY_OUT_OF_RANGE)
    await refused(ask(scene.org_id, meter=GPU, quantity="9" * 18), Reason.QUANTITY_OUT_OF_RANGE)


async def test_a_prepaid_quote_takes_the_discount_off(scene: Scene) -> None:
    await fund(scene, 1000)
    await scene.redeem(NewCampaign("prepaid", "", 15, None, None, DAY, False, True, None))
    quote = await scene.authorization.of_amount(scene.org_id, 99)
    assert (quote.charge.cost_minor, quote.charge.discount_minor) == (Decimal("84.15"), Decimal("14.85"))
    assert (quote.amount_minor, quote.available_after_minor) == (85, 915)


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    percent=st.integers(0, 100),
    quantity=st.decimals(min_value=0, max_value=10**6, places=12),
    meter=st.sampled_from([VCPU, GPU, EGRESS]),
)
async def test_a_quote_equals_the_charge(scene: Scene, percent: int, quantity: Decimal, meter: str) -> None:
    [row] = await scene.usage.rows("SELECT count(*) AS n FROM organizations")
    org_id = await scene.usage.organization(f"org-{row.n}", project=f"p-{row.n}")
    if percent:
        code = await scene.code(NewCampaign(f"c-{percent}", "", percent, None, None, DAY, True, False, None))
        await scene.promotions.redeem(org_id, code)
    quote = await scene.authorization.of_usage(org_id, meter=meter, quantity=f"{quantity:f}")
    charged = await scene.usage.recorder.record_one(
        org_id, event("k", f"{quantity:f}", meter=meter, project=f"p-{row.n}")
    )
    assert charged.cost_minor == quote.charge.cost_minor
    [stored] = await scene.usage.rows("SELECT discount_minor FROM usage_events WHERE org_id = :o", o=org_id)
    assert stored.discount_minor == quote.charge.discount_minor
    assert await scene.usage.check_laws(org_id) == quote.charge.cost_minor
