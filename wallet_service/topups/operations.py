"""Use cases of top-ups: start one by card, list, get, and the reconciler."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.ids import new_id
from providers.protocol import (
    AuthenticationRequired,
    Declined,
    InvalidRequest,
    PaymentProvider,
    PaymentSnapshot,
    PaymentState,
    ProviderError,
    Unavailable,
)
from wallet_service.accounts import steps as accounts
from wallet_service.accounts.model import BillingAccount, BillingAccountState, Wallet
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.errors import not_found
from wallet_service.job_queue import JobName, enqueue
from wallet_service.pages import Page, decode_id, page_of, page_size, query_digest
from wallet_service.payment_methods.operations import attached_method
from wallet_service.requests.operations import claim
from wallet_service.topups import rules, store
from wallet_service.topups.asking import TopUpSync
from wallet_service.topups.model import TopUp, TopUpMethod, TopUpState
from wallet_service.topups.settlement import Settlement

DUE_MAX: Final = 500
"""Top-ups that one run of the reconciler hands out; the rest waits for the next run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardTopUpRequest:
    """What a caller asks for. `currency` None: the wallet's. `request_key` "": every call is a top-up of its own."""

    org_id: UUID
    amount_minor: int
    currency: str | None = None
    payment_method_id: str | None = None
    request_key: str = ""


@dataclass(frozen=True, slots=True)
class StartedTopUp:
    """A top-up and the secret with which the payer finishes it; "" when nothing is left to do."""

    topup: TopUp
    client_secret: str


class TopUps:
    """Top-ups of an organization by card, through one provider."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        provider: PaymentProvider,
        settlement: Settlement,
        sync: TopUpSync,
        *,
        amount_max_minor: int,
        reconcile_after: timedelta,
    ) -> None:
        self._db = db
        self._clock = clock
        self._provider = provider
        self._settlement = settlement
        self._sync = sync
        self._amount_max_minor = amount_max_minor
        self._reconcile_after = reconcile_after

    async def create_by_card(self, request: CardTopUpRequest) -> StartedTopUp:
        """Start a top-up, or answer with what became of the one that the same key has started.

        A saved card is charged at once; when its bank wants the payer, the secret is there for it. Raises AMOUNT_TOO_SMALL,
        AMOUNT_TOO_LARGE, CURRENCY_MISMATCH, ACCOUNT_CLOSED, RESOURCE_NOT_FOUND, IDEMPOTENCY_KEY_REUSED and, for this call
        and every repetition of it, PAYMENT_DECLINED and PROVIDER_REFUSED. OUTCOME_UNKNOWN leaves the top-up PENDING, and
        the same key resumes it.
        """
        topup = await self._db.transact(lambda conn: self._begin(conn, request))
        try:
            if topup.state is TopUpState.PENDING and topup.failure is None:
                if topup.external_id is None and self._sync.may_be_sent(topup):
                    return await self._start(topup)
                return await self._resume(topup)
        except Unavailable as error:
            raise rules.not_answered(topup, error.failure) from error
        return self._answer(topup, client_secret=None)

    async def get(self, org_id: UUID, topup_id: UUID) -> TopUp:
        """One top-up as it was stored last. Raises RESOURCE_NOT_FOUND."""
        topup = await self._db.read(lambda conn: store.read_topup(conn, org_id, topup_id))
        if topup is None:
            raise not_found("top-up", str(topup_id))
        return topup

    async def list(self, org_id: UUID, *, state: TopUpState | None, size: int, token: str) -> Page[TopUp]:
        """Newest first; of wallets that were deleted, too."""
        limit = page_size(size)
        digest = query_digest("topups", org_id, None if state is None else state.value)
        before = decode_id(token, digest)

        async def work(conn: AsyncConnection) -> Page[TopUp]:
            rows = await store.list_topups(conn, org_id, state=state, before=before, limit=limit + 1)
            return page_of(rows, size=limit, digest=digest, key=lambda row: (str(row.topup_id),))

        return await self._db.read(work)

    async def reconcile(self) -> int:
        """Enqueue a job for each top-up whose check is due; how many. Any number of processes may do so at once."""
        now = self._clock.now()
        due = await self._db.read(lambda conn: store.list_due(conn, now=now, limit=DUE_MAX))
        enqueued_count = 0
        for topup in due:

            async def work(conn: AsyncConnection, topup: TopUp = topup) -> bool:
                return await self._hand_out(conn, topup)

            enqueued_count += await self._db.transact(work)
        return enqueued_count

    async def _hand_out(self, conn: AsyncConnection, topup: TopUp) -> bool:
        """The job sets the time of the next check, and if it cannot, the check is due again all the same."""
        next_check_at = rules.next_check(topup, self._clock.now(), self._reconcile_after)
        if not await store.postpone_check(conn, topup, next_check_at=next_check_at):
            return False
        await enqueue(
            conn,
            JobName.TOPUP_SYNC,
            {"org_id": str(topup.org_id), "topup_id": str(topup.topup_id)},
            dedupe_key=str(topup.topup_id),
        )
        return True

    async def _begin(self, conn: AsyncConnection, request: CardTopUpRequest) -> TopUp:
        now = self._clock.now()
        topup_id = new_id(now)
        first = await claim(
            conn,
            org_id=request.org_id,
            method="CreateStripeTopUpIntent",
            request_id=request.request_key,
            content={
                "amount_minor": request.amount_minor,
                "currency": request.currency,
                "payment_method_id": request.payment_method_id,
            },
            resource=str(topup_id),
            now=now,
        )
        if first is not None:
            found = await store.read_topup(conn, request.org_id, UUID(first))
            assert found is not None, "the claim commits with its top-up"
            return found
        account = await accounts.billing_account(conn, request.org_id)
        wallet = await accounts.open_wallet(conn, request.org_id)
        self._check(request, account, wallet)
        made = await self._fresh(conn, request, wallet, topup_id)
        await store.insert_topup(conn, made)
        return made

    def _check(self, request: CardTopUpRequest, account: BillingAccount, wallet: Wallet) -> None:
        if account.state is not BillingAccountState.ACTIVE:
            raise rules.account_not_active(account.state.value)
        rules.check_amount(
            amount_minor=request.amount_minor,
            currency=request.currency,
            wallet_currency=wallet.currency,
            minimum=self._provider.minimum(wallet.currency),
            maximum_minor=self._amount_max_minor,
        )

    async def _fresh(
        self,
        conn: AsyncConnection,
        request: CardTopUpRequest,
        wallet: Wallet,
        topup_id: UUID,
    ) -> TopUp:
        now = self._clock.now()
        card = None
        if request.payment_method_id is not None:
            card = await attached_method(conn, request.org_id, request.payment_method_id)
        return TopUp(
            org_id=request.org_id,
            topup_id=topup_id,
            wallet_id=wallet.wallet_id,
            account_id=wallet.account_id,
            provider=self._provider.name,
            method=TopUpMethod.STRIPE_CARD,
            amount_minor=request.amount_minor,
            currency=wallet.currency,
            state=TopUpState.PENDING,
            provider_key=str(topup_id),
            created_at=now,
            updated_at=now,
            customer_id=card.customer_id if card else None,
            payment_method_id=card.payment_method_id if card else None,
            provider_method_id=card.provider_method_id if card else None,
            next_check_at=now + self._reconcile_after,
        )

    async def _start(self, topup: TopUp) -> StartedTopUp:
        try:
            snapshot = await self._sync.start(topup)
        except AuthenticationRequired as error:
            if error.payment is None:
                return await self._refused(topup, error)
            snapshot = error.payment
        except (Declined, InvalidRequest) as error:
            return await self._refused(topup, error)
        stored = await self._sync.store_answer(topup, snapshot, is_complete=False)
        assert stored is not None, "only complete answers can be overtaken"
        return self._answer(stored, client_secret=_secret_of(snapshot))

    async def _refused(self, topup: TopUp, error: ProviderError) -> StartedTopUp:
        """Record the refusal, make sure that the payment cannot succeed any more, and raise what the caller gets."""
        external_id = error.payment.external_id if error.payment else None
        failed = await self._db.transact(
            lambda conn: self._settlement.fail(conn, topup, rules.failure_of(error.failure), external_id=external_id)
        )
        if failed.state is TopUpState.PENDING:
            try:
                failed = await self._sync.sync(topup.org_id, topup.topup_id)
            except Unavailable:
                # The reconciler cancels it; the answer to the caller is the same.
                return self._answer(failed, client_secret=None)
        return self._answer(failed, client_secret=None)

    async def _resume(self, topup: TopUp) -> StartedTopUp:
        """The provider's answer now, with the secret fetched again."""
        secret = ""
        if topup.external_id is not None:
            snapshot = await self._provider.sync(topup.external_id)
            stored = await self._sync.store_answer(topup, snapshot, is_complete=True)
            if stored is not None:
                return self._answer(stored, client_secret=_secret_of(snapshot))
            secret = _secret_of(snapshot)
        current = await self._sync.sync(topup.org_id, topup.topup_id)
        return self._answer(current, client_secret=secret)

    def _answer(self, topup: TopUp, *, client_secret: str | None) -> StartedTopUp:
        refusal = rules.refusal_of(topup, minimum=self._provider.minimum(topup.currency))
        if refusal is not None:
            raise refusal
        if topup.state is not TopUpState.PENDING:
            return StartedTopUp(topup, "")
        return StartedTopUp(topup, client_secret or "")


def _secret_of(snapshot: PaymentSnapshot) -> str:
    """The secret while the payer has something to do with it."""
    waits = snapshot.state in (
        PaymentState.AWAITING_PAYER,
        PaymentState.AWAITING_AUTHENTICATION,
    )
    return (snapshot.client_secret or "") if waits else ""
