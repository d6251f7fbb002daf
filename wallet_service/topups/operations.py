"""Use cases of top-ups: start one, finish one on session, charge one off session, list, get, and the reconciler."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from providers.protocol import PaymentProvider, ProviderError
from wallet_service.clock import Clock, moment
from wallet_service.db import Database
from wallet_service.errors import not_found
from wallet_service.job_queue import JobName, enqueue
from wallet_service.pages import Page, decode_id, page_of, page_size, query_digest
from wallet_service.payment_methods.rules import refusal_of as provider_refusal
from wallet_service.tenancy import within
from wallet_service.topups import rules, store, unmatched_store
from wallet_service.topups.asking import TopUpSync
from wallet_service.topups.model import Origin, TopUp, TopUpMethod, TopUpState, UnmatchedPayment
from wallet_service.topups.settlement import Settlement
from wallet_service.topups.starting import Order, StartedTopUp, Starter

_log: Final = structlog.get_logger("wallet.topups")

DUE_MAX: Final = 500
"""Top-ups that one run of the reconciler hands out, and unmatched payments beside them; the rest waits for the next run."""
CHECKOUT_CURRENCIES: Final = frozenset({"USD"})
"""One USDC is one US dollar; a wallet in another currency would need a rate of exchange."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardTopUpRequest:
    """What a caller asks for. `currency` None: the wallet's. `request_key` "": every call is a top-up of its own."""

    org_id: UUID
    amount_minor: int
    currency: str | None = None
    payment_method_id: str | None = None
    request_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutTopUpRequest:
    """The same for a checkout, which the payer finishes on a page of the provider."""

    org_id: UUID
    amount_minor: int
    currency: str | None = None
    request_key: str = ""


class TopUps:
    """Top-ups of an organization, by card and by checkout."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        settlement: Settlement,
        sync: TopUpSync,
        *,
        card: PaymentProvider,
        checkout: PaymentProvider | None,
        amount_max_minor: int,
        reconcile_after: timedelta,
    ) -> None:
        """`checkout` None: this service takes no crypto top-ups."""
        self._db = db
        self._clock = clock
        self._sync = sync
        self._reconcile_after = reconcile_after
        self._cards = Starter(
            db, clock, card, settlement, sync, amount_max_minor=amount_max_minor, reconcile_after=reconcile_after
        )
        self._checkouts = None
        if checkout is not None:
            self._checkouts = Starter(
                db,
                clock,
                checkout,
                settlement,
                sync,
                amount_max_minor=amount_max_minor,
                reconcile_after=reconcile_after,
                currencies=CHECKOUT_CURRENCIES,
            )

    async def create_by_card(self, request: CardTopUpRequest) -> StartedTopUp:
        """Start a top-up, or answer with what became of the one that the same key has started.

        A saved card is charged at once; when its bank wants the payer, the secret is there for it. Raises AMOUNT_TOO_SMALL,
        AMOUNT_TOO_LARGE, CURRENCY_MISMATCH, BILLING_ACCOUNT_CLOSED, RESOURCE_NOT_FOUND, IDEMPOTENCY_KEY_REUSED and, for this
        call and every repetition of it, PAYMENT_DECLINED and PROVIDER_REFUSED. OUTCOME_UNKNOWN leaves the top-up PENDING,
        and the same key resumes it.
        """
        return await self._cards.start(
            Order(
                org_id=request.org_id,
                rpc="CreateStripeTopUpIntent",
                method=TopUpMethod.STRIPE_CARD,
                amount_minor=request.amount_minor,
                currency=request.currency,
                payment_method_id=request.payment_method_id,
                request_key=request.request_key,
            )
        )

    async def charge_default(self, org_id: UUID, *, amount_minor: int, request_key: str) -> StartedTopUp:
        """The same, with the default card and the wallet's currency. Raises PAYMENT_METHOD_INVALID where there is none."""
        return await self._cards.start(
            Order(
                org_id=org_id,
                rpc="CreateTopUp",
                method=TopUpMethod.STRIPE_CARD,
                amount_minor=amount_minor,
                currency=None,
                payment_method_id=None,
                request_key=request_key,
                uses_default_method=True,
            )
        )

    async def create_by_checkout(self, request: CheckoutTopUpRequest) -> StartedTopUp:
        """Start a checkout in USDC, credited 1:1 in USD once it is paid, or answer with the one of the same key.

        Raises what `create_by_card` raises, AMOUNT_TOO_SMALL below 500 minor units, CURRENCY_MISMATCH for a wallet that is
        not in USD, NOT_IMPLEMENTED where the service is not set up for it.
        """
        if self._checkouts is None:
            raise rules.no_checkouts()
        return await self._checkouts.start(
            Order(
                org_id=request.org_id,
                rpc="CreateCoinbaseTopUpCheckout",
                method=TopUpMethod.COINBASE,
                amount_minor=request.amount_minor,
                currency=request.currency,
                payment_method_id=None,
                request_key=request.request_key,
            )
        )

    async def confirm(self, org_id: UUID, topup_id: UUID) -> StartedTopUp:
        """What the payer of a PENDING top-up needs to finish it: the secret of the same payment, or its page.

        A top-up that was paid meanwhile is answered with nothing to do. Raises RESOURCE_NOT_FOUND, PROVIDER_REFUSED for one
        that has ended or is being processed, PAYMENT_DECLINED for one that was declined, PROVIDER_UNAVAILABLE.
        """
        topup = await self.get(org_id, topup_id)
        if topup.state is TopUpState.SUCCEEDED:
            return StartedTopUp(topup)
        starter = self._checkouts if topup.method is TopUpMethod.COINBASE else self._cards
        if starter is None:
            raise rules.no_checkouts()
        try:
            answered = await starter.resume(topup)
        except ProviderError as error:
            raise provider_refusal(error.failure) from error
        if answered.topup.state is TopUpState.SUCCEEDED or answered.client_secret or answered.hosted_url:
            return answered
        raise rules.not_confirmable(answered.topup)

    async def start_auto(
        self, conn: AsyncConnection, org_id: UUID, *, amount_minor: int, payment_method_id: str
    ) -> TopUp:
        """A step, the last of its transaction: store a recharge, PENDING, that `charge_auto` is to charge.

        Nothing keeps a second one away: the caller holds the claim of the one in flight. Raises what `create_by_card` does.
        """
        return await self._cards.begin(
            conn,
            Order(
                org_id=org_id,
                rpc="",
                method=TopUpMethod.STRIPE_CARD,
                amount_minor=amount_minor,
                currency=None,
                payment_method_id=payment_method_id,
                request_key="",
                origin=Origin.AUTO,
            ),
        )

    async def charge_auto(self, org_id: UUID, topup_id: UUID) -> TopUp:
        """Charge a recharge, once however often this is called; the top-up as it is then.

        SUCCEEDED, FAILED with `failure.kind`, or PENDING: with `action_required` while it waits for the customer's bank,
        with `failure` while a declined payment is being canceled, else processing. Followers hear the same. Raises
        `Unavailable` when the outcome is not known: call again; the reconciler does so too.
        """
        topup = await self.get(org_id, topup_id)
        if topup.state is not TopUpState.PENDING:
            return topup
        if topup.external_id is None and topup.failure is None and self._sync.may_be_sent(topup):
            return await self._sync.charge(topup)
        return await self._sync.sync(org_id, topup_id)

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

    async def next_due(self, org_ids: Sequence[UUID]) -> Mapping[UUID, datetime]:
        """When the next top-up or unmatched payment is asked for again. See `DueWork`."""
        return await self._db.read(lambda conn: store.next_checks(conn, org_ids))

    async def run_due(self, org_id: UUID | None) -> int:
        """Hand out each top-up and each unmatched payment whose check is due; how many. Any number of processes may do so.

        Of all organizations: as jobs. Those of one organization are checked here and now.
        """
        now = self._clock.now()

        async def find(conn: AsyncConnection) -> Sequence[TopUp | UnmatchedPayment]:
            payments = await unmatched_store.list_due(conn, org_id, now=now, limit=DUE_MAX)
            return [*await store.list_due(conn, org_id, now=now, limit=DUE_MAX), *payments]

        handed_count = 0
        for due in await self._db.read(find):

            async def work(conn: AsyncConnection, due: TopUp | UnmatchedPayment = due) -> bool:
                if not await self._postpone(conn, due):
                    return False
                if org_id is None:
                    await _enqueue(conn, due)
                return True

            with within(due.org_id):
                is_mine = await self._db.transact(work)
                handed_count += is_mine
                if is_mine and org_id is not None:
                    await self._check(due)
        return handed_count

    async def _check(self, due: TopUp | UnmatchedPayment) -> None:
        try:
            if isinstance(due, TopUp):
                await self._sync.sync(due.org_id, due.topup_id)
            else:
                await self._sync.sync_unmatched(due.org_id, due.topup_id, due.external_id)
        except ProviderError as error:
            _log.warning("topup_check_failed", topup_id=str(due.topup_id), code=error.failure.code)

    async def _postpone(self, conn: AsyncConnection, due: TopUp | UnmatchedPayment) -> bool:
        """Whether the check is ours. Whoever checks sets the time of the next one; if it cannot, it is due again anyway."""
        now, is_hurried = self._clock.now(), moment() is not None
        if isinstance(due, TopUp):
            next_check_at = rules.next_check(due, now, self._reconcile_after, is_hurried=is_hurried)
            return await store.postpone_check(conn, due, next_check_at=next_check_at)
        next_check_at = rules.next_look(due, now, self._reconcile_after, is_hurried=is_hurried)
        return await unmatched_store.postpone_check(conn, due, next_check_at=next_check_at)


async def _enqueue(conn: AsyncConnection, due: TopUp | UnmatchedPayment) -> None:
    payload = {"org_id": str(due.org_id), "topup_id": str(due.topup_id)}
    if isinstance(due, TopUp):
        await enqueue(conn, JobName.TOPUP_SYNC, payload, dedupe_key=str(due.topup_id))
    else:
        key = f"{due.org_id}:{due.provider}:{due.external_id}"
        await enqueue(conn, JobName.PAYMENT_SYNC, {**payload, "external_id": due.external_id}, dedupe_key=key)
