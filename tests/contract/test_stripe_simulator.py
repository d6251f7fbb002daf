"""The simulator itself, over HTTP: every operation in its published shape, refusals, keys, lists and expansion."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.contract.stripe_conformance import SIMULATED, Conformance
from tests.contract.stripe_lab import StripeSimulatorLab, stripe_simulator_lab

KEY = {"Authorization": "Bearer sk_test_contract"}
CARD_INTENT = {"amount": "5000", "currency": "usd", "allowed_payment_method_types[0]": "card"}


class Account:
    """A raw client of one simulated account."""

    def __init__(self, lab: StripeSimulatorLab) -> None:
        self.lab = lab
        self.world = lab.simulator.world

    async def call(self, method: str, path: str, headers: dict[str, str] | None = None, **form: Any) -> httpx.Response:
        body = {"data": form} if method == "POST" else {"params": form}
        return await self.lab.http.request(method, f"/v1/{path}", headers={**KEY, **(headers or {})}, **body)

    async def ok(self, method: str, path: str, **form: Any) -> dict[str, Any]:
        answer = await self.call(method, path, **form)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refused(self, method: str, path: str, status: int, **form: Any) -> dict[str, Any]:
        answer = await self.call(method, path, **form)
        assert answer.status_code == status, answer.text
        return answer.json()["error"]

    async def paid(self, card: str = "pm_card_visa", **form: Any) -> dict[str, Any]:
        return await self.ok("POST", "payment_intents", **CARD_INTENT, confirm="true", payment_method=card, **form)


@pytest.fixture
def conformance() -> Conformance:
    return Conformance()


@pytest.fixture
async def account(conformance: Conformance) -> AsyncIterator[Account]:
    async with stripe_simulator_lab(conformance) as lab:
        yield Account(lab)


async def walk_cards(account: Account) -> str:
    customer = await account.ok("POST", "customers", email="a@example.com", **{"metadata[org_id]": "o"})
    path = f"customers/{customer['id']}"
    numbers = {"card[number]": "4242424242424242", "card[exp_month]": "12", "card[exp_year]": "2030"}
    method = await account.ok("POST", "payment_methods", type="card", **numbers)
    attached = await account.ok("POST", f"payment_methods/{method['id']}/attach", customer=customer["id"])
    assert attached["customer"] == customer["id"]
    await account.ok("POST", path, name="B", **{"invoice_settings[default_payment_method]": method["id"]})
    shown = await account.ok("GET", path, **{"expand[]": "invoice_settings.default_payment_method"})
    assert shown["name"] == "B"
    assert shown["invoice_settings"]["default_payment_method"]["id"] == method["id"]
    assert (await account.ok("GET", "customers", email="a@example.com"))["data"][0]["id"] == customer["id"]
    assert (await account.ok("GET", f"payment_methods/{method['id']}"))["card"]["last4"] == "4242"
    for listed in (
        await account.ok("GET", f"{path}/payment_methods", type="card"),
        await account.ok("GET", "payment_methods", customer=customer["id"], type="card"),
    ):
        assert [row["id"] for row in listed["data"]] == [method["id"]]
    await account.ok("GET", f"{path}/payment_methods/{method['id']}")
    second = await account.ok("POST", "payment_methods", type="card", **{"card[token]": "tok_mastercard"})
    await account.ok("POST", f"payment_methods/{second['id']}/attach", customer=customer["id"])
    assert (await account.ok("POST", f"payment_methods/{second['id']}/detach"))["customer"] is None
    return customer["id"]


async def walk_setups(account: Account, customer_id: str) -> None:
    fields = {"customer": customer_id, "allowed_payment_method_types[0]": "card", "usage": "off_session"}
    setup = await account.ok("POST", "setup_intents", **fields)
    path = f"setup_intents/{setup['id']}"
    done = await account.ok("POST", f"{path}/confirm", payment_method="pm_card_visa")
    assert done["status"] == "succeeded"
    assert (await account.ok("GET", path, client_secret=setup["client_secret"]))["id"] == setup["id"]
    assert len((await account.ok("GET", "setup_intents", customer=customer_id))["data"]) == 1
    other = await account.ok("POST", "setup_intents", **fields)
    canceled = await account.ok("POST", f"setup_intents/{other['id']}/cancel", cancellation_reason="abandoned")
    assert canceled["status"] == "canceled"
    redirected = await account.ok(
        "POST",
        "setup_intents",
        confirm="true",
        payment_method="pm_card_authenticationRequired",
        return_url="https://example.com/done",
        **fields,
    )
    assert redirected["next_action"]["type"] == "redirect_to_url"


async def walk_payments(account: Account) -> dict[str, Any]:
    intent = await account.ok("POST", "payment_intents", **CARD_INTENT, capture_method="manual")
    path = f"payment_intents/{intent['id']}"
    assert intent["status"] == "requires_payment_method"
    changed = await account.ok("POST", path, amount="6000", description="more", payment_method="pm_card_visa")
    assert changed["status"] == "requires_confirmation"
    assert (await account.ok("POST", f"{path}/confirm"))["status"] == "requires_capture"
    captured = await account.ok("POST", f"{path}/capture", amount_to_capture="5500")
    assert (captured["status"], captured["amount_received"]) == ("succeeded", 5500)
    await account.lab.flush()
    shown = await account.ok("GET", path, **{"expand[]": "latest_charge.balance_transaction"})
    assert shown["latest_charge"]["balance_transaction"]["net"] == 5500 - 190
    assert (await account.ok("GET", "payment_intents", limit="1"))["data"][0]["id"] == intent["id"]
    other = await account.ok("POST", "payment_intents", **CARD_INTENT)
    await account.ok("POST", f"payment_intents/{other['id']}/cancel", cancellation_reason="duplicate")
    assert (await account.ok("GET", "charges", payment_intent=intent["id"]))["data"][0]["amount_captured"] == 5500
    await account.ok("GET", f"charges/{captured['latest_charge']}", **{"expand[]": "refunds"})
    return captured


async def walk_money_back(account: Account, paid: dict[str, Any]) -> None:
    refund = await account.ok("POST", "refunds", payment_intent=paid["id"], amount="100", reason="duplicate")
    await account.ok("POST", f"refunds/{refund['id']}", **{"metadata[ticket]": "T"})
    assert (await account.ok("GET", f"refunds/{refund['id']}"))["metadata"] == {"ticket": "T"}
    assert len((await account.ok("GET", "refunds", charge=paid["latest_charge"]))["data"]) == 1
    dispute_id = await account.lab.dispute(paid["id"], amount=1000)
    path = f"disputes/{dispute_id}"
    assert (await account.ok("GET", "disputes", charge=paid["latest_charge"]))["data"][0]["amount"] == 1000
    answered = await account.ok("POST", path, **{"evidence[uncategorized_text]": "winning_evidence"})
    assert answered["status"] == "under_review"
    await account.lab.flush()
    assert (await account.ok("GET", path))["status"] == "won"
    conceded = await account.lab.dispute(paid["id"])
    assert (await account.ok("POST", f"disputes/{conceded}/close"))["status"] == "lost"


async def walk_funds(account: Account) -> None:
    await account.ok(
        "POST", "payment_intents", **{**CARD_INTENT, "amount": "50000"}, confirm="true", payment_method="pm_card_visa"
    )
    await account.lab.flush()
    account.lab.clock.advance(timedelta(days=3))
    balance = await account.ok("GET", "balance")
    assert balance["pending"] == []
    payout = await account.ok("POST", "payouts", amount="100", currency="usd", **{"metadata[a]": "b"})
    await account.lab.flush()
    assert (await account.ok("GET", f"payouts/{payout['id']}"))["status"] == "paid"
    assert len((await account.ok("GET", "payouts", status="paid"))["data"]) == 1
    moved = await account.ok("GET", "balance_transactions", limit="100")
    assert {row["type"] for row in moved["data"]} == {"charge", "refund", "adjustment", "payout"}
    assert sum(row["net"] for row in moved["data"]) == balance["available"][0]["amount"] - 100
    await account.ok("GET", f"balance_transactions/{moved['data'][0]['id']}")


async def walk_events(account: Account) -> None:
    endpoint = await account.ok(
        "POST", "webhook_endpoints", url="http://127.0.0.1:9/none", **{"enabled_events[0]": "charge.succeeded"}
    )
    assert endpoint["secret"].startswith("whsec_")
    path = f"webhook_endpoints/{endpoint['id']}"
    await account.ok("POST", path, disabled="true")
    shown = await account.ok("GET", path)
    assert shown["status"] == "disabled"
    assert "secret" not in shown
    assert len((await account.ok("GET", "webhook_endpoints"))["data"]) == 2
    assert (await account.ok("DELETE", path))["deleted"] is True
    events = await account.ok("GET", "events", **{"types[0]": "charge.*", "limit": "100"})
    assert {row["type"].split(".")[0] for row in events["data"]} == {"charge"}
    await account.ok("GET", f"events/{events['data'][0]['id']}")


async def test_every_operation_has_its_published_shape(account: Account, conformance: Conformance) -> None:
    customer_id = await walk_cards(account)
    await walk_setups(account, customer_id)
    await walk_money_back(account, await walk_payments(account))
    await walk_funds(account)
    await walk_events(account)
    assert (await account.ok("DELETE", f"customers/{customer_id}"))["deleted"] is True
    assert set(conformance.operations) == SIMULATED


@pytest.mark.parametrize(
    ("method", "path", "form", "status", "code", "param"),
    [
        ("POST", "payment_intents", {"currency": "usd"}, 400, "parameter_missing", "amount"),
        ("POST", "payment_intents", {**CARD_INTENT, "colour": "red"}, 400, "parameter_unknown", "colour"),
        (
            "POST",
            "payment_intents",
            {"amount": "5000", "currency": "usd", "payment_method_types[0]": "card"},
            400,
            "parameter_unknown",
            "payment_method_types",
        ),
        ("POST", "payment_intents", {**CARD_INTENT, "amount": "5.00"}, 400, "parameter_invalid_integer", "amount"),
        ("POST", "payment_intents", {**CARD_INTENT, "amount": "49"}, 400, "amount_too_small", "amount"),
        ("POST", "payment_intents", {**CARD_INTENT, "amount": "999999999"}, 400, "amount_too_large", "amount"),
        ("POST", "payment_intents", {**CARD_INTENT, "customer": "cus_no"}, 400, "resource_missing", "customer"),
        ("POST", "payment_intents", {**CARD_INTENT, "off_session": "true"}, 400, None, "off_session"),
        (
            "POST",
            "payment_intents",
            {**CARD_INTENT, "automatic_payment_methods[enabled]": "true"},
            400,
            None,
            "allowed_payment_method_types",
        ),
        (
            "POST",
            "payment_intents",
            {"amount": "5000", "currency": "usd", "confirm": "true", "payment_method": "pm_card_visa"},
            400,
            None,
            "return_url",
        ),
        ("POST", "payment_intents", {**CARD_INTENT, "confirm": "true"}, 400, "payment_intent_unexpected_state", None),
        ("GET", "payment_intents/pi_no", {}, 404, "resource_missing", "id"),
        ("GET", "payment_intents", {"limit": "101"}, 400, None, "limit"),
        ("GET", "payment_intents", {"starting_after": "pi_no"}, 400, "resource_missing", "starting_after"),
        ("GET", "charges", {"expand[]": "data.colour"}, 200, None, None),
        ("POST", "refunds", {}, 400, "parameter_missing", "payment_intent"),
        ("POST", "payouts", {"amount": "1", "currency": "usd"}, 400, "balance_insufficient", "amount"),
        ("POST", "payment_methods", {"type": "card", "card[token]": "tok_no"}, 402, "incorrect_number", "number"),
        ("POST", "payment_methods", {"type": "card", "card[number]": "1"}, 400, "parameter_missing", "card[exp_month]"),
        ("POST", "webhook_endpoints", {"url": "http://127.0.0.1:9/"}, 400, "parameter_missing", "enabled_events"),
    ],
)
async def test_refusals(
    account: Account,
    method: str,
    path: str,
    form: dict[str, str],
    status: int,
    code: str | None,
    param: str | None,
) -> None:
    answer = await account.call(method, path, **form)
    assert answer.status_code == status, answer.text
    if status != 200:
        error = answer.json()["error"]
        assert (error.get("code"), error.get("param")) == (code, param)
    assert account.world.tables["payment_intent"] == {}, "a refused request leaves nothing"
    assert account.world.tables["event"] == {}


async def test_without_a_key_nothing_is_served(account: Account) -> None:
    for header in ({}, {"Authorization": "Bearer pk_test_x"}, {"Authorization": "Basic sk_test_x"}):
        answer = await account.lab.http.get("/v1/balance", headers=header)
        assert answer.status_code == 401
        assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_an_address_that_is_not_simulated(account: Account) -> None:
    error = await account.refused("GET", "subscriptions", 404)
    assert "Unrecognized request URL" in error["message"]


async def test_replays_say_so_and_repeat_the_first_answer(account: Account) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = await account.call("POST", "customers", headers=headers, name="A")
    second = await account.call("POST", "customers", headers=headers, name="A")
    assert second.json() == first.json()
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers["original-request"] == first.headers["request-id"]
    other = await account.call("POST", "customers", headers=headers, name="B")
    assert other.status_code == 400
    assert other.json()["error"]["type"] == "idempotency_error"
    elsewhere = await account.call("POST", "setup_intents", headers=headers, description="A")
    assert elsewhere.json()["error"]["type"] == "idempotency_error"
    assert len(account.world.tables["customer"]) == 1


async def test_a_replay_shows_the_past_not_the_present(account: Account) -> None:
    headers = {"Idempotency-Key": "k1"}
    made = (await account.call("POST", "payment_intents", headers=headers, **CARD_INTENT)).json()
    await account.ok("POST", f"payment_intents/{made['id']}/confirm", payment_method="pm_card_visa")
    replayed = (await account.call("POST", "payment_intents", headers=headers, **CARD_INTENT)).json()
    assert replayed["status"] == "requires_payment_method"


async def test_keys_have_a_length_and_a_life(account: Account) -> None:
    too_long = await account.call("POST", "customers", headers={"Idempotency-Key": "k" * 256})
    assert too_long.status_code == 400
    await account.call("POST", "customers", headers={"Idempotency-Key": "k" * 255})
    account.lab.clock.advance(timedelta(hours=24))
    again = await account.call("POST", "customers", headers={"Idempotency-Key": "k" * 255})
    assert "idempotent-replayed" not in again.headers
    assert len(account.world.tables["customer"]) == 2


async def test_cards_that_cannot_be_attached(account: Account) -> None:
    customer = await account.ok("POST", "customers")
    for token in ("pm_card_visa_chargeDeclined", "pm_card_visa_chargeDeclinedLostCard"):
        error = await account.refused("POST", f"payment_methods/{token}/attach", 402, customer=customer["id"])
        assert error["type"] == "card_error"
    await account.ok("POST", "payment_methods/pm_card_chargeCustomerFail/attach", customer=customer["id"])


async def test_a_decline_is_told_in_full(account: Account) -> None:
    form = {**CARD_INTENT, "confirm": "true", "payment_method": "pm_card_visa_chargeDeclinedStolenCard"}
    error = await account.refused("POST", "payment_intents", 402, **form)
    assert error["type"] == "card_error"
    assert (error["code"], error["decline_code"]) == ("card_declined", "stolen_card")
    assert error["advice_code"] == "do_not_try_again"
    assert error["payment_intent"]["status"] == "requires_payment_method"
    charge = await account.ok("GET", f"charges/{error['charge']}")
    assert (charge["status"], charge["paid"], charge["failure_code"]) == ("failed", False, "card_declined")


async def test_a_card_used_without_a_customer_is_spent(account: Account) -> None:
    paid = await account.paid()
    form = {**CARD_INTENT, "confirm": "true", "payment_method": paid["payment_method"]}
    error = await account.refused("POST", "payment_intents", 400, **form)
    assert "may not be used again" in error["message"]


async def test_a_card_of_a_customer_needs_the_customer(account: Account) -> None:
    customer = await account.ok("POST", "customers")
    method = await account.ok("POST", "payment_methods/pm_card_visa/attach", customer=customer["id"])
    form = {**CARD_INTENT, "confirm": "true", "payment_method": method["id"]}
    await account.refused("POST", "payment_intents", 400, **form)
    assert (await account.paid(method["id"], customer=customer["id"]))["status"] == "succeeded"


async def test_states_that_do_not_allow_a_step(account: Account) -> None:
    paid = await account.paid()
    path = f"payment_intents/{paid['id']}"
    for verb in ("confirm", "cancel", "capture"):
        error = await account.refused("POST", f"{path}/{verb}", 400)
        assert error["code"] == "payment_intent_unexpected_state"
        assert error["payment_intent"]["status"] == "succeeded"
    await account.refused("POST", path, 400, amount="1")


async def test_pages_of_a_list_meet_without_gap_or_overlap(account: Account) -> None:
    made = [(await account.ok("POST", "customers"))["id"] for _ in range(7)]
    first = await account.ok("GET", "customers", limit="3")
    second = await account.ok("GET", "customers", limit="3", starting_after=first["data"][-1]["id"])
    third = await account.ok("GET", "customers", limit="3", starting_after=second["data"][-1]["id"])
    walked = [row["id"] for page in (first, second, third) for row in page["data"]]
    assert walked == made[::-1]
    assert [page["has_more"] for page in (first, second, third)] == [True, True, False]
    back = await account.ok("GET", "customers", limit="3", ending_before=third["data"][0]["id"])
    assert back["data"] == second["data"]


async def test_events_keep_the_object_as_it_was(account: Account) -> None:
    paid = await account.paid()
    created, *_ = (await account.ok("GET", "events", type="payment_intent.created"))["data"]
    assert created["data"]["object"]["id"] == paid["id"]
    assert created["data"]["object"]["status"] == "requires_confirmation"
    assert created["request"]["id"].startswith("req_")


async def test_an_endpoint_gets_only_the_events_it_asked_for(account: Account) -> None:
    (ours,) = account.world.tables["webhook_endpoint"]
    await account.ok("POST", f"webhook_endpoints/{ours}", **{"enabled_events[0]": "payment_intent.succeeded"})
    await account.paid()
    await account.lab.flush()
    assert [event.event_type for event in account.lab.events()] == ["payment_intent.succeeded"]


async def test_control_refuses_what_it_does_not_know(account: Account) -> None:
    http = account.lab.http
    for path, body in (
        ("delivery", {"mode": "sideways"}),
        ("faults", {"kind": "gremlins"}),
        ("disputes", {"payment_intent": "pi_no"}),
        ("payment_intents/pi_no/authenticate", {"outcome": "perhaps"}),
        ("deliveries/resend", {"event": "evt_no"}),
    ):
        answer = await http.post(f"/_sim/{path}", json=body)
        assert answer.status_code in (400, 404), path
    assert (await http.post("/_sim/faults", content=b"{")).status_code == 400
    assert (await http.post("/_sim/faults", content=b"[]")).status_code == 400


async def test_modes_faults_and_state_can_be_seen_and_reset(account: Account) -> None:
    http = account.lab.http
    assert (await http.get("/_sim/health")).json() == {"status": "ok"}
    await account.lab.deliver("drop")
    assert (await http.get("/_sim/delivery")).json() == {"mode": "drop", "delay": 0}
    await account.lab.fault("error_before")
    await http.delete("/_sim/faults")
    await account.paid()
    states = {row["state"] for row in (await http.get("/_sim/deliveries")).json()}
    assert states == {"dropped"}
    await http.post("/_sim/reset")
    assert (await account.ok("GET", "payment_intents"))["data"] == []
    assert (await http.get("/_sim/delivery")).json() == {"mode": "normal", "delay": 0}
    assert len((await account.ok("GET", "webhook_endpoints"))["data"]) == 1
