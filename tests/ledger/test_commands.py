"""What is refused before it is queued, and what counts as the same content."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from ledger.commands import hash_of_key, prepare
from ledger.errors import InvalidRequest
from ledger.ids import from_bytes, new_id, ordered_id, unix_us
from ledger.model import (
    AMOUNT_MINOR_MAX,
    Accrue,
    CaptureHold,
    Draw,
    Entry,
    ExpireHold,
    ExtendHold,
    Leg,
    OpenHold,
    ReleaseHold,
    Request,
    Reversal,
    Transfer,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAIVE = NOW.replace(tzinfo=None)
ORG, A, B, C = (new_id(NOW) for _ in range(4))

TRANSFER = Transfer(org_id=ORG, key="k", debit_account=A, credit_account=B, amount_minor=5)
ENTRY = Entry(org_id=ORG, key="k", legs=(Leg(A, 5), Leg(B, -5)))
DRAW = Draw(org_id=ORG, key="k", sources=(A, B), destination=C, amount_minor=5)
HOLD = OpenHold(org_id=ORG, key="k", wallet=A, amount_minor=5)
EXTEND = ExtendHold(org_id=ORG, key="k", hold_id=A, expires_at=None)
CAPTURE = CaptureHold(org_id=ORG, key="k", hold_id=A, credit_account=B)
RELEASE = ReleaseHold(org_id=ORG, key="k", hold_id=A)
EXPIRE = ExpireHold(org_id=ORG, key="k", hold_id=A)
REVERSAL = Reversal(org_id=ORG, key="k", original_entry_id=A)
ACCRUE = Accrue(org_id=ORG, key="k", wallet=A, revenue_account=B, exact_minor=Decimal("1.5"))
ALL = (TRANSFER, ENTRY, DRAW, HOLD, EXTEND, CAPTURE, RELEASE, EXPIRE, REVERSAL, ACCRUE)


@pytest.mark.parametrize(
    ("request_", "changes", "field"),
    [
        (TRANSFER, {"key": ""}, "key"),
        (TRANSFER, {"key": "k" * 256}, "key"),
        (TRANSFER, {"key": "\ud800"}, "text"),
        (TRANSFER, {"amount_minor": 0}, "amount_minor"),
        (TRANSFER, {"amount_minor": -1}, "amount_minor"),
        (TRANSFER, {"amount_minor": AMOUNT_MINOR_MAX + 1}, "amount_minor"),
        (TRANSFER, {"credit_account": A}, "credit_account"),
        (TRANSFER, {"description": "d" * 1001}, "description"),
        (TRANSFER, {"description": "a\0b"}, "description"),
        (TRANSFER, {"description": "\udfff"}, "text"),
        (TRANSFER, {"metadata": {"a": "\0"}}, "metadata"),
        (TRANSFER, {"metadata": {"a": "x" * 1001}}, "metadata"),
        (TRANSFER, {"metadata": {str(number): "" for number in range(33)}}, "metadata"),
        (TRANSFER, {"effective_at": NAIVE}, "effective_at"),
        (TRANSFER, {"fingerprint": b""}, "fingerprint"),
        (TRANSFER, {"fingerprint": bytes(65)}, "fingerprint"),
        (ENTRY, {"legs": ()}, "legs"),
        (ENTRY, {"legs": (Leg(A, 0), Leg(B, 0))}, "legs"),
        (ENTRY, {"legs": (Leg(A, 5), Leg(B, -4))}, "legs"),
        (ENTRY, {"legs": (Leg(A, 2**60), Leg(B, -(2**60)))}, "legs"),
        (ENTRY, {"legs": (Leg(A, 1), Leg(B, -1)) * 33}, "legs"),
        (DRAW, {"sources": ()}, "sources"),
        (DRAW, {"sources": (A, A)}, "sources"),
        (DRAW, {"sources": (A, C)}, "sources"),
        (DRAW, {"amount_minor": 0}, "amount_minor"),
        (HOLD, {"amount_minor": 0}, "amount_minor"),
        (HOLD, {"expires_at": NAIVE}, "expires_at"),
        (EXTEND, {"expires_at": NAIVE}, "expires_at"),
        (CAPTURE, {"amount_minor": 0}, "amount_minor"),
        (REVERSAL, {"amount_minor": -5}, "amount_minor"),
        (ACCRUE, {"exact_minor": Decimal("NaN")}, "exact_minor"),
        (ACCRUE, {"exact_minor": Decimal("-Infinity")}, "exact_minor"),
        (ACCRUE, {"exact_minor": Decimal("1e16")}, "exact_minor"),
        (ACCRUE, {"exact_minor": Decimal("1e-37")}, "exact_minor"),
    ],
)
def test_what_can_never_be_posted(request_: Request, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        prepare(replace(request_, **changes))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("request_", "changes"),
    [
        *((request, {"description": "other"}) for request in ALL),
        *((request, {"metadata": {"a": "b"}}) for request in ALL),
        *((request, {"effective_at": NOW}) for request in ALL),
        *((request, {"fingerprint": b"f"}) for request in ALL),
        (TRANSFER, {"debit_account": C}),
        (TRANSFER, {"credit_account": C}),
        (TRANSFER, {"amount_minor": 6}),
        (ENTRY, {"legs": (Leg(B, -5), Leg(A, 5))}),
        (DRAW, {"partial": True}),
        (DRAW, {"sources": (B, A)}),
        (HOLD, {"expires_at": NOW}),
        (EXTEND, {"expires_at": NOW}),
        (CAPTURE, {"amount_minor": 5}),
        (CAPTURE, {"release_rest": False}),
        (REVERSAL, {"amount_minor": 5}),
        (REVERSAL, {"shortfall_account": C}),
        (ACCRUE, {"exact_minor": Decimal("1.51")}),
        (ACCRUE, {"exact_minor": Decimal("-1.5")}),
    ],
)
def test_other_content(request_: Request, changes: dict[str, Any]) -> None:
    other = replace(request_, **changes)
    assert prepare(other).key_hash == prepare(request_).key_hash
    assert prepare(other).content_hash != prepare(request_).content_hash


def test_kinds_of_request_never_have_the_same_content() -> None:
    assert len({prepare(request).content_hash for request in ALL}) == len(ALL)


def test_same_content_written_differently() -> None:
    same = [
        (ACCRUE, {"exact_minor": Decimal("1.500")}),
        (replace(ACCRUE, exact_minor=Decimal("0")), {"exact_minor": Decimal("-0.00")}),
        (replace(ACCRUE, exact_minor=Decimal("100")), {"exact_minor": Decimal("1e2")}),
        (
            replace(TRANSFER, effective_at=NOW),
            {"effective_at": NOW.astimezone(timezone(timedelta(hours=5)))},
        ),
        (
            replace(TRANSFER, metadata={"a": "1", "b": "2"}),
            {"metadata": {"b": "2", "a": "1"}},
        ),
        (replace(TRANSFER, fingerprint=b"f"), {"amount_minor": 9}),
    ]
    for request, changes in same:
        assert prepare(replace(request, **changes)).content_hash == prepare(request).content_hash


def test_text_cannot_be_shifted_between_fields() -> None:
    one = replace(TRANSFER, description="ab", metadata={"c": "d"})
    two = replace(TRANSFER, description="a", metadata={"bc": "d"})
    assert prepare(one).content_hash != prepare(two).content_hash
    assert prepare(one).text != prepare(two).text


def test_keys_that_are_ids_keep_their_order() -> None:
    made = new_id(NOW)
    assert hash_of_key(str(made)) == made.bytes
    others = [str(made).upper(), made.hex, f"{{{made}}}", "0" * 14 + "7" + "0" * 21, f"urn:{made}", "k"]
    hashes = {hash_of_key(key) for key in others}
    assert len(hashes) == len(others)
    assert made.bytes not in hashes
    assert {len(hashed) for hashed in hashes} == {16}


def test_ids_are_ordered_version_seven() -> None:
    ids = [new_id(NOW) for _ in range(1000)] + [new_id(NOW - timedelta(hours=1)), new_id(NOW + timedelta(hours=1))]
    assert ids == sorted(set(ids))
    assert {(made.version, made.variant) for made in ids} == {(7, "specified in RFC 4122")}
    assert ids[-1].int >> 80 == unix_us(NOW + timedelta(hours=1)) // 1000


def test_ids_of_another_year_leave_those_of_now_where_they_are() -> None:
    near, far = NOW + timedelta(days=100), NOW + timedelta(days=3650)
    seen: dict[datetime, list[UUID]] = {near: [], far: []}
    for turn in range(100):
        for at in seen:
            seen[at].append(new_id(at - timedelta(minutes=50) if turn == 50 else at))
    for at, ids in seen.items():
        assert ids == sorted(set(ids))
        assert {made.int >> 80 for made in ids} == {unix_us(at) // 1000}


def test_ids_go_on_behind_what_was_made_before_the_clock_was_set_back() -> None:
    start = NOW + timedelta(days=400)
    times = [start, start - timedelta(minutes=40), start, start + timedelta(days=1), start]
    ids = [new_id(at) for at in times]
    assert [*ids[:3], ids[4], ids[3]] == sorted(set(ids))


def test_numbered_ids_are_ordered_by_time_then_number() -> None:
    ids = [
        from_bytes(ordered_id(milliseconds, number, b"salt"))
        for milliseconds in (1, 2**40)
        for number in (0, 1, 2**30 - 1, 2**30, 2**42 - 1)
    ]
    assert ids == sorted(set(ids))
    assert {made.version for made in ids} == {7}
    assert from_bytes(ordered_id(1, 1, b"pepper")) != from_bytes(ordered_id(1, 1, b"salt"))
