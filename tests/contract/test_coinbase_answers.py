"""How the Coinbase module reads answers: refusals, documented shapes, and what it refuses to guess."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from providers.coinbase.failures import refusal
from providers.coinbase.snapshots import payment_snapshot
from providers.protocol import (
    FailureKind,
    InvalidRequest,
    PaymentState,
    ProviderError,
    RefundRequest,
    RefundState,
    Unavailable,
)
from tests.contract.coinbase_lab import DOCUMENTED, CoinbaseSimulatorLab
from tests.contract.labs import top_up, usd


@pytest.mark.parametrize(
    ("status", "kind", "outcome_unknown"),
    [
        (400, FailureKind.INVALID, False),
        (404, FailureKind.INVALID, False),
        (422, FailureKind.INVALID, False),
        (401, FailureKind.UNAVAILABLE, False),
        (403, FailureKind.UNAVAILABLE, False),
        (429, FailureKind.UNAVAILABLE, False),
        (302, FailureKind.UNAVAILABLE, True),
        (408, FailureKind.UNAVAILABLE, True),
        (409, FailureKind.UNAVAILABLE, True),
        (500, FailureKind.UNAVAILABLE, True),
        (503, FailureKind.UNAVAILABLE, True),
    ],
)
async def test_classes_of_refusals(
    coinbase_lab: CoinbaseSimulatorLab,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    kind: FailureKind,
    outcome_unknown: bool,
) -> None:
    async def refusing(self: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json={**DOCUMENTED["error_answer"], "correlationId": "c-1"}, request=request)

    monkeypatch.setattr(httpx.AsyncClient, "send", refusing)
    with pytest.raises(ProviderError) as refused:
        await coinbase_lab.provider.create_topup(top_up(coinbase_lab))
    monkeypatch.undo()
    failure = refused.value.failure
    assert (failure.kind, failure.outcome_unknown) == (kind, outcome_unknown)
    assert failure.code == ("resource_missing" if status == 404 else "invalid_request")
    assert failure.provider_request_id == "c-1"


def test_a_refusal_without_words_has_its_status_as_code() -> None:
    for body in (None, [], {"errorType": 7}, {"errorType": ""}):
        error = refusal(418, body, may_have_run=False, request_id=None)
        assert error.failure.code == "http_418"
        assert error.failure.message


async def test_a_later_refusal_does_not_undo_what_an_earlier_attempt_may_have_done(
    coinbase_lab: CoinbaseSimulatorLab,
) -> None:
    lab = coinbase_lab
    provider = lab.other_provider(network_retries_max=1)
    await lab.fault("disconnect_after")
    await lab.fault("rate_limit")
    with pytest.raises(Unavailable) as limited:
        await provider.create_topup(top_up(lab))
    await provider.aclose()
    assert limited.value.failure.code == "rate_limit_exceeded"
    assert limited.value.failure.outcome_unknown is True
    assert lab.payment_count() == 1


async def test_a_request_that_never_left_has_no_unknown_outcome(coinbase_lab: CoinbaseSimulatorLab) -> None:
    nowhere = coinbase_lab.other_provider(api_base="http://127.0.0.1:1/api/v1")
    with pytest.raises(Unavailable) as failed:
        await nowhere.create_topup(top_up(coinbase_lab))
    await nowhere.aclose()
    assert (failed.value.failure.code, failed.value.failure.outcome_unknown) == ("connection_failed", False)


async def test_waiting_between_attempts_is_inside_the_deadline(coinbase_lab: CoinbaseSimulatorLab) -> None:
    lab = coinbase_lab
    patient = lab.other_provider(
        network_retries_max=5, retry_delay=timedelta(minutes=1), deadline=timedelta(milliseconds=300)
    )
    await lab.fault("error_before", times=9)
    async with asyncio.timeout(10):
        with pytest.raises(Unavailable) as late:
            await patient.create_topup(top_up(lab))
    await patient.aclose()
    assert late.value.failure.code == "deadline_exceeded"


CHECKOUT: dict[str, Any] = DOCUMENTED["get_answer"]


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>busy</html>",
        b"[]",
        b"{}",
        json.dumps({**CHECKOUT, "status": "ON_HOLD"}).encode(),
        json.dumps({**CHECKOUT, "currency": "BTC"}).encode(),
        json.dumps({**CHECKOUT, "amount": 75.5}).encode(),
        json.dumps({**CHECKOUT, "settlement": {**CHECKOUT["settlement"], "currency": "EUR"}}).encode(),
        json.dumps({**CHECKOUT, "createdAt": "2026-03-20T10:30:00"}).encode(),
        json.dumps({**CHECKOUT, "refunds": [{"id": "r"}]}).encode(),
    ],
)
async def test_an_answer_that_is_not_documented_is_not_guessed_at(
    coinbase_lab: CoinbaseSimulatorLab, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    async def answering(self: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=answer, request=request)

    monkeypatch.setattr(httpx.AsyncClient, "send", answering)
    with pytest.raises(Unavailable) as read:
        await coinbase_lab.provider.sync(coinbase_lab.unknown_id)
    with pytest.raises(Unavailable) as written:
        await coinbase_lab.provider.create_topup(top_up(coinbase_lab))
    monkeypatch.undo()
    assert read.value.failure.code == written.value.failure.code == "unexpected_answer"
    assert (read.value.failure.outcome_unknown, written.value.failure.outcome_unknown) == (False, True)


@pytest.mark.parametrize(
    "external_id", ["", "../x", "0" * 23, "0" * 25, "Z" * 24, "0" * 24 + "/refund", "0" * 24 + "\n"]
)
async def test_an_id_of_another_form_never_leaves(
    coinbase_lab: CoinbaseSimulatorLab, sent: list[httpx.Request], external_id: str
) -> None:
    provider = coinbase_lab.provider
    with pytest.raises(InvalidRequest):
        await provider.sync(external_id)
    with pytest.raises(InvalidRequest):
        await provider.cancel(external_id, idempotency_key="k")
    with pytest.raises(InvalidRequest):
        await provider.refund(RefundRequest(payment_external_id=external_id, idempotency_key="k"))
    assert sent == []


def test_the_documented_answers_are_understood() -> None:
    made = payment_snapshot(DOCUMENTED["create_answer"])
    assert (made.state, made.amount, made.amount_received) == (PaymentState.AWAITING_PAYER, usd(7550), usd(0))
    assert made.hosted_url == DOCUMENTED["create_answer"]["url"]
    assert made.created_at == datetime(2026, 3, 20, 10, 30, tzinfo=UTC)
    assert made.metadata == {"org_id": "org-1", "top_up_id": "top-1"}

    paid = payment_snapshot(DOCUMENTED["get_answer"])
    assert (paid.state, paid.amount_received, paid.fee) == (PaymentState.SUCCEEDED, usd(7550), usd(94))
    assert paid.amount_refunded == usd(2500)
    assert [(row.amount, row.state) for row in paid.refunds] == [(usd(2500), RefundState.SUCCEEDED)]

    asked = payment_snapshot(DOCUMENTED["refund_answer"]["checkout"])
    assert (asked.amount_refunded, asked.refunds[0].state) == (usd(2500), RefundState.PENDING)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("ACTIVE", PaymentState.AWAITING_PAYER),
        ("PROCESSING", PaymentState.PROCESSING),
        ("COMPLETED", PaymentState.SUCCEEDED),
        ("PARTIALLY_REFUNDED", PaymentState.SUCCEEDED),
        ("REFUNDED", PaymentState.SUCCEEDED),
        ("FAILED", PaymentState.FAILED),
        ("EXPIRED", PaymentState.CANCELED),
        ("DEACTIVATED", PaymentState.CANCELED),
    ],
)
def test_states(status: str, state: PaymentState) -> None:
    shown = payment_snapshot({**CHECKOUT, "status": status})
    assert shown.state is state
    assert shown.amount_received == (usd(7550) if state is PaymentState.SUCCEEDED else usd(0))


def test_completed_without_settlement_is_not_credited_yet() -> None:
    shown = payment_snapshot({**CHECKOUT, "settlement": None})
    assert (shown.state, shown.amount_received, shown.fee) == (PaymentState.PROCESSING, usd(0), None)


def test_a_total_without_its_refunds_still_counts() -> None:
    assert payment_snapshot({**CHECKOUT, "refunds": []}).amount_refunded == usd(2500)
