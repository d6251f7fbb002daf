"""The pages on which a person pays, saves a card, and passes or fails 3-D Secure, driven as a browser without scripts."""

import re
from html import unescape

import httpx

from providers.protocol import PaymentState
from tests.contract.labs import new_customer, top_up
from tests.contract.stripe_lab import StripeSimulatorLab


async def submit(lab: StripeSimulatorLab, page: httpx.Response, **choices: str) -> httpx.Response:
    """Send the form of a page with its hidden fields, and follow to the next page."""
    action = re.search(r"action='([^']+)'", page.text)
    assert action is not None, page.text
    hidden = dict(re.findall(r"type='hidden' name='([^']+)' value='([^']+)'", page.text))
    fields = {name: unescape(value) for name, value in hidden.items()}
    return await lab.http.post(action[1], data={**fields, **choices}, follow_redirects=True)


async def open_page(lab: StripeSimulatorLab, client_secret: str | None) -> httpx.Response:
    assert client_secret is not None
    return await lab.http.get("/_sim/pay", params={"client_secret": client_secret})


async def test_pay_with_a_declined_then_a_good_card(stripe_lab: StripeSimulatorLab) -> None:
    lab = stripe_lab
    made = await lab.provider.create_topup(top_up(lab))
    page = await open_page(lab, made.client_secret)
    assert page.status_code == 200
    assert "50.00 USD" in page.text
    assert "<script" not in page.text
    refused = await submit(lab, page, card="pm_card_chargeDeclinedInsufficientFunds")
    assert refused.status_code == 402
    assert "insufficient funds" in refused.text
    done = await submit(lab, refused, card="pm_card_visa")
    assert "succeeded" in done.text
    assert (await lab.provider.sync(made.external_id)).state is PaymentState.SUCCEEDED
    home = await lab.http.get("/")
    assert made.external_id in home.text


async def test_pass_and_fail_3d_secure(stripe_lab: StripeSimulatorLab) -> None:
    lab = stripe_lab
    for outcome, state in (("fail", PaymentState.AWAITING_PAYER), ("succeed", PaymentState.SUCCEEDED)):
        made = await lab.provider.create_topup(top_up(lab, top_up_id=outcome))
        challenge = await submit(lab, await open_page(lab, made.client_secret), card="pm_card_authenticationRequired")
        assert "Your bank asks you" in challenge.text
        await submit(lab, challenge, outcome=outcome)
        assert (await lab.provider.sync(made.external_id)).state is state


async def test_save_a_card(stripe_lab: StripeSimulatorLab) -> None:
    lab = stripe_lab
    customer_id = await new_customer(lab)
    setup = await lab.provider.create_setup(customer_id=customer_id, org_id="org-1", idempotency_key=lab.key())
    refused = await submit(lab, await open_page(lab, setup.client_secret), card="pm_card_chargeDeclined")
    assert refused.status_code == 402
    challenge = await submit(lab, refused, card="pm_card_authenticationRequiredOnSetup")
    done = await submit(lab, challenge, outcome="succeed")
    assert "succeeded" in done.text
    assert len(await lab.provider.list_methods(customer_id)) == 1


async def test_a_wrong_secret_opens_nothing(stripe_lab: StripeSimulatorLab) -> None:
    lab = stripe_lab
    made = await lab.provider.create_topup(top_up(lab))
    for secret in (f"{made.external_id}_secret_guess", "<script>alert(1)</script>", ""):
        page = await open_page(lab, secret)
        assert page.status_code == 404
        assert "<script" not in page.text


async def test_amounts_without_decimals_and_foreign_text_are_shown_safely(stripe_lab: StripeSimulatorLab) -> None:
    lab = stripe_lab
    form = {"amount": "500", "currency": "jpy", "allowed_payment_method_types[0]": "card"}
    made = await lab.http.post("/v1/payment_intents", data=form, headers={"Authorization": "Bearer sk_test_contract"})
    page = await open_page(lab, made.json()["client_secret"])
    assert "500 JPY" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
