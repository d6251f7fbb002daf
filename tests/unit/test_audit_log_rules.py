"""What an audit record covers and what it never holds."""

import dataclasses
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_service.audit_log.model import Actor, NewAuditEvent, Outcome
from wallet_service.audit_log.rules import (
    HEADER_MAX,
    HIDDEN,
    ITEMS_MAX,
    TEXT_MAX,
    canonical,
    chained,
    digest,
    genesis,
    printable,
    without_secrets,
)

AT = datetime(2026, 3, 1, tzinfo=UTC)
EVENT = NewAuditEvent(
    org_id=uuid.UUID(int=1),
    recorded_at=AT,
    first_at=AT,
    method="a.B/C",
    outcome=Outcome.APPLIED,
    reason="",
    actor=Actor("organizations/x/api-keys/k", "admin", "10.0.0.1", "curl", "abc"),
    call_count=1,
    resources=("organizations/x",),
    detail="{}",
)
OTHER: dict[str, Any] = {
    "org_id": uuid.UUID(int=2),
    "recorded_at": AT + timedelta(microseconds=1),
    "first_at": AT + timedelta(microseconds=1),
    "method": "a.B/D",
    "outcome": Outcome.REFUSED,
    "reason": "X",
    "actor": Actor("organizations/x/api-keys/l", "admin", "10.0.0.1", "curl", "abc"),
    "call_count": 2,
    "resources": (),
    "detail": "{ }",
}
ACTOR = ["key_name", "role", "remote_address", "user_agent", "correlation_id"]


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(NewAuditEvent)])
def test_the_digest_covers_every_field(field: str):
    assert digest(dataclasses.replace(EVENT, **{field: OTHER[field]})) != digest(EVENT)


@pytest.mark.parametrize("field", ACTOR)
def test_the_digest_covers_who_called(field: str):
    actor = dataclasses.replace(EVENT.actor, **{field: "other"})
    assert digest(dataclasses.replace(EVENT, actor=actor)) != digest(EVENT)


def test_the_actor_has_no_other_fields():
    assert [field.name for field in dataclasses.fields(Actor)] == ACTOR


@given(st.binary(min_size=32, max_size=32), st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_a_hash_depends_on_place_and_past(previous: bytes, seq: int, content: bytes):
    hashes = {chained(previous, seq, content), chained(previous, seq - 1, content), chained(content, seq, previous)}
    assert len(hashes) == (3 if previous != content else 2)


def test_chains_begin_apart():
    assert genesis(uuid.UUID(int=1)) != genesis(uuid.UUID(int=2))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=30,
)


@given(st.dictionaries(st.sampled_from(["secret", "code", "metadata", "url", "name", "targets", "events"]), JSON))
def test_what_is_not_known_to_be_harmless_is_hidden(message: dict[str, Any]):
    shown = without_secrets(message)
    assert json.loads(canonical(shown)) == shown
    for key in ("secret", "code", "metadata"):
        if isinstance(message.get(key), str):
            assert shown[key] == HIDDEN


@given(st.text(min_size=8, alphabet="abcdefgh0123"))
def test_a_secret_is_nowhere(secret: str):
    hidden = {
        "code": secret,
        "stripePaymentMethodId": secret,
        "mandateText": secret,
        "metadata": {secret: secret},
        "targets": [{"url": f"slack://{secret}/{secret}"}, {"url": f"{secret}@example.com"}],
        "url": f"https://{secret}:{secret}@example.com/{secret}?{secret}#{secret}",
        "nested": {"deep": [[{"password": secret}]]},
    }
    assert secret not in canonical(without_secrets(hidden))


def test_a_web_address_keeps_its_host():
    assert without_secrets({"url": "https://u:p@example.com/x?y"})["url"] == f"https://example.com/{HIDDEN}"


def test_long_lists_and_texts_are_cut():
    shown = without_secrets({"events": [{"quantity": "1"}] * (ITEMS_MAX + 1), "description": "x" * (TEXT_MAX + 1)})
    assert shown["events"] == {"count": ITEMS_MAX + 1, "first": [{"quantity": "1"}] * ITEMS_MAX}
    assert shown["description"] == "x" * TEXT_MAX


@given(st.text())
def test_a_header_becomes_printable(header: str):
    shown = printable(header)
    assert len(shown) == min(len(header), HEADER_MAX)
    assert all(" " <= c <= "~" for c in shown)
