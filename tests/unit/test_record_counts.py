"""Requests that are small on the wire and huge in memory are told from large ones that are meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wallet_api.billing.v1.ledger_service_pb import RecordJournalEntriesRequest
from wallet_api.billing.v1.usage_service_pb import RecordUsageEventsRequest, UsageEventInput
from wallet_api.wallet.v1.journal_pb import LedgerPosting, PostingDirection
from wallet_api.wallet.v1.operator_messages_pb import RecordJournalEntryRequest
from wallet_api.wallet.v1.wallet_service_pb import GetWalletBalanceRequest

from wallet_service.errors import Reason, ServiceError
from wallet_service.rpc import record_counts, validation
from wallet_service.rpc.record_counts import LOOKED_AT_BYTES, RECORDS_MAX, has_too_many_binary, has_too_many_json

JOURNAL = RecordJournalEntriesRequest.desc()


def journal(entry_count: int, posting_count: int) -> RecordJournalEntriesRequest:
    posting = LedgerPosting(
        account_code="USAGE_REVENUE", amount_minor=1, direction=PostingDirection.DEBIT, currency="USD"
    )
    entry = RecordJournalEntryRequest(
        wallet_name="organizations/some-org/wallets/default",
        idempotency_key="k" * 36,
        postings=[posting] * posting_count,
    )
    return RecordJournalEntriesRequest(entries=[entry] * entry_count)


def field(number: int, payload: bytes) -> bytes:
    """A field of a length below 2^21."""
    length = len(payload)
    return bytes([number << 3 | 2, length & 127 | 128, length >> 7 & 127 | 128, length >> 14]) + payload


def test_the_fullest_request_that_the_rules_allow_is_taken():
    message = journal(1000, 64)
    body = message.to_binary()
    assert len(body) > LOOKED_AT_BYTES
    assert not has_too_many_binary(body, JOURNAL)
    text = journal(1000, 64).to_json().encode()
    assert len(text) > 4 * 1024 * 1024, "in JSON the bytes are the bound"
    assert not has_too_many_json(text[: 4 * 1024 * 1024])


@pytest.mark.parametrize(
    "body",
    [
        bytes([1 << 3 | 2, 0]) * (RECORDS_MAX + 1),
        bytes([15 << 3 | 2, 0]) * (RECORDS_MAX + 1),
        bytes([15 << 3, 1]) * (RECORDS_MAX + 1),
        field(1, field(4, b"") + bytes([4 << 3 | 2, 0]) * RECORDS_MAX),
    ],
    ids=["elements", "unknown fields", "unknown numbers", "elements of an element"],
)
def test_a_field_too_many_is_found(body: bytes):
    number = next(each.number for each in RecordJournalEntryRequest.desc().fields if each.name == "postings")
    assert number == 4, "the body is made for this"
    assert has_too_many_binary(body, JOURNAL)


def test_exactly_as_many_as_there_may_be():
    assert not has_too_many_binary(bytes([1 << 3 | 2, 0]) * RECORDS_MAX, JOURNAL)
    assert not has_too_many_json(b"[" + b"1," * (RECORDS_MAX - 1) + b"1]")
    assert has_too_many_json(b"[" + b"1," * RECORDS_MAX + b"1]")


@given(st.binary(max_size=200))
def test_what_is_malformed_is_left_to_the_decoder(body: bytes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record_counts, "LOOKED_AT_BYTES", 0)
        assert not has_too_many_binary(body, JOURNAL)


def test_a_number_without_an_end_is_malformed():
    assert not has_too_many_binary(b"\xff" * 1_000_000, GetWalletBalanceRequest.desc())


def violations_of(request: object) -> list[str]:
    with pytest.raises(ServiceError) as refused:
        validation._check(request)  # pyright: ignore[reportPrivateUsage]
    assert refused.value.reason is Reason.INVALID_FIELD
    return [each.field for each in refused.value.violations]


def test_all_broken_rules_of_a_batch_are_told():
    events = [UsageEventInput(project_name="projects/p", quantity="1", idempotency_key=f"{n}") for n in range(1000)]
    found = violations_of(RecordUsageEventsRequest(organization_name="organizations/o", events=events))
    assert found == [f"events[{n}].meter" for n in range(1000)]


def test_of_thousands_the_first_is_told():
    assert len(violations_of(journal(2, 1200))) == 1
    too_many = [UsageEventInput()] * 100_000
    assert violations_of(RecordUsageEventsRequest(organization_name="organizations/o", events=too_many)) == ["events"]
