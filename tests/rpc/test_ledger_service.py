"""billing.v1.LedgerService by its generated client: conversion, roles, scope and published refusals."""

from collections.abc import AsyncIterator, Awaitable
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from protobuf.wkt import Timestamp
from wallet_api.billing.v1 import ledger_pb as pb
from wallet_api.billing.v1 import ledger_service_pb as rpc
from wallet_api.google.rpc.error_details_pb import ErrorInfo
from wallet_api.wallet.v1.journal_pb import LedgerPosting, PostingDirection
from wallet_api.wallet.v1.operator_messages_pb import RecordJournalEntryRequest
from wallet_api.wallet.v1.spending_pb import SetSpendingLimitRequest
from wallet_api.wallet.v1.wallet_service_pb import GetWalletBalanceRequest

from tests.rpc.accounts_app import reason
from tests.rpc.service_app import START, Api, running
from wallet_service.principal import Role

ORG = "organizations/my-org"
WALLET = f"{ORG}/wallets/default"
NOBODY = "00000000-0000-7000-8000-000000000007"
DEBIT, CREDIT = PostingDirection.DEBIT, PostingDirection.CREDIT
KIND, STATE = pb.JournalEntryKind, pb.HoldState

NOT_FOUND = (Code.NOT_FOUND, "RESOURCE_NOT_FOUND")
TOO_LOW = (Code.PERMISSION_DENIED, "ROLE_TOO_LOW")


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with running(database_url) as made:
        yield made


async def refusal(call: Awaitable[object]) -> tuple[Code, str]:
    with pytest.raises(ConnectError) as refused:
        await call
    return refused.value.code, reason(refused.value)


async def metadata_of(call: Awaitable[object]) -> dict[str, str]:
    with pytest.raises(ConnectError) as refused:
        await call
    info = refused.value.details[0].value(ErrorInfo)
    assert info is not None
    return dict(info.metadata)


def at(time: datetime) -> Timestamp:
    return Timestamp.from_datetime(time)


async def deposit(
    api: Api, amount_minor: int = 1000, request_id: str = "d", key: Role | str = Role.OPERATOR, **fields: Any
) -> rpc.DepositResponse:
    request = rpc.DepositRequest(
        **{"wallet_name": WALLET, "amount_minor": amount_minor, "request_id": request_id, **fields}
    )
    return await api.ledger.deposit(request, headers=api.headers(key))


async def hold(
    api: Api, amount_minor: int = 300, request_id: str = "h", key: Role | str = Role.EDITOR, **fields: Any
) -> pb.Hold:
    request = rpc.CreateHoldRequest(
        **{"wallet_name": WALLET, "amount_minor": amount_minor, "request_id": request_id, **fields}
    )
    made = (await api.ledger.create_hold(request, headers=api.headers(key))).hold
    assert made is not None
    return made


async def record(
    api: Api, *legs: tuple[str, int, PostingDirection], key: Role | str = Role.OPERATOR, **fields: Any
) -> str:
    request = RecordJournalEntryRequest(
        **{
            "wallet_name": WALLET,
            "idempotency_key": "j",
            "postings": [
                LedgerPosting(account_code=code, amount_minor=amount, direction=side) for code, amount, side in legs
            ],
            **fields,
        }
    )
    return (await api.ledger.record_journal_entry(request, headers=api.headers(key))).journal_entry_id


async def entry(api: Api, name: str) -> pb.JournalEntry:
    answer = await api.ledger.get_journal_entry(rpc.GetJournalEntryRequest(name=name), headers=api.headers(Role.VIEWER))
    assert answer.journal_entry is not None
    return answer.journal_entry


def bulk_entry(key: str, amount_minor: int, wallet: str = WALLET, **fields: Any) -> RecordJournalEntryRequest:
    """What takes an amount from a wallet to revenue."""
    legs = (("CUSTOMER_PREPAY_LIABILITY", DEBIT), ("USAGE_REVENUE", CREDIT))
    return RecordJournalEntryRequest(
        wallet_name=wallet,
        idempotency_key=key,
        postings=[LedgerPosting(account_code=code, amount_minor=amount_minor, direction=side) for code, side in legs],
        **fields,
    )


async def record_many(
    api: Api, *entries: RecordJournalEntryRequest, key: Role = Role.OPERATOR
) -> rpc.RecordJournalEntriesResponse:
    request = rpc.RecordJournalEntriesRequest(entries=list(entries))
    return await api.ledger.record_journal_entries(request, headers=api.headers(key))


async def test_many_entries_are_recorded_each_for_itself(api: Api):
    status = rpc.JournalEntryStatus
    await deposit(api, 1000)
    answer = await record_many(
        api,
        bulk_entry("a", 400),
        bulk_entry("b", 700),
        bulk_entry("a", 400),
        bulk_entry("a", 401),
        bulk_entry("c", 600, description="the rest"),
        bulk_entry("d", 1, wallet="organizations/nobody/wallets/default"),
    )
    found = [(result.index, result.status, result.reason.name) for result in answer.results]
    assert found == [
        (0, status.RECORDED, "UNSPECIFIED"),
        (1, status.REFUSED, "INSUFFICIENT_FUNDS"),
        (2, status.DUPLICATE, "UNSPECIFIED"),
        (3, status.REFUSED, "IDEMPOTENCY_KEY_REUSED"),
        (4, status.RECORDED, "UNSPECIFIED"),
        (5, status.REFUSED, "RESOURCE_NOT_FOUND"),
    ]
    assert (answer.recorded_count, answer.duplicate_count, answer.refused_count, answer.unknown_count) == (2, 1, 3, 0)
    assert answer.results[2].journal_entry_name == answer.results[0].journal_entry_name
    read = await entry(api, answer.results[4].journal_entry_name)
    assert (read.description, read.sequence) == ("the rest", 3)
    # The same key means the same entry, whichever method recorded it.
    again = await api.ledger.record_journal_entry(bulk_entry("a", 400), headers=api.headers(Role.OPERATOR))
    assert answer.results[0].journal_entry_name.endswith(again.journal_entry_id)


async def test_many_entries_meet_a_spending_limit_one_by_one(api: Api):
    await deposit(api, 1000)
    limit = SetSpendingLimitRequest(wallet_name=WALLET, amount_minor=500, duration="daily", strategy="fixed")
    await api.wallet.set_spending_limit(limit, headers=api.headers(Role.ADMIN))
    answer = await record_many(api, bulk_entry("a", 300), bulk_entry("b", 300), bulk_entry("c", 200))
    assert [result.reason.name for result in answer.results] == [
        "UNSPECIFIED",
        "SPENDING_LIMIT_EXCEEDED",
        "UNSPECIFIED",
    ]


async def test_an_entry_that_was_committed_on_a_connection_that_was_lost_is_not_called_refused(
    api: Api, monkeypatch: pytest.MonkeyPatch
):
    await deposit(api, 1000)
    limit = SetSpendingLimitRequest(wallet_name=WALLET, amount_minor=500, duration="daily", strategy="fixed")
    await api.wallet.set_spending_limit(limit, headers=api.headers(Role.ADMIN))
    execute = asyncpg.Connection.execute
    writers: list[Any] = []

    async def lost_after_commit(conn: Any, query: str, *args: Any, **options: Any) -> str:
        if query.strip().startswith("WITH locked") and not writers:
            writers.append(conn)
        status = await execute(conn, query, *args, **options)
        if query == "COMMIT" and writers == [conn]:
            writers.append(None)
            conn.terminate()
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
        return status

    monkeypatch.setattr(asyncpg.Connection, "execute", lost_after_commit)
    answer = await record_many(api, bulk_entry("a", 300))
    assert (answer.unknown_count, answer.results[0].reason.name) == (1, "OUTCOME_UNKNOWN")
    again = await record_many(api, bulk_entry("a", 300))
    assert again.duplicate_count == 1


async def test_many_entries_are_for_operators_and_name_their_wallets_well(api: Api):
    assert await refusal(record_many(api, bulk_entry("a", 1), key=Role.ADMIN)) == TOO_LOW
    malformed = record_many(api, bulk_entry("a", 1), bulk_entry("b", 1, wallet="wallets/a/b"))
    assert (await refusal(malformed))[0] is Code.INVALID_ARGUMENT


async def test_an_entry_is_recorded_and_read(api: Api):
    legs = (("ADJUSTMENTS", 500, DEBIT), ("CUSTOMER_PREPAY_LIABILITY", 500, CREDIT))
    entry_id = await record(api, *legs, description="opening balance")
    assert await record(api, *legs, description="opening balance", wallet_name="wallets/my-org") == entry_id
    found = await entry(api, f"{ORG}/journal-entries/{entry_id}")
    assert found == pb.JournalEntry(
        name=f"{ORG}/journal-entries/{entry_id}",
        sequence=1,
        kind=KIND.TRANSFER,
        description="opening balance",
        postings=[
            pb.Posting(account_code="ADJUSTMENTS", amount_minor=500, currency="USD", side=pb.EntrySide.DEBIT),
            pb.Posting(
                account_code="CUSTOMER_PREPAY_LIABILITY", amount_minor=500, currency="USD", side=pb.EntrySide.CREDIT
            ),
        ],
        effective_time=at(START),
        record_time=at(START),
        hash=found.hash,
    )
    assert len(bytes.fromhex(found.hash)) == 32
    assert await entry(api, f"journal-entries/{entry_id}") == found


@pytest.mark.parametrize(
    ("legs", "expected"),
    [
        (
            [("ADJUSTMENTS", 5, DEBIT), ("CUSTOMER_PREPAY_LIABILITY", 4, CREDIT)],
            (Code.INVALID_ARGUMENT, "ENTRY_UNBALANCED"),
        ),
        ([("NO_SUCH", 5, DEBIT), ("ADJUSTMENTS", 5, CREDIT)], (Code.INVALID_ARGUMENT, "ACCOUNT_UNKNOWN")),
        ([("ADJUSTMENTS", 5, DEBIT), ("CUSTOMER_HOLDS", 5, CREDIT)], (Code.INVALID_ARGUMENT, "ACCOUNT_UNKNOWN")),
        ([("ADJUSTMENTS", 5, DEBIT)], (Code.INVALID_ARGUMENT, "INVALID_FIELD")),
        ([("ADJUSTMENTS", -5, DEBIT), ("USAGE_REVENUE", -5, CREDIT)], (Code.INVALID_ARGUMENT, "INVALID_FIELD")),
        ([("ADJUSTMENTS", 0, DEBIT), ("USAGE_REVENUE", 0, CREDIT)], (Code.INVALID_ARGUMENT, "INVALID_FIELD")),
        (
            [("CUSTOMER_PREPAY_LIABILITY", 5, DEBIT), ("USAGE_REVENUE", 5, CREDIT)],
            (Code.FAILED_PRECONDITION, "INSUFFICIENT_FUNDS"),
        ),
    ],
)
async def test_entries_that_cannot_be_are_refused(
    api: Api, legs: list[tuple[str, int, PostingDirection]], expected: tuple[Code, str]
):
    assert await refusal(record(api, *legs)) == expected


async def test_a_used_key_with_other_content_is_refused(api: Api):
    first = await deposit(api, 1000)
    assert await deposit(api, 1000) == first
    assert await refusal(deposit(api, 1001)) == (Code.ALREADY_EXISTS, "IDEMPOTENCY_KEY_REUSED")
    assert await refusal(deposit(api, 1000, currency="EUR", request_id="d2")) == (
        Code.INVALID_ARGUMENT,
        "CURRENCY_MISMATCH",
    )
    assert first.balance_minor == 1000
    made = first.journal_entry
    assert made is not None
    assert (made.kind, made.description, made.reversed_entry, made.metadata) == (KIND.DEPOSIT, "deposit", "", {})


async def refund(api: Api, name: str, amount_minor: int, request_id: str) -> rpc.RefundResponse:
    request = rpc.RefundRequest(
        journal_entry_name=name, amount_minor=amount_minor, description="mistake", request_id=request_id
    )
    return await api.ledger.refund(request, headers=api.headers(Role.OPERATOR))


async def test_refunds_name_their_original_and_never_exceed_it(api: Api):
    original = (await deposit(api, 1000)).journal_entry
    assert original is not None
    part = await refund(api, original.name, 300, "r1")
    assert part.journal_entry is not None
    assert (part.journal_entry.reversed_entry, part.journal_entry.kind) == (original.name, KIND.REVERSAL)
    assert part.remaining_minor == 700
    assert (await refund(api, original.name, 300, "r1")).journal_entry == part.journal_entry
    exceeding = refund(api, original.name, 701, "r2")
    assert await metadata_of(exceeding) == {"remaining_minor": "700"}
    assert (await refund(api, original.name, 0, "r3")).remaining_minor == 0
    assert await refusal(refund(api, original.name, 0, "r4")) == (Code.FAILED_PRECONDITION, "EXCEEDS_REMAINING")
    assert await refusal(refund(api, f"{ORG}/journal-entries/{NOBODY}", 0, "r5")) == NOT_FOUND
    assert await refusal(refund(api, f"{ORG}/journal-entries/no-uuid", 0, "r5")) == NOT_FOUND


async def test_what_only_moved_into_a_hold_has_nothing_to_refund(api: Api):
    await deposit(api, 1000)
    made = await hold(api)
    opening = made.name.replace("/holds/", "/journal-entries/")
    assert (await entry(api, opening)).kind is KIND.HOLD
    assert await refusal(refund(api, opening, 0, "r")) == (Code.FAILED_PRECONDITION, "ENTRY_NOT_REVERSIBLE")


async def test_a_hold_lives_through_its_states(api: Api):
    await deposit(api, 1000)
    made = await hold(api, 300, description="a reservation")
    assert made == pb.Hold(
        name=made.name,
        wallet_name=WALLET,
        amount_minor=300,
        remaining_minor=300,
        currency="USD",
        state=STATE.OPEN,
        description="a reservation",
        expire_time=at(START + timedelta(days=7)),
        create_time=at(START),
        update_time=at(START),
    )
    api.clock.advance(timedelta(minutes=1))
    assert await hold(api, 300, description="a reservation") == made
    balance = await api.wallet.get_wallet_balance(
        GetWalletBalanceRequest(name=WALLET), headers=api.headers(Role.VIEWER)
    )
    assert balance.balance_minor == 1000
    as_editor = api.headers(Role.EDITOR)
    extended = await api.ledger.extend_hold(
        rpc.ExtendHoldRequest(name=made.name, expire_time=at(START + timedelta(days=9)), request_id="e"),
        headers=as_editor,
    )
    assert extended.hold is not None
    assert extended.hold.expire_time == at(START + timedelta(days=9))
    kept = await api.ledger.capture_hold(
        rpc.CaptureHoldRequest(name=made.name, amount_minor=100, keep_remaining=True, request_id="c1"),
        headers=as_editor,
    )
    assert kept.hold is not None
    assert (kept.hold.captured_minor, kept.hold.remaining_minor, kept.hold.state) == (100, 200, STATE.OPEN)
    taken = await entry(api, kept.journal_entry_name)
    assert [(leg.account_code, leg.amount_minor) for leg in taken.postings] == [
        ("CUSTOMER_HOLDS", 100),
        ("USAGE_REVENUE", 100),
    ]
    exceeding = rpc.CaptureHoldRequest(name=made.name, amount_minor=201, request_id="c2")
    assert await refusal(api.ledger.capture_hold(exceeding, headers=as_editor)) == (
        Code.FAILED_PRECONDITION,
        "EXCEEDS_REMAINING",
    )
    done = await api.ledger.capture_hold(
        rpc.CaptureHoldRequest(name=made.name, amount_minor=50, request_id="c2"), headers=as_editor
    )
    assert done.hold is not None
    assert (done.hold.captured_minor, done.hold.remaining_minor, done.hold.state) == (150, 0, STATE.CAPTURED)
    release = rpc.ReleaseHoldRequest(name=made.name, request_id="r")
    assert await refusal(api.ledger.release_hold(release, headers=as_editor)) == (
        Code.FAILED_PRECONDITION,
        "HOLD_NOT_OPEN",
    )


async def test_holds_that_cannot_be_are_refused(api: Api):
    await deposit(api, 100)
    assert await metadata_of(hold(api, 101)) == {
        "available_minor": "100",
        "required_minor": "101",
        "currency": "USD",
    }
    for expires in (START, START + timedelta(days=367)):
        assert await refusal(hold(api, 10, expire_time=at(expires))) == (Code.INVALID_ARGUMENT, "INVALID_FIELD")
    assert await refusal(hold(api, 10, currency="EUR")) == (Code.INVALID_ARGUMENT, "CURRENCY_MISMATCH")
    assert await refusal(hold(api, 0)) == (Code.INVALID_ARGUMENT, "INVALID_FIELD")
    for name in (f"{ORG}/holds/{NOBODY}", f"{ORG}/holds/no-uuid"):
        request = rpc.ReleaseHoldRequest(name=name, request_id="r")
        assert await refusal(api.ledger.release_hold(request, headers=api.headers(Role.EDITOR))) == NOT_FOUND


async def test_a_released_and_an_expired_hold(api: Api):
    await deposit(api, 1000)
    first, second = await hold(api, 100, "h1"), await hold(api, 200, "h2", expire_time=at(START + timedelta(hours=1)))
    released = await api.ledger.release_hold(
        rpc.ReleaseHoldRequest(name=first.name, request_id="r"), headers=api.headers(Role.EDITOR)
    )
    assert released.hold is not None
    assert released.hold.state is STATE.RELEASED
    api.clock.advance(timedelta(hours=1))
    capture = rpc.CaptureHoldRequest(name=second.name, request_id="c")
    assert await metadata_of(api.ledger.capture_hold(capture, headers=api.headers(Role.EDITOR))) == {"state": "expired"}
    assert await api.service.holds.run_due(None) == 1
    listed = await api.ledger.list_holds(
        rpc.ListHoldsRequest(wallet_name=WALLET, state=STATE.EXPIRED), headers=api.headers(Role.VIEWER)
    )
    assert [row.name for row in listed.holds] == [second.name]


async def test_lists_come_in_pages(api: Api):
    await deposit(api, 1000)
    holds = [(await hold(api, 10, f"h{i}")).name for i in range(3)]
    found: list[str] = []
    token, is_first = "", True
    while token or is_first:
        page = await api.ledger.list_holds(
            rpc.ListHoldsRequest(wallet_name=WALLET, page_size=2, page_token=token), headers=api.headers(Role.VIEWER)
        )
        found += [row.name for row in page.holds]
        token, is_first = page.next_page_token, False
    assert found == holds
    kinds: list[pb.JournalEntryKind] = []
    token, is_first = "", True
    while token or is_first:
        entries = await api.ledger.list_journal_entries(
            rpc.ListJournalEntriesRequest(organization_name=ORG, page_size=3, page_token=token),
            headers=api.headers(Role.VIEWER),
        )
        kinds += [row.kind for row in entries.journal_entries]
        token, is_first = entries.next_page_token, False
    assert kinds == [KIND.HOLD] * 3 + [KIND.DEPOSIT]
    for options, expected in (
        ({"kinds": [KIND.DEPOSIT]}, 1),
        ({"kinds": [KIND.HOLD, KIND.DEPOSIT]}, 4),
        ({"kinds": [KIND.USAGE]}, 0),
        ({"end_time": at(START)}, 0),
        ({"start_time": at(START)}, 4),
    ):
        listed = await api.ledger.list_journal_entries(
            rpc.ListJournalEntriesRequest(organization_name=ORG, **options), headers=api.headers(Role.VIEWER)
        )
        assert len(listed.journal_entries) == expected, options
    other = rpc.ListHoldsRequest(wallet_name=WALLET, page_token="bm9uc2Vuc2U")
    assert await refusal(api.ledger.list_holds(other, headers=api.headers(Role.VIEWER))) == (
        Code.INVALID_ARGUMENT,
        "INVALID_PAGE_TOKEN",
    )


async def test_a_statement_adds_up_over_its_pages(api: Api):
    await deposit(api, 1000)
    api.clock.advance(timedelta(hours=1))
    made = await hold(api, 300)
    await api.ledger.capture_hold(
        rpc.CaptureHoldRequest(name=made.name, amount_minor=100, request_id="c"), headers=api.headers(Role.EDITOR)
    )
    await deposit(api, 50, "d2", description="goodwill")
    period = {"start_time": at(START + timedelta(minutes=1)), "end_time": at(START + timedelta(days=1))}
    lines: list[rpc.StatementLine] = []
    token, is_first = "", True
    while token or is_first:
        page = await api.ledger.get_statement(
            rpc.GetStatementRequest(wallet_name=WALLET, page_size=1, page_token=token, **period),
            headers=api.headers(Role.VIEWER),
        )
        assert (page.currency, page.opening_balance_minor, page.closing_balance_minor) == ("USD", 1000, 950)
        assert {(total.kind, total.amount_minor, total.line_count) for total in page.totals} == {
            (KIND.CAPTURE, -100, 1),
            (KIND.DEPOSIT, 50, 1),
        }
        lines += page.lines
        token, is_first = page.next_page_token, False
    assert [(line.kind, line.amount_minor, line.balance_minor, line.description) for line in lines] == [
        (KIND.CAPTURE, -100, 900, ""),
        (KIND.DEPOSIT, 50, 950, "goodwill"),
    ]
    assert (await entry(api, lines[1].journal_entry_name)).kind is KIND.DEPOSIT
    backwards = rpc.GetStatementRequest(wallet_name=WALLET, start_time=at(START), end_time=at(START))
    assert await refusal(api.ledger.get_statement(backwards, headers=api.headers(Role.VIEWER))) == (
        Code.INVALID_ARGUMENT,
        "INVALID_FIELD",
    )


async def test_the_ledger_is_verified_by_its_viewer_and_all_of_it_by_the_operator(api: Api):
    await deposit(api, 1000)
    own = await api.ledger.verify_ledger(
        rpc.VerifyLedgerRequest(organization_name=ORG), headers=api.headers(Role.VIEWER)
    )
    assert (own.ok, own.violations, own.organization_count, own.entry_count) == (True, [], 1, 1)
    assert {"entry_sums_to_zero", "hash_chain", "usage_is_accrued"} <= set(own.laws)
    everything = await api.ledger.verify_ledger(rpc.VerifyLedgerRequest(), headers=api.headers(Role.OPERATOR))
    assert (everything.ok, everything.organization_count) == (True, 2)
    refused = await refusal(api.ledger.verify_ledger(rpc.VerifyLedgerRequest(), headers=api.headers(Role.ADMIN)))
    assert refused == TOO_LOW


def calls(api: Api, key: Role | str, *, wallet: str, entry_name: str, hold_name: str) -> dict[Role, list[Any]]:
    """Every method, by the role that it needs."""
    headers = api.headers(key)
    organization = wallet.partition("/wallets/")[0]
    period = {"start_time": at(START), "end_time": at(START + timedelta(days=1))}
    ledger = api.ledger
    return {
        Role.VIEWER: [
            ledger.list_journal_entries(rpc.ListJournalEntriesRequest(organization_name=organization), headers=headers),
            ledger.get_journal_entry(rpc.GetJournalEntryRequest(name=entry_name), headers=headers),
            ledger.list_holds(rpc.ListHoldsRequest(wallet_name=wallet), headers=headers),
            ledger.get_statement(rpc.GetStatementRequest(wallet_name=wallet, **period), headers=headers),
            ledger.verify_ledger(rpc.VerifyLedgerRequest(organization_name=organization), headers=headers),
        ],
        Role.EDITOR: [
            hold(api, 1, "x", key, wallet_name=wallet),
            ledger.extend_hold(
                rpc.ExtendHoldRequest(name=hold_name, expire_time=at(START + timedelta(days=2)), request_id="x"),
                headers=headers,
            ),
            ledger.capture_hold(
                rpc.CaptureHoldRequest(name=hold_name, amount_minor=1, keep_remaining=True, request_id="x"),
                headers=headers,
            ),
            ledger.release_hold(rpc.ReleaseHoldRequest(name=hold_name, request_id="x"), headers=headers),
        ],
        Role.OPERATOR: [
            deposit(api, 1, "x", key, wallet_name=wallet),
            record(
                api,
                ("ADJUSTMENTS", 1, DEBIT),
                ("CUSTOMER_PREPAY_LIABILITY", 1, CREDIT),
                key=key,
                wallet_name=wallet,
            ),
            ledger.refund(
                rpc.RefundRequest(journal_entry_name=entry_name, amount_minor=1, description="x", request_id="x"),
                headers=headers,
            ),
        ],
    }


RANKS = [Role.VIEWER, Role.EDITOR, Role.ADMIN, Role.OPERATOR]


@pytest.mark.parametrize("role", RANKS)
async def test_each_method_needs_its_role(api: Api, role: Role):
    original, made = (await deposit(api, 1000)).journal_entry, await hold(api)
    assert original is not None
    for needed, methods in calls(api, role, wallet=WALLET, entry_name=original.name, hold_name=made.name).items():
        for call in methods:
            if RANKS.index(role) >= RANKS.index(needed):
                await call
            else:
                assert await refusal(call) == TOO_LOW


async def test_another_organization_does_not_exist(api: Api):
    original, made = (await deposit(api, 1000)).journal_entry, await hold(api)
    assert original is not None
    methods = calls(api, api.stranger, wallet=WALLET, entry_name=original.name, hold_name=made.name)
    for call in [*methods[Role.VIEWER], *methods[Role.EDITOR]]:
        assert await refusal(call) == NOT_FOUND
    for call in methods[Role.OPERATOR]:
        assert (await refusal(call))[0] in (Code.NOT_FOUND, Code.PERMISSION_DENIED)
    # An id of another organization's under one's own name is not found either.
    theirs = "organizations/other-org"
    methods = calls(
        api,
        api.stranger,
        wallet=f"{theirs}/wallets/default",
        entry_name=original.name.replace(ORG, theirs),
        hold_name=made.name.replace(ORG, theirs),
    )
    assert await refusal(methods[Role.VIEWER][1]) == NOT_FOUND
    for call in methods[Role.EDITOR][1:]:
        assert await refusal(call) == NOT_FOUND
    for call in [methods[Role.VIEWER][0], *methods[Role.VIEWER][2:], methods[Role.EDITOR][0], *methods[Role.OPERATOR]]:
        call.close()
