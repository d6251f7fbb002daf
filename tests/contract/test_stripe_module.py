"""What is particular to the Stripe module: amounts, its client's settings, the classes of declines."""

import httpx
import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from ledger.money import EXPONENTS, Money
from providers.protocol import FailureKind, InvalidRequest, PaymentListing, SavedMethods
from providers.stripe import API_VERSION
from providers.stripe.amounts import AMOUNT_MAX, THREE_DECIMAL, ZERO_DECIMAL, from_stripe, to_stripe
from providers.stripe.failures import card_failure
from tests.contract.labs import top_up
from tests.contract.stripe_lab import StripeSimulatorLab


@pytest.mark.parametrize(
    ("money", "sent"),
    [
        (Money(1999, "USD"), (1999, "usd")),
        (Money(500, "JPY"), (500, "jpy")),
        (Money(5120, "KWD"), (5120, "kwd")),
        (Money(5, "ISK"), (500, "isk")),
        (Money(5, "UGX"), (500, "ugx")),
        (Money(1200, "MGA"), (12, "mga")),
        (Money(17500, "HUF"), (17500, "huf")),
    ],
)
def test_amounts_in_stripes_notation(money: Money, sent: tuple[int, str]) -> None:
    assert to_stripe(money) == sent
    assert from_stripe(*sent) == money


@pytest.mark.parametrize(
    ("money", "code"),
    [
        (Money(5124, "KWD"), "amount_not_representable"),
        (Money(1250, "MGA"), "amount_not_representable"),
        (Money(0, "USD"), "amount_not_positive"),
        (Money(-5, "USD"), "amount_not_positive"),
        (Money(AMOUNT_MAX + 1, "USD"), "amount_too_large"),
        (Money(1_000_000, "ISK"), "amount_too_large"),
    ],
)
def test_amounts_that_cannot_be_sent(money: Money, code: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        to_stripe(money)
    assert refused.value.failure.code == code


@given(st.sampled_from(sorted(EXPONENTS)), st.integers(1, AMOUNT_MAX))
def test_what_is_sent_comes_back(currency: str, amount_minor: int) -> None:
    money = Money(amount_minor, currency)
    try:
        sent = to_stripe(money)
    except InvalidRequest:
        return
    assert from_stripe(*sent) == money


def test_every_listed_currency_exists() -> None:
    assert set(EXPONENTS) >= ZERO_DECIMAL | THREE_DECIMAL


def test_a_fee_in_parts_of_a_krona_is_rounded_up() -> None:
    assert from_stripe(1234, "isk") == Money(13, "ISK")
    assert from_stripe(-1234, "isk") == Money(-12, "ISK")


@pytest.mark.parametrize(
    ("code", "decline_code", "advice_code", "kind"),
    [
        ("card_declined", "generic_decline", "try_again_later", FailureKind.DECLINED_RETRYABLE),
        ("card_declined", "insufficient_funds", None, FailureKind.DECLINED_RETRYABLE),
        ("card_declined", "generic_decline", "do_not_try_again", FailureKind.DECLINED_HARD),
        ("card_declined", "lost_card", None, FailureKind.DECLINED_HARD),
        ("card_declined", "pickup_card", "try_again_later", FailureKind.DECLINED_HARD),
        ("card_declined", "fraudulent", None, FailureKind.DECLINED_HARD),
        ("expired_card", None, None, FailureKind.DECLINED_HARD),
        ("processing_error", None, None, FailureKind.DECLINED_RETRYABLE),
        ("card_declined", "authentication_required", None, FailureKind.AUTHENTICATION_REQUIRED),
        ("authentication_required", None, "do_not_try_again", FailureKind.AUTHENTICATION_REQUIRED),
        (None, None, None, FailureKind.DECLINED_RETRYABLE),
    ],
)
def test_classes_of_declines(
    code: str | None, decline_code: str | None, advice_code: str | None, kind: FailureKind
) -> None:
    failure = card_failure(code=code, decline_code=decline_code, advice_code=advice_code, message=None)
    assert failure.kind is kind


def test_the_pinned_version_is_the_librarys() -> None:
    assert stripe.api_version == API_VERSION


async def test_requests_carry_the_pinned_version_and_no_telemetry(
    stripe_lab: StripeSimulatorLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[httpx.Request] = []
    send = httpx.AsyncClient.send

    async def recording(self: httpx.AsyncClient, request: httpx.Request, **options: object) -> httpx.Response:
        sent.append(request)
        return await send(self, request, **options)

    monkeypatch.setattr(httpx.AsyncClient, "send", recording)
    request = top_up(stripe_lab)
    await stripe_lab.provider.create_topup(request)
    assert sent[0].headers["stripe-version"] == API_VERSION
    assert sent[0].headers["idempotency-key"] == request.idempotency_key
    assert "telemetry" not in str(sent[0].headers)


async def test_capabilities_are_visible(stripe_lab: StripeSimulatorLab) -> None:
    assert isinstance(stripe_lab.provider, SavedMethods)
    assert isinstance(stripe_lab.provider, PaymentListing)
    assert stripe_lab.provider.name == "stripe"


async def test_secrets_stay_out_of_sight(stripe_lab: StripeSimulatorLab) -> None:
    shown = repr(stripe_lab.settings)
    assert "sk_test" not in shown
    assert "whsec" not in shown
