"""Column by column and event by event: the same results, rows, hashes and exact costs."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from wallet_service.catalog.rules import MeterTariff
from wallet_service.rating.rules import DiscountWindow, RatePoint
from wallet_service.usage.columns import Together, decide_together, read_columns, rows_of
from wallet_service.usage.model import (
    Call,
    Columns,
    EventResult,
    NewEvent,
    NewRows,
    Recorded,
    RefusedEvent,
    Scope,
)
from wallet_service.usage.rules import Knowledge, decide, read_event
from wallet_service.usage.store import arguments_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORGS = (uuid.UUID(int=1), uuid.UUID(int=2))
AHEAD = timedelta(minutes=5)
PRICES = (Decimal("0.342466"), Decimal("0.000000000000000001"), Decimal(249))
TARIFFS = {
    "m1": MeterTariff("hour", {"USD": (RatePoint(NOW - timedelta(days=50), PRICES[0]), RatePoint(NOW, PRICES[1]))}),
    "m2": MeterTariff("GiB", {"USD": (RatePoint(NOW - timedelta(days=50), PRICES[2]),)}),
}
DISCOUNT = DiscountWindow(NOW - timedelta(days=1), NOW + timedelta(days=1), 15)
SCOPE = Scope(
    "USD", uuid.UUID(int=9), timedelta(days=35), {"a": uuid.UUID(int=5), "b": uuid.UUID(int=6)}, None, (DISCOUNT,)
)
KNOWLEDGE = Knowledge(dict.fromkeys(ORGS, SCOPE), TARIFFS, {})

good_quantities = st.integers(-(10**20), 10**20).map(lambda n: f"{Decimal(n).scaleb(-12):f}")
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
good_events = st.builds(
    NewEvent,
    project=st.sampled_from("ab"),
    meter=st.sampled_from(sorted(TARIFFS)),
    quantity=st.sampled_from(["1", "0.25", "-3.50"]) | good_quantities,
    key=st.uuids().map(str) | st.uuids().map(lambda key: f"{key}\x1f"),
    resource=texts | st.just("vm-1"),
    datacenter=st.sampled_from(["", "eu-1"]),
    unit=st.just(""),
    fault=st.none(),
    event_time=st.none() | st.sampled_from([NOW, NOW - timedelta(days=20), NOW - timedelta(hours=30)]),
    metadata=st.just(dict[str, str]()) | st.dictionaries(texts, texts, max_size=2),
)
any_events = st.builds(
    NewEvent,
    project=st.sampled_from(["a", "c"]),
    meter=st.sampled_from(["m1", "nope"]),
    quantity=st.sampled_from(["1", "x", "1e3", "1000000000000000000"]),
    key=st.sampled_from(["", "k1", "k2", "k" * 256, "\ud800"]) | st.uuids().map(str),
    resource=st.sampled_from(["", "a\0b", "r" * 513]),
    datacenter=st.sampled_from(["", "d" * 256]),
    fault=st.none(),
    unit=st.sampled_from(["", "hour", "second"]),
    event_time=st.sampled_from([None, NOW + timedelta(days=1), NOW - timedelta(days=40)]),
    metadata=st.sampled_from([{}, {"a": "\0"}, {"a": "v" * 1001}]),
)


def columns_of(events: Sequence[NewEvent]) -> Columns:
    columns = [list(column) for column in zip(*((*e[:7], e.event_time) for e in events), strict=True)]
    project, meter, quantity, key, resource, datacenter, unit, times = columns
    metadata: list[Mapping[str, str]] = [event.metadata for event in events]
    return Columns(project, meter, quantity, key, resource, datacenter, unit, times, metadata if any(metadata) else ())


def together(groups: Sequence[tuple[uuid.UUID, Sequence[NewEvent]]]) -> Together | None:
    ids = count(1000)
    calls: list[Call] = []
    for org_id, events in groups:
        read = read_columns(columns_of(events))
        if read is None:
            return None
        assert read.rows() == [read_event(event) for event in events]
        calls.append(Call(org_id, read))
    return decide_together(calls, KNOWLEDGE, now=NOW, ahead_max=AHEAD, make_id=lambda: uuid.UUID(int=next(ids) << 32))


def one_by_one(groups: Sequence[tuple[uuid.UUID, Sequence[NewEvent]]]) -> tuple[list[list[EventResult]], NewRows]:
    calls = [Call(org_id, tuple(read_event(event) for event in events)) for org_id, events in groups]
    decision = decide(calls, KNOWLEDGE, now=NOW, ahead_max=AHEAD, make_id=uuid.uuid4)
    return decision.results, rows_of(decision.rated)


def stored(rows: NewRows) -> list[tuple[object, ...]]:
    """What each event is written as, but for its id."""
    metadata = rows.metadata or [None] * len(rows)
    return [
        (rows.patterns[number], *rest)
        for number, *rest in zip(
            rows.pattern_of, rows.resources, rows.keys, rows.key_hashes, rows.content_hashes, metadata, strict=True
        )
    ]


calls_of_good_events = st.lists(
    st.tuples(st.sampled_from(ORGS), st.lists(good_events, min_size=1, max_size=8)), min_size=1, max_size=4
)


@given(calls_of_good_events)
def test_what_is_recorded_together_is_what_is_recorded_one_by_one(
    groups: list[tuple[uuid.UUID, list[NewEvent]]],
) -> None:
    results, rows = one_by_one(groups)
    fast = together(groups)
    if any(isinstance(result, RefusedEvent) for call in results for result in call):
        assert fast is None
        return
    assert fast is not None
    assert stored(fast.rows) == stored(rows)
    for recorded, expected in zip(fast.results, results, strict=True):
        for mine, theirs in zip(recorded.each(), expected, strict=True):
            assert isinstance(mine, Recorded)
            assert isinstance(theirs, Recorded)
            assert mine == Recorded(mine.event_id, theirs.cost_minor, theirs.correction)
    ids = [event_id for call in fast.results for event_id in call.event_ids]
    assert ids == sorted(set(ids)) == fast.rows.event_ids


@given(calls_of_good_events)
def test_costs_are_exact(groups: list[tuple[uuid.UUID, list[NewEvent]]]) -> None:
    fast = together(groups)
    if fast is None:
        return
    expected = dict.fromkeys((org_id for org_id, _ in groups), Fraction(0))
    for org_id, events in groups:
        for event in events:
            at = event.event_time or NOW
            price = PRICES[2] if event.meter == "m2" else PRICES[1] if at >= NOW else PRICES[0]
            share = Fraction(85, 100) if DISCOUNT.starts_at <= at else 1
            expected[org_id] += Fraction(event.quantity) * Fraction(price) * share
    assert {org_id: Fraction(cost) for org_id, cost in fast.costs_minor.items()} == expected
    assert sum(fast.event_counts.values()) == sum(len(events) for _, events in groups)


@given(st.lists(good_events | any_events, min_size=1, max_size=4))
def test_what_is_not_plain_goes_the_other_way(events: list[NewEvent]) -> None:
    results, _ = one_by_one([(ORGS[0], events)])
    is_plain = all(isinstance(result, Recorded) for result in results[0])
    assert (together([(ORGS[0], events)]) is not None) is is_plain


@given(st.lists(good_events, min_size=1, max_size=6))
def test_texts_that_travel_together_come_apart_again(events: list[NewEvent]) -> None:
    _, rows = one_by_one([(ORGS[0], events)])
    if not rows.keys:
        return
    arguments = arguments_of(rows, batch_ids=dict.fromkeys(ORGS, ORGS[0]), recorded_at=NOW)
    resources, keys, separator = arguments[14], arguments[15], arguments[18]
    assert str(keys).split(str(separator)) == rows.keys
    assert str(resources).split(str(separator)) == rows.resources
