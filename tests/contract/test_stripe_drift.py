"""The overlay explains every difference between the installed library and the bundled specification."""

import copy
import importlib.metadata

import pytest
import stripe

from providers.simulators.stripe.world import API_VERSION
from tests.contract.stripe_conformance import (
    OVERLAY,
    SIMULATED,
    Nonconformance,
    check_answer,
    check_event,
    check_request,
    raw_spec,
)
from tests.contract.stripe_library import PARAMS, drift


def test_the_overlay_is_about_what_is_installed() -> None:
    assert OVERLAY["library"] == importlib.metadata.version("stripe")
    assert OVERLAY["api_version"] == stripe.api_version == API_VERSION
    assert OVERLAY["spec"] == raw_spec()["info"]["version"]


def test_every_difference_is_explained() -> None:
    listed = {
        where: {field: difference["change"] for field, difference in fields.items()}
        for where, fields in OVERLAY["differences"].items()
    }
    assert listed == drift(raw_spec())
    assert all(difference["why"] for fields in OVERLAY["differences"].values() for difference in fields.values())


def test_new_drift_is_found() -> None:
    changed = copy.deepcopy(raw_spec())
    del changed["components"]["schemas"]["charge"]["properties"]["amount_refunded"]
    changed["components"]["schemas"]["refund"]["properties"]["novelty"] = {"type": "string"}
    found = drift(changed)
    assert found["charge"]["amount_refunded"] == "added: int"
    assert found["refund"]["novelty"] == "removed"


def test_every_simulated_operation_is_published_and_compared() -> None:
    published = {f"{method.upper()} {path}" for path, methods in raw_spec()["paths"].items() for method in methods}
    assert published >= SIMULATED
    assert set(PARAMS) == SIMULATED


@pytest.mark.parametrize(
    ("encoded", "problem"),
    [
        ("currency=usd", "parameter_missing: amount"),
        ("amount=5000&currency=usd&colour=red", "parameter_unknown: colour"),
        ("amount=5000&currency=usd&payment_method_types[0]=card", "parameter_unknown: payment_method_types"),
        ("amount=many&currency=usd", "amount: 'many' is not of type 'integer'"),
        ("amount=5000&currency=usd&capture_method=later", "capture_method: 'later' is not one of"),
        ("amount=5000&currency=usd&payment_method_options[card][colour]=red", "colour"),
    ],
)
def test_requests_of_the_wrong_shape_are_caught(encoded: str, problem: str) -> None:
    with pytest.raises(Nonconformance) as caught:
        check_request("POST /v1/payment_intents", encoded)
    assert problem in str(caught.value)


def test_requests_of_the_right_shape_pass() -> None:
    check_request(
        "POST /v1/payment_intents",
        "amount=5000&currency=usd&allowed_payment_method_types[0]=card&confirm=true&metadata[a]=1&off_session=true",
    )


def test_answers_of_the_wrong_shape_are_caught() -> None:
    refund = {"id": "re_1", "object": "refund", "amount": 5, "created": 1, "currency": "usd"}
    check_answer("GET /v1/refunds/{refund}", 200, refund)
    for wrong in ({**refund, "colour": "red"}, {**refund, "amount": "5"}, {"id": "re_1"}):
        with pytest.raises(Nonconformance):
            check_answer("GET /v1/refunds/{refund}", 200, wrong)
    check_answer("GET /v1/refunds/{refund}", 404, {"error": {"type": "invalid_request_error"}})
    with pytest.raises(Nonconformance):
        check_answer("GET /v1/refunds/{refund}", 404, {"error": {"type": "sad"}})


def test_events_with_a_wrong_object_are_caught() -> None:
    event = {
        "id": "evt_1",
        "object": "event",
        "created": 1,
        "data": {"object": {"id": "re_1", "object": "refund", "amount": 5, "created": 1, "currency": "usd"}},
        "livemode": False,
        "pending_webhooks": 0,
        "type": "refund.created",
    }
    check_event(event)
    event["data"]["object"]["colour"] = "red"
    with pytest.raises(Nonconformance, match="colour"):
        check_event(event)
