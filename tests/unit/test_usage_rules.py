"""What becomes of each event of a batch: the pure decision."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_service.catalog.rules import MeterTariff
from wallet_service.errors import Reason
from wallet_service.rating.rules import RatePoint, total
from wallet_service.usage.model import (
    Call,
    DuplicateEvent,
    Fault,
    KnownEvent,
    NewEvent,
    Recorded,
    RefusedEvent,
    Scope,
)
from wallet_service.usage.rules import Decision, Knowledge, decide, read_event

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
START = NOW - timedelta(days=60)
ORG, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)
PROJECT = uuid.UUID(int=3)
AHEAD = timedelta(minutes=5)
TARIFFS = {
    "vcpu": MeterTariff("hour", {"USD": (RatePoint(START, Decimal("0.342466")),)}),
    "unpriced": MeterTariff("hour", {"EUR": (RatePoint(START, Decimal(1)),)}),
    "dear": MeterTariff("hour", {"USD": (RatePoint(START, Decimal(10) ** 14),)}),
}


def scope(**changes: Any) -> Scope:
    fields: dict[str, Any] = {
        "currency": "USD",
        "wallet_account": uuid.UUID(int=9),
        "usage_age_max": timedelta(days=35),
        "projects": {"my-app": PROJECT},
        "only_project": None,
    }
    return Scope(**{**fields, **changes})


def new(key: str = "k", **fields: Any) -> NewEvent:
    return NewEvent(**{"project": "my-app", "meter": "vcpu", "quantity": "1", "key": key, **fields})


def call(*events: NewEvent, org: uuid.UUID = ORG, **options: bool) -> Call:
    return Call(org, tuple(read_event(event) for event in events), **options)


def run(*calls: Call, known: Mapping[Any, KnownEvent] | None = None, **scope_changes: Any) -> Decision:
    numbers = iter(range(100, 100_000))
    return decide(
        calls,
        Knowledge({ORG: scope(**scope_changes), OTHER: scope()}, TARIFFS, known or {}),
        now=NOW,
        ahead_max=AHEAD,
        make_id=lambda: uuid.UUID(int=next(numbers)),
    )


def refusal(event: NewEvent, **scope_changes: Any) -> Reason:
    (result,) = run(call(event), **scope_changes).results[0]
    assert isinstance(result, RefusedEvent), result
    assert result.message
    return result.reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"meter": "vcpus"}, Reason.METER_UNKNOWN),
        ({"meter": ""}, Reason.METER_UNKNOWN),
        ({"project": "theirs"}, Reason.PROJECT_UNKNOWN),
        ({"project": ""}, Reason.PROJECT_UNKNOWN),
        ({"unit": "second"}, Reason.UNIT_MISMATCH),
        ({"meter": "unpriced"}, Reason.RATE_MISSING),
        ({"event_time": NOW - timedelta(days=35, microseconds=1)}, Reason.EVENT_TOO_OLD),
        ({"event_time": NOW + AHEAD + timedelta(microseconds=1)}, Reason.EVENT_IN_FUTURE),
        ({"quantity": "0.0000000000001"}, Reason.QUANTITY_OUT_OF_RANGE),
        ({"quantity": "1000000000000000000"}, Reason.QUANTITY_OUT_OF_RANGE),
        ({"quantity": "NaN"}, Reason.QUANTITY_OUT_OF_RANGE),
        ({"quantity": "1e3"}, Reason.QUANTITY_OUT_OF_RANGE),
        ({"meter": "dear"}, Reason.QUANTITY_OUT_OF_RANGE),
        ({"key": ""}, Reason.INVALID_FIELD),
        ({"key": "k" * 256}, Reason.INVALID_FIELD),
        ({"resource": "a\0b"}, Reason.INVALID_FIELD),
        ({"resource": "\ud800"}, Reason.INVALID_FIELD),
        ({"resource": "r" * 513}, Reason.INVALID_FIELD),
        ({"metadata": {"a": "\0"}}, Reason.INVALID_FIELD),
        ({"metadata": {str(n): "" for n in range(65)}}, Reason.INVALID_FIELD),
        ({"metadata": {"a": "v" * 1001}}, Reason.INVALID_FIELD),
        ({"fault": Fault(Reason.INVALID_RESOURCE_NAME, "no")}, Reason.INVALID_RESOURCE_NAME),
    ],
)
def test_each_refusal_has_its_reason(fields: dict[str, Any], reason: Reason) -> None:
    assert refusal(new(**fields)) is reason


def test_a_missing_wallet_refuses_and_a_low_balance_is_not_even_asked() -> None:
    assert refusal(new(), wallet_account=None) is Reason.ACCOUNT_CLOSED


@pytest.mark.parametrize("at", [NOW - timedelta(days=35), NOW + AHEAD, None])
def test_the_limits_of_time_are_inclusive(at: datetime | None) -> None:
    assert isinstance(run(call(new(event_time=at))).results[0][0], Recorded)


def test_an_import_may_ignore_age_but_not_a_missing_rate() -> None:
    old = new(event_time=START)
    assert isinstance(run(call(old, ignore_age=True)).results[0][0], Recorded)
    older = new(event_time=START - timedelta(microseconds=1))
    (result,) = run(call(older, ignore_age=True)).results[0]
    assert isinstance(result, RefusedEvent)
    assert result.reason is Reason.RATE_MISSING


def test_without_a_project_the_only_one_is_meant() -> None:
    assert run(call(new(project="")), only_project=PROJECT).rated[0].priced.project_id == PROJECT


def test_a_correction_takes_cost_back_and_is_flagged() -> None:
    (result,) = run(call(new(quantity="-2"))).results[0]
    assert isinstance(result, Recorded)
    assert result.correction
    assert result.cost_minor == Decimal("-0.684932")


def test_zero_is_a_fact_too() -> None:
    (result,) = run(call(new(quantity="-0.0"))).results[0]
    assert isinstance(result, Recorded)
    assert not result.correction
    assert result.cost_minor == 0


def test_the_same_key_twice_in_one_call_counts_once() -> None:
    first, second, third = run(call(new(), new(quantity="1.000"), new(quantity="2"))).results[0]
    assert isinstance(first, Recorded)
    assert second == DuplicateEvent(first.event_id, first.cost_minor, correction=False)
    assert isinstance(third, RefusedEvent)
    assert third.reason is Reason.IDEMPOTENCY_KEY_REUSED


@pytest.mark.parametrize(
    "change",
    [
        {"project": "other"},
        {"meter": "unpriced"},
        {"resource": "vm-2"},
        {"datacenter": "dc-2"},
        {"quantity": "1.1"},
        {"unit": "hour"},
        {"event_time": NOW},
        {"metadata": {"a": "b"}},
    ],
)
def test_every_field_is_part_of_what_a_key_stands_for(change: dict[str, Any]) -> None:
    first, second = run(call(new(), new(**change))).results[0]
    assert isinstance(first, Recorded)
    assert isinstance(second, RefusedEvent)
    assert second.reason is Reason.IDEMPOTENCY_KEY_REUSED


def test_a_replay_is_answered_even_when_it_would_be_refused_today() -> None:
    first = run(call(new(event_time=NOW)))
    read = first.rated[0].read
    known = {(ORG, read.key_hash): KnownEvent(first.rated[0].event_id, read.content_hash, read.quantity, Decimal(1))}
    late = decide(
        [call(new(event_time=NOW))],
        Knowledge({ORG: scope(wallet_account=None)}, {}, known),
        now=NOW + timedelta(days=400),
        ahead_max=AHEAD,
        make_id=uuid.uuid4,
    )
    assert late.results == [[DuplicateEvent(first.rated[0].event_id, Decimal(1), correction=False)]]
    assert late.rated == []


def test_the_same_instant_in_another_offset_is_the_same_content() -> None:
    elsewhere = datetime.fromisoformat("2026-03-01T14:00:00+02:00")
    first, second = run(call(new(event_time=NOW), new(event_time=elsewhere))).results[0]
    assert isinstance(first, Recorded)
    assert isinstance(second, DuplicateEvent)


def test_the_same_key_in_two_organizations_is_two_events() -> None:
    decision = run(call(new()), call(new(), org=OTHER))
    assert [type(r) for results in decision.results for r in results] == [Recorded, Recorded]


def test_all_or_nothing_records_nothing_and_frees_its_keys() -> None:
    refused = call(new("a"), new("b", meter="nope"), all_or_nothing=True)
    decision = run(refused, call(new("a", quantity="5")))
    assert isinstance(decision.results[0][1], RefusedEvent)
    assert [type(r) for r in decision.results[1]] == [Recorded]
    assert [rated.read.quantity for rated in decision.rated] == [5]


def test_a_refused_event_does_not_stop_the_others() -> None:
    results = run(call(new("a"), new("b", quantity="x"), new("c"))).results[0]
    assert [type(r) for r in results] == [Recorded, RefusedEvent, Recorded]


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["1", "2", "-1", "0.000000000001", "x"])), max_size=6),
        max_size=8,
    ),
    st.data(),
)
def test_any_cut_into_calls_and_batches_costs_the_same(
    groups: list[list[tuple[int, str]]], data: st.DataObject
) -> None:
    """Events decided in one batch, or one batch after the other, are the same events with the same results."""
    flat = [new(str(key), quantity=quantity) for group in groups for key, quantity in group]
    together = run(call(*flat))
    known: dict[tuple[uuid.UUID, bytes], KnownEvent] = {}
    costs: list[Decimal] = []
    kinds: list[type] = []
    position = 0
    while position < len(flat):
        size = data.draw(st.integers(1, len(flat) - position))
        part = run(call(*flat[position : position + size]), known=known)
        for rated in part.rated:
            known[ORG, rated.read.key_hash] = KnownEvent(
                rated.event_id, rated.read.content_hash, rated.read.quantity, rated.priced.cost_minor
            )
        costs += [rated.priced.cost_minor for rated in part.rated]
        kinds += [type(result) for result in part.results[0]]
        position += size
    assert kinds == [type(result) for result in together.results[0]]
    assert total(costs) == total(rated.priced.cost_minor for rated in together.rated)
