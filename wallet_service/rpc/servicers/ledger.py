"""billing.v1.LedgerService."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from wallet_api.billing.v1 import ledger_pb as pb
from wallet_api.billing.v1 import ledger_service_pb as rpc
from wallet_api.billing.v1.error_reason_pb import ErrorReason
from wallet_api.billing.v1.ledger_service_connect import LedgerService
from wallet_api.wallet.v1.journal_pb import LedgerPosting, PostingDirection
from wallet_api.wallet.v1.operator_messages_pb import RecordJournalEntryRequest, RecordJournalEntryResponse

from ledger.hold_queries import HoldView
from ledger.model import HoldState, Posted
from wallet_service import names
from wallet_service.accounts.wallet_operations import Wallets
from wallet_service.errors import Reason, ServiceError, invalid_field, not_found
from wallet_service.journal.audit_operations import Audit
from wallet_service.journal.bulk_operations import BulkJournal, EntryResult, NewEntry
from wallet_service.journal.hold_operations import Holds
from wallet_service.journal.model import EntryView, StatementView
from wallet_service.journal.operations import Journal
from wallet_service.journal.rules import OperatorLeg, Purpose
from wallet_service.rpc.convert import from_proto_timestamp, to_proto_timestamp
from wallet_service.rpc.scope import Owner, Scope

_STATUS: Final = rpc.JournalEntryStatus

VERIFY_BOUND: Final = timedelta(seconds=25)
"""Of each law of a verification by RPC; `wallet audit` has no bound."""

_KINDS: Final = {
    Purpose.TRANSFER: pb.JournalEntryKind.TRANSFER,
    Purpose.TOP_UP: pb.JournalEntryKind.TOP_UP,
    Purpose.DEPOSIT: pb.JournalEntryKind.DEPOSIT,
    Purpose.USAGE: pb.JournalEntryKind.USAGE,
    Purpose.HOLD: pb.JournalEntryKind.HOLD,
    Purpose.CAPTURE: pb.JournalEntryKind.CAPTURE,
    Purpose.RELEASE: pb.JournalEntryKind.RELEASE,
    Purpose.REVERSAL: pb.JournalEntryKind.REVERSAL,
    Purpose.REFUND: pb.JournalEntryKind.REFUND,
    Purpose.DISPUTE: pb.JournalEntryKind.DISPUTE,
    Purpose.FEE: pb.JournalEntryKind.FEE,
}
_PURPOSES: Final = {wire: purpose for purpose, wire in _KINDS.items()}
_STATES: Final = {
    HoldState.OPEN: pb.HoldState.OPEN,
    HoldState.CAPTURED: pb.HoldState.CAPTURED,
    HoldState.RELEASED: pb.HoldState.RELEASED,
    HoldState.EXPIRED: pb.HoldState.EXPIRED,
}
_FROM_STATES: Final = {wire: state for state, wire in _STATES.items()}


class LedgerServicer(LedgerService):
    """The double-entry ledger."""

    def __init__(
        self,
        scope: Scope,
        journal: Journal,
        bulk: BulkJournal,
        holds: Holds,
        audit: Audit,
        wallets: Wallets,
    ) -> None:
        self._scope = scope
        self._journal = journal
        self._bulk = bulk
        self._holds = holds
        self._audit = audit
        self._wallets = wallets

    async def record_journal_entry(
        self, request: RecordJournalEntryRequest, ctx: object, /
    ) -> RecordJournalEntryResponse:
        owner = await self._scope.owner("wallet", request.wallet_name)
        entry_id = await self._journal.record(
            owner.org_id,
            legs=from_proto_postings(request.postings),
            description=request.description,
            key=request.idempotency_key,
        )
        return RecordJournalEntryResponse(journal_entry_id=str(entry_id))

    async def record_journal_entries(
        self, request: rpc.RecordJournalEntriesRequest, ctx: object, /
    ) -> rpc.RecordJournalEntriesResponse:
        entries = [
            NewEntry(
                org_slug=names.parse_wallet(entry.wallet_name, f"entries[{index}].wallet_name"),
                legs=from_proto_postings(entry.postings),
                description=entry.description,
                key=entry.idempotency_key,
            )
            for index, entry in enumerate(request.entries)
        ]
        outcomes = await self._bulk.record(entries)
        results = [
            to_proto_result(entry.org_slug, index, outcome)
            for index, (entry, outcome) in enumerate(zip(entries, outcomes, strict=True))
        ]
        counts = Counter(result.status for result in results)
        return rpc.RecordJournalEntriesResponse(
            results=results,
            recorded_count=counts[_STATUS.RECORDED],
            duplicate_count=counts[_STATUS.DUPLICATE],
            refused_count=counts[_STATUS.REFUSED],
            unknown_count=counts[_STATUS.UNKNOWN],
        )

    async def list_journal_entries(
        self, request: rpc.ListJournalEntriesRequest, ctx: object, /
    ) -> rpc.ListJournalEntriesResponse:
        owner = await self._scope.owner("organization", request.organization_name)
        page = await self._journal.list_entries(
            owner.org_id,
            purposes={_PURPOSES[kind] for kind in request.kinds},
            start=from_proto_timestamp(request.start_time, "start_time"),
            end=from_proto_timestamp(request.end_time, "end_time"),
            size=request.page_size,
            token=request.page_token,
        )
        return rpc.ListJournalEntriesResponse(
            journal_entries=[to_proto_entry(entry, owner.slug) for entry in page.rows],
            next_page_token=page.next_page_token,
        )

    async def get_journal_entry(
        self, request: rpc.GetJournalEntryRequest, ctx: object, /
    ) -> rpc.GetJournalEntryResponse:
        owner, entry_id = await self._named("journal-entries", "journal entry", request.name, "name")
        entry = await self._journal.get_entry(owner.org_id, entry_id)
        return rpc.GetJournalEntryResponse(journal_entry=to_proto_entry(entry, owner.slug))

    async def create_hold(self, request: rpc.CreateHoldRequest, ctx: object, /) -> rpc.CreateHoldResponse:
        owner = await self._scope.owner("wallet", request.wallet_name)
        hold = await self._holds.create(
            owner.org_id,
            amount_minor=request.amount_minor,
            currency=request.currency,
            expires_at=from_proto_timestamp(request.expire_time, "expire_time"),
            description=request.description,
            key=request.request_id,
        )
        return rpc.CreateHoldResponse(hold=await self._to_proto_hold(hold, owner))

    async def extend_hold(self, request: rpc.ExtendHoldRequest, ctx: object, /) -> rpc.ExtendHoldResponse:
        owner, hold_id = await self._named("holds", "hold", request.name, "name")
        expires_at = from_proto_timestamp(request.expire_time, "expire_time")
        if expires_at is None:
            raise invalid_field("expire_time", "is required")
        hold = await self._holds.extend(owner.org_id, hold_id, expires_at=expires_at, key=request.request_id)
        return rpc.ExtendHoldResponse(hold=await self._to_proto_hold(hold, owner))

    async def capture_hold(self, request: rpc.CaptureHoldRequest, ctx: object, /) -> rpc.CaptureHoldResponse:
        owner, hold_id = await self._named("holds", "hold", request.name, "name")
        hold, entry_id = await self._holds.capture(
            owner.org_id,
            hold_id,
            amount_minor=request.amount_minor,
            keep_remaining=request.keep_remaining,
            description=request.description,
            key=request.request_id,
        )
        return rpc.CaptureHoldResponse(
            hold=await self._to_proto_hold(hold, owner), journal_entry_name=_entry_name(owner.slug, entry_id)
        )

    async def release_hold(self, request: rpc.ReleaseHoldRequest, ctx: object, /) -> rpc.ReleaseHoldResponse:
        owner, hold_id = await self._named("holds", "hold", request.name, "name")
        hold = await self._holds.release(owner.org_id, hold_id, key=request.request_id)
        return rpc.ReleaseHoldResponse(hold=await self._to_proto_hold(hold, owner))

    async def list_holds(self, request: rpc.ListHoldsRequest, ctx: object, /) -> rpc.ListHoldsResponse:
        owner = await self._scope.owner("wallet", request.wallet_name)
        page, wallet = await self._holds.list(
            owner.org_id,
            state=_FROM_STATES.get(request.state),
            size=request.page_size,
            token=request.page_token,
        )
        return rpc.ListHoldsResponse(
            holds=[to_proto_hold(hold, owner.slug, wallet.currency) for hold in page.rows],
            next_page_token=page.next_page_token,
        )

    async def deposit(self, request: rpc.DepositRequest, ctx: object, /) -> rpc.DepositResponse:
        owner = await self._scope.owner("wallet", request.wallet_name)
        entry, balance_minor = await self._journal.deposit(
            owner.org_id,
            amount_minor=request.amount_minor,
            currency=request.currency,
            description=request.description,
            key=request.request_id,
        )
        return rpc.DepositResponse(journal_entry=to_proto_entry(entry, owner.slug), balance_minor=balance_minor)

    async def refund(self, request: rpc.RefundRequest, ctx: object, /) -> rpc.RefundResponse:
        owner, entry_id = await self._named(
            "journal-entries", "journal entry", request.journal_entry_name, "journal_entry_name"
        )
        entry, remaining_minor = await self._journal.refund(
            owner.org_id,
            entry_id,
            amount_minor=request.amount_minor,
            description=request.description,
            key=request.request_id,
        )
        return rpc.RefundResponse(journal_entry=to_proto_entry(entry, owner.slug), remaining_minor=remaining_minor)

    async def get_statement(self, request: rpc.GetStatementRequest, ctx: object, /) -> rpc.GetStatementResponse:
        owner = await self._scope.owner("wallet", request.wallet_name)
        start = from_proto_timestamp(request.start_time, "start_time")
        end = from_proto_timestamp(request.end_time, "end_time")
        if start is None or end is None:
            raise invalid_field("start_time" if start is None else "end_time", "is required")
        found = await self._journal.statement(
            owner.org_id, start=start, end=end, size=request.page_size, token=request.page_token
        )
        return _to_proto_statement(found, owner.slug)

    async def verify_ledger(self, request: rpc.VerifyLedgerRequest, ctx: object, /) -> rpc.VerifyLedgerResponse:
        org_id = None
        if request.organization_name:
            org_id = (await self._scope.owner("organization", request.organization_name)).org_id
        found = await self._audit.verify(org_id, bound=VERIFY_BOUND)
        return rpc.VerifyLedgerResponse(
            ok=found.ok,
            violations=[
                rpc.LawViolation(
                    law=broken.law,
                    organization_name=names.organization(broken.organization),
                    row=broken.row,
                    detail=broken.detail,
                )
                for broken in found.violations
            ],
            organization_count=found.organization_count,
            entry_count=found.entry_count,
            laws=list(found.laws),
        )

    async def _named(self, collection: str, kind: str, name: str, field: str) -> tuple[Owner, UUID]:
        """The organization and id in a name; an id that is no UUID names nothing."""
        owner = await self._scope.owner(kind, name)
        try:
            return owner, UUID(names.parse_child(collection, name, field).id)
        except ValueError:
            raise not_found(kind, name) from None

    async def _to_proto_hold(self, hold: HoldView, owner: Owner) -> pb.Hold:
        wallet = await self._wallets.get(owner.org_id)
        return to_proto_hold(hold, owner.slug, wallet.currency)


def from_proto_postings(postings: Sequence[LedgerPosting]) -> list[OperatorLeg]:
    return [
        OperatorLeg(
            account_code=posting.account_code,
            amount_minor=posting.amount_minor,
            currency=posting.currency,
            is_debit=posting.direction is PostingDirection.DEBIT,
        )
        for posting in postings
    ]


def to_proto_result(slug: str, index: int, outcome: EntryResult) -> rpc.JournalEntryResult:
    if isinstance(outcome, ServiceError):
        is_unknown = outcome.reason is Reason.OUTCOME_UNKNOWN
        return rpc.JournalEntryResult(
            index=index,
            status=_STATUS.UNKNOWN if is_unknown else _STATUS.REFUSED,
            reason=ErrorReason[outcome.reason.value],
            message=outcome.message,
        )
    assert outcome.entry_id is not None, "an entry moves money"
    return rpc.JournalEntryResult(
        index=index,
        status=_STATUS.RECORDED if isinstance(outcome, Posted) else _STATUS.DUPLICATE,
        journal_entry_name=_entry_name(slug, outcome.entry_id),
    )


def to_proto_hold(hold: HoldView, slug: str, currency: str) -> pb.Hold:
    return pb.Hold(
        name=names.child("holds", slug, str(hold.hold_id)),
        wallet_name=names.wallet(slug),
        amount_minor=hold.amount_minor,
        captured_minor=hold.captured_minor,
        remaining_minor=hold.remaining_minor,
        currency=currency,
        state=_STATES[hold.state],
        description=hold.description,
        expire_time=to_proto_timestamp(hold.expires_at),
        create_time=to_proto_timestamp(hold.created_at),
        update_time=to_proto_timestamp(hold.updated_at),
    )


def to_proto_entry(entry: EntryView, slug: str) -> pb.JournalEntry:
    return pb.JournalEntry(
        name=_entry_name(slug, entry.entry_id),
        sequence=entry.sequence,
        kind=_KINDS[entry.purpose],
        description=entry.description,
        postings=[
            pb.Posting(
                account_code=leg.account_code,
                amount_minor=leg.amount_minor,
                currency=entry.currency,
                side=pb.EntrySide.DEBIT if leg.is_debit else pb.EntrySide.CREDIT,
            )
            for leg in entry.legs
        ],
        effective_time=to_proto_timestamp(entry.effective_at),
        record_time=to_proto_timestamp(entry.recorded_at),
        reversed_entry="" if entry.reversed_entry_id is None else _entry_name(slug, entry.reversed_entry_id),
        metadata=dict(entry.metadata),
        hash=entry.hash.hex(),
    )


def _to_proto_statement(found: StatementView, slug: str) -> rpc.GetStatementResponse:
    return rpc.GetStatementResponse(
        currency=found.currency,
        opening_balance_minor=found.opening_minor,
        closing_balance_minor=found.closing_minor,
        totals=[
            rpc.StatementTotal(kind=_KINDS[total.purpose], amount_minor=total.amount_minor, line_count=total.line_count)
            for total in found.totals
        ],
        lines=[
            rpc.StatementLine(
                journal_entry_name=_entry_name(slug, line.entry_id),
                kind=_KINDS[line.purpose],
                description=line.description,
                amount_minor=line.amount_minor,
                balance_minor=line.balance_minor,
                record_time=to_proto_timestamp(line.recorded_at),
            )
            for line in found.lines
        ],
        next_page_token=found.next_page_token,
    )


def _entry_name(slug: str, entry_id: UUID) -> str:
    return names.child("journal-entries", slug, str(entry_id))
