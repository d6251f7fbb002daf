"""The table itself: it covers every RPC, and what compares answers with it finds what is wrong."""

from collections import Counter
from typing import Any

import pytest
from billing.v1 import (
    account_service_pb2,
    catalog_service_pb2,
    ledger_service_pb2,
    promotion_service_pb2,
    test_clock_service_pb2,
    usage_service_pb2,
)
from wallet.v1 import credit_service_pb2, wallet_service_pb2, webhook_service_pb2

from tests.clients.table import CALLS, RAW, Refusal, differences, faults, fewer_refusals, fill

SERVICES = (
    account_service_pb2,
    catalog_service_pb2,
    credit_service_pb2,
    ledger_service_pb2,
    promotion_service_pb2,
    test_clock_service_pb2,
    usage_service_pb2,
    wallet_service_pb2,
    webhook_service_pb2,
)
REFUSED = Refusal("not_found", "it was not found", "RESOURCE_NOT_FOUND", ("name",), {"name": "it"})


def test_every_rpc_has_a_good_answer_in_the_table() -> None:
    published = {
        f"{service.full_name}/{method.name}"
        for module in SERVICES
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    answered = {step["call"] for step in CALLS if "call" in step and "gives" in step}
    assert published - answered == set()
    assert len(published) == 25 + 6 + 12 + 13 + 5 + 5 + 4 + 34 + 11


def test_no_call_is_expected_to_be_unimplemented() -> None:
    assert [step["name"] for step in CALLS if step.get("refused", {}).get("code") == "unimplemented"] == []


def test_a_table_of_fewer_refusals_has_every_good_answer_and_every_kind_of_refusal() -> None:
    def kinds(steps: list[dict[str, Any]]) -> set[tuple[str, str]]:
        return {(step["refused"]["code"], step["refused"]["reason"]) for step in steps if "refused" in step}

    fewer = fewer_refusals(CALLS)
    assert [step for step in fewer if "refused" not in step] == [step for step in CALLS if "refused" not in step]
    assert kinds(fewer) == kinds(CALLS)
    assert sum("refused" in step for step in fewer) == len(kinds(CALLS))


def test_names_are_unique() -> None:
    names = Counter(step["name"] for steps in (CALLS, RAW) for step in steps)
    assert [name for name, count in names.items() if count > 1] == []


def test_templates() -> None:
    template = {"a": "x ${b} ${c}", "d": {"$times": 2, "$of": {"e": "${b}"}}, "f": {"$times": 3, "$of": "x"}, "g": 1}
    filled = {"a": "x 1 2", "d": [{"e": "1"}, {"e": "1"}], "f": "xxx", "g": 1}
    assert fill(template, {"b": "1", "c": "2"}) == filled


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {}),
        ({"a": None}, {"a": 1}),
        ({"a": "*"}, {}),
        ({"a": [1]}, {"a": [1, 2]}),
        ({"a": [{"b": "x"}]}, {"a": [{"b": "y"}]}),
        ({"a": {"b": 1}}, {"a": 1}),
    ],
)
def test_differences_are_found(expected: Any, actual: Any) -> None:
    assert len(differences(expected, actual, "")) == 1


def test_what_is_not_asked_for_does_not_matter() -> None:
    assert differences({"a": [{"b": "*"}], "c": None}, {"a": [{"b": 1, "x": 2}], "y": 3}, "") == []


@pytest.mark.parametrize(
    "refused",
    [
        {"code": "internal"},
        {"code": "not_found", "reason": "INTERNAL"},
        {"code": "not_found", "message": "other words"},
        {"code": "not_found", "field": "wallet_name"},
        {"code": "not_found", "metadata": {"name": "another"}},
    ],
)
def test_another_refusal_is_a_fault(refused: dict[str, Any]) -> None:
    assert len(faults({"refused": refused}, REFUSED, {})) == 1


def test_a_refusal_is_no_answer_and_an_answer_no_refusal() -> None:
    assert faults({"gives": {}}, REFUSED, {}) == ["refused"]
    assert faults({"refused": {"code": "not_found"}}, {}, {}) == ["not refused"]
