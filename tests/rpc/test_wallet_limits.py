"""Spending limits, AuthorizeSpend and promotions by the generated clients, on the whole service."""

from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from protobuf.wkt import Duration
from wallet_api.billing.v1 import ledger_service_pb as ledger
from wallet_api.billing.v1 import promotion_service_pb as promotion
from wallet_api.billing.v1.promotion_service_connect import PromotionServiceClient
from wallet_api.google.rpc.error_details_pb import ErrorInfo, RetryInfo
from wallet_api.wallet.v1 import spending_pb as pb
from wallet_api.wallet.v1 import wallet_service_pb as wallet

from tests.rpc.accounts_app import reason
from tests.rpc.service_app import START, Api, running
from wallet_service.catalog.rules import CatalogDocument, NewMeter, NewRate
from wallet_service.principal import Role

ORG = "organizations/my-org"
WALLET = f"{ORG}/wallets/default"
GPU = "compute.gpu.h100.runtime_hours"
MIDNIGHT_UNIX = 1772409600


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with running(database_url) as made:
        request = ledger.DepositRequest(wallet_name=WALLET, amount_minor=10_000, request_id="d")
        await made.ledger.deposit(request, headers=made.headers(Role.OPERATOR))
        yield made


async def refusal(call: Awaitable[object]) -> tuple[Code, str]:
    with pytest.raises(ConnectError) as refused:
        await call
    return refused.value.code, reason(refused.value)


async def set_limit(api: Api, amount_minor: int = 500, key: Role | str = Role.ADMIN, **fields: Any) -> pb.SpendingLimit:
    given: dict[str, Any] = {"wallet_name": WALLET, "duration": "daily", "strategy": "fixed", **fields}
    request = pb.SetSpendingLimitRequest(amount_minor=amount_minor, **given)
    limit = (await api.wallet.set_spending_limit(request, headers=api.headers(key))).limit
    assert limit is not None
    return limit


async def get_limit(api: Api) -> pb.SpendingLimit | None:
    request = pb.GetSpendingLimitRequest(wallet_name=WALLET)
    return (await api.wallet.get_spending_limit(request, headers=api.headers(Role.VIEWER))).limit


async def hold(api: Api, amount_minor: int, key: str) -> ledger.CreateHoldResponse:
    request = ledger.CreateHoldRequest(wallet_name=WALLET, amount_minor=amount_minor, request_id=key)
    return await api.ledger.create_hold(request, headers=api.headers(Role.OPERATOR))


async def ask(api: Api, **fields: Any) -> pb.AuthorizeSpendResponse:
    request = pb.AuthorizeSpendRequest(wallet_name=WALLET, **fields)
    return await api.wallet.authorize_spend(request, headers=api.headers(Role.VIEWER))


def promotions_of(api: Api) -> PromotionServiceClient:
    return PromotionServiceClient("http://test", http_client=api.http)


async def new_codes(api: Api, count: int = 1) -> list[str]:
    headers = api.headers(Role.OPERATOR)
    campaign = promotion.Campaign(
        display_name="Spring",
        discount_pct=20,
        discount_duration=Duration.from_timedelta(timedelta(days=30)),
        applies_to_usage=True,
    )
    request = promotion.CreateCampaignRequest(campaign_id="spring", campaign=campaign, request_id="r")
    await promotions_of(api).create_campaign(request, headers=headers)
    codes = promotion.CreatePromotionCodesRequest(campaign_name="campaigns/spring", count=count)
    return list((await promotions_of(api).create_promotion_codes(codes, headers=headers)).codes)


async def redeem(api: Api, code: str, key: Role | str = Role.EDITOR) -> Any:
    request = wallet.RedeemPromotionCodeRequest(code=code, organization_name=ORG)
    return (await api.wallet.redeem_promotion_code(request, headers=api.headers(key))).promotion


async def test_a_limit_is_set_shown_and_removed(api: Api) -> None:
    assert await get_limit(api) is None
    limit = await set_limit(api)
    assert limit == await get_limit(api)
    assert limit == pb.SpendingLimit(
        wallet_name=WALLET,
        amount_minor=500,
        duration="daily",
        strategy="fixed",
        currency="USD",
        remaining_minor=500,
        window_start_unix=MIDNIGHT_UNIX - 86_400,
        window_end_unix=MIDNIGHT_UNIX,
    )
    await hold(api, 300, "h")
    used = await get_limit(api)
    assert used is not None
    assert (used.held_minor, used.remaining_minor) == (300, 200)
    sliding = await set_limit(api, strategy="sliding", duration="weekly")
    assert sliding.window_end_unix - sliding.window_start_unix == 7 * 86_400
    for _ in range(2):
        request = pb.DeleteSpendingLimitRequest(wallet_name=WALLET)
        await api.wallet.delete_spending_limit(request, headers=api.headers(Role.ADMIN))
    assert await get_limit(api) is None


async def test_a_limit_below_the_minimum_and_of_no_kind_is_refused(api: Api) -> None:
    bad: list[dict[str, Any]] = [
        {"amount_minor": 99},
        {"duration": "hourly"},
        {"strategy": ""},
        {"wallet_name": "nope"},
    ]
    for fields in bad:
        wanted: dict[str, Any] = {"amount_minor": 100, **fields}
        code, _ = await refusal(set_limit(api, **wanted))
        assert code is Code.INVALID_ARGUMENT, fields
    assert (await set_limit(api, 100)).amount_minor == 100


async def test_who_may_set_a_limit(api: Api) -> None:
    assert await refusal(set_limit(api, key=Role.EDITOR)) == (Code.PERMISSION_DENIED, "ROLE_TOO_LOW")
    assert await refusal(set_limit(api, key=api.stranger)) == (Code.NOT_FOUND, "RESOURCE_NOT_FOUND")


async def test_what_the_limit_refuses_says_how_much_is_left_and_when_to_come_again(api: Api) -> None:
    await set_limit(api)
    held = (await hold(api, 300, "h1")).hold
    assert held is not None
    capture = ledger.CaptureHoldRequest(name=held.name, request_id="c")
    await api.ledger.capture_hold(capture, headers=api.headers(Role.OPERATOR))
    with pytest.raises(ConnectError) as refused:
        await hold(api, 201, "h2")
    assert refused.value.code is Code.FAILED_PRECONDITION
    info, retry = refused.value.details[0].value(ErrorInfo), refused.value.details[1].value(RetryInfo)
    assert info is not None
    assert retry is not None
    assert info.reason == "SPENDING_LIMIT_EXCEEDED"
    named = ("limit_minor", "spent_minor", "held_minor", "remaining_minor")
    assert [info.metadata[name] for name in named] == ["500", "300", "0", "200"]
    assert retry.retry_delay is not None
    assert retry.retry_delay.seconds == MIDNIGHT_UNIX - int(START.timestamp())


async def test_authorize_answers_for_an_amount(api: Api) -> None:
    assert await ask(api, amount_minor=400) == pb.AuthorizeSpendResponse(
        allowed=True,
        amount_minor=400,
        cost_minor_decimal="400",
        discount_minor_decimal="0",
        currency="USD",
        available_minor=10_000,
        available_after_minor=9_600,
    )
    await set_limit(api)
    await hold(api, 100, "h")
    answer = await ask(api, amount_minor=10_000)
    assert list(answer.denial_reasons) == ["SPENDING_LIMIT_EXCEEDED", "INSUFFICIENT_FUNDS"]
    assert (answer.allowed, answer.available_minor, answer.held_minor) == (False, 9_900, 100)
    assert (answer.available_after_minor, answer.limit_remaining_minor) == (-100, 400)
    assert (await ask(api, amount_minor=400)).allowed


async def test_authorize_answers_for_a_quantity_with_the_discount_that_applies(api: Api) -> None:
    meter = NewMeter(GPU, "gpu-hour", "GPU", "GPU H100")
    rate = NewRate(GPU, "USD", Decimal("249.5"), START - timedelta(days=1))
    await api.service.catalog.apply(CatalogDocument(meters=(meter,), rates=(rate,)))
    (code,) = await new_codes(api)
    await redeem(api, code)
    answer = await ask(api, meter=GPU, quantity="3")
    assert (answer.cost_minor_decimal, answer.discount_minor_decimal, answer.amount_minor) == ("598.8", "149.7", 599)
    wrong: list[dict[str, Any]] = [
        {},
        {"meter": GPU},
        {"amount_minor": 1, "meter": GPU, "quantity": "1"},
        {"quantity": "1"},
    ]
    for fields in wrong:
        code_of_refusal, _ = await refusal(ask(api, **fields))
        assert code_of_refusal is Code.INVALID_ARGUMENT, fields
    assert await refusal(ask(api, meter="nope", quantity="1")) == (Code.NOT_FOUND, "METER_UNKNOWN")


async def test_a_code_is_redeemed_and_the_promotion_shown(api: Api) -> None:
    first, second = await new_codes(api, 2)
    active = wallet.GetActivePromotionRequest(organization_name=ORG)
    assert (await api.wallet.get_active_promotion(active, headers=api.headers(Role.VIEWER))).promotion is None
    made = await redeem(api, first)
    assert (made.campaign_name, made.display_name, made.discount_pct) == ("spring", "Spring", 20)
    assert (made.applies_to_usage, made.applies_to_prepaid) == (True, False)
    assert made.discount_ends_at_unix - made.discount_starts_at_unix == 30 * 86_400
    assert made.discount_starts_at_unix == int(START.timestamp())
    assert (await api.wallet.get_active_promotion(active, headers=api.headers(Role.VIEWER))).promotion == made
    assert await redeem(api, first) == made
    assert await refusal(redeem(api, second)) == (Code.FAILED_PRECONDITION, "PROMOTION_ALREADY_ACTIVE")
    assert await refusal(redeem(api, "nope")) == (Code.NOT_FOUND, "PROMOTION_CODE_INVALID")
    foreign = wallet.RedeemPromotionCodeRequest(code=first, organization_name="organizations/other-org")
    call = api.wallet.redeem_promotion_code(foreign, headers=api.headers(api.stranger))
    assert await refusal(call) == (Code.FAILED_PRECONDITION, "PROMOTION_CODE_USED")
    nobody = wallet.RedeemPromotionCodeRequest(code=first)
    call = api.wallet.redeem_promotion_code(nobody, headers=api.headers(Role.EDITOR))
    assert (await refusal(call))[0] is Code.INVALID_ARGUMENT


async def test_operators_see_campaigns_and_codes_and_nobody_else_does(api: Api) -> None:
    (code,) = await new_codes(api)
    await redeem(api, code)
    client, headers = promotions_of(api), api.headers(Role.OPERATOR)
    got = await client.get_campaign(promotion.GetCampaignRequest(name="campaigns/spring"), headers=headers)
    listed = await client.list_campaigns(promotion.ListCampaignsRequest(), headers=headers)
    assert list(listed.campaigns) == [got.campaign]
    assert got.campaign is not None
    assert (got.campaign.code_count, got.campaign.redeemed_count) == (1, 1)
    request = promotion.ListPromotionCodesRequest(campaign_name="campaigns/spring")
    [row] = (await client.list_promotion_codes(request, headers=headers)).promotion_codes
    assert (row.prefix, row.organization_name) == (code[:4], ORG)
    assert row.name.startswith("campaigns/spring/codes/")
    call = client.list_promotion_codes(request, headers=api.headers(Role.ADMIN))
    assert (await refusal(call))[0] is Code.PERMISSION_DENIED
    bad = promotion.CreateCampaignRequest(campaign_id="x", campaign=promotion.Campaign(discount_pct=5))
    assert (await refusal(client.create_campaign(bad, headers=headers)))[0] is Code.INVALID_ARGUMENT
