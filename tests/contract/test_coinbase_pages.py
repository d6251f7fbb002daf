"""The page on which a person pays in USDC, driven as a browser without scripts."""

from datetime import timedelta
from typing import Any

from providers.protocol import PaymentState
from tests.contract.coinbase_lab import CoinbaseSimulatorLab
from tests.contract.labs import top_up


async def opened(lab: CoinbaseSimulatorLab, **fields: Any) -> tuple[str, str]:
    """(payment's id, address of its page)"""
    made = await lab.provider.create_topup(top_up(lab, **fields))
    assert made.hosted_url is not None
    return made.external_id, made.hosted_url


async def test_pay_on_the_page(coinbase_lab: CoinbaseSimulatorLab) -> None:
    lab = coinbase_lab
    external_id, url = await opened(lab, description="<script>alert(1)</script>")
    page = await lab.http.get(url)
    assert page.status_code == 200
    assert "50.00 USDC" in page.text
    assert "<script" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    done = await lab.http.post(url, data={"outcome": "success"}, follow_redirects=True)
    assert "This payment is COMPLETED." in done.text
    assert "<form" not in done.text
    assert (await lab.provider.sync(external_id)).state is PaymentState.SUCCEEDED
    assert (await lab.http.post(url, data={"outcome": "success"})).status_code == 409, "one payment a checkout"
    home = await lab.http.get("/")
    assert external_id in home.text


async def test_the_payer_is_sent_back_to_where_they_came_from(coinbase_lab: CoinbaseSimulatorLab) -> None:
    lab = coinbase_lab
    targets = {"success": "https://example.com/paid", "fail": "https://example.com/unpaid"}
    provider = lab.other_provider(success_redirect_url=targets["success"], fail_redirect_url=targets["fail"])
    for outcome, target in targets.items():
        made = await provider.create_topup(top_up(lab, top_up_id=outcome))
        sent_on = await lab.http.post(str(made.hosted_url), data={"outcome": outcome})
        assert (sent_on.status_code, sent_on.headers["location"]) == (303, target)
    await provider.aclose()


async def test_a_payment_that_fails_on_the_page(coinbase_lab: CoinbaseSimulatorLab) -> None:
    lab = coinbase_lab
    external_id, url = await opened(lab)
    failed = await lab.http.post(url, data={"outcome": "fail"}, follow_redirects=True)
    assert "This payment is FAILED." in failed.text
    assert (await lab.provider.sync(external_id)).state is PaymentState.FAILED


async def test_an_offer_that_has_ended_cannot_be_paid(coinbase_lab: CoinbaseSimulatorLab) -> None:
    lab = coinbase_lab
    external_id, url = await opened(lab)
    lab.clock.advance(timedelta(hours=1))
    late = await lab.http.post(url, data={"outcome": "success"})
    assert late.status_code == 409
    assert "This payment is EXPIRED." in late.text
    assert (await lab.provider.sync(external_id)).state is PaymentState.CANCELED


async def test_a_wrong_link_opens_nothing(coinbase_lab: CoinbaseSimulatorLab) -> None:
    for link in ("pl_guess", "%3Cscript%3E"):
        page = await coinbase_lab.http.get(f"/payment-links/{link}")
        assert page.status_code == 404
        assert "<script" not in page.text
