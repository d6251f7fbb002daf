"""Asking providers what became of a top-up: after a delivery, on a schedule, and when a caller comes back."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from providers.protocol import (
    IDEMPOTENCY_WINDOW,
    AuthenticationRequired,
    Declined,
    InvalidRequest,
    OffSessionCharge,
    PaymentListing,
    PaymentProvider,
    PaymentSnapshot,
    ProviderError,
    SavedMethods,
    TopUpRequest,
    Unavailable,
)
from wallet_service.clock import ALL_TIME, Clock, moment
from wallet_service.db import Database
from wallet_service.errors import not_found
from wallet_service.testclocks.model import TimeOf
from wallet_service.topups import rules, store
from wallet_service.topups.model import TopUp, TopUpState
from wallet_service.topups.settlement import Settlement

RESENT_FOR: Final = IDEMPOTENCY_WINDOW - timedelta(hours=1)
"""How long the key of a payment may be sent again: less than the provider remembers it."""

_CLOCK_SKEW: Final = timedelta(minutes=5)
_log: Final = structlog.get_logger("wallet.topups")


class TopUpSync:
    """Use cases that ask a provider with no transaction open, then settle in one."""

    def __init__(
        self,
        db: Database,
        settlement: Settlement,
        clock: Clock,
        providers: Mapping[str, PaymentProvider],
        *,
        time_of: TimeOf,
    ) -> None:
        """`time_of` is entered where a call learns only here whose top-up it is about."""
        self._db = db
        self._settlement = settlement
        self._clock = clock
        self._providers = providers
        self._time_of = time_of

    async def sync(self, org_id: UUID, topup_id: UUID) -> TopUp:
        """The top-up as the provider and the ledger have it now, or had it after this call began.

        Raises RESOURCE_NOT_FOUND, and `ProviderError` when the provider does not answer.
        """
        first_revision: int | None = None
        while True:
            topup = await self._read(org_id, topup_id)
            if first_revision is None:
                first_revision = topup.revision
            # Each answer is stored on top of the one it had seen, so the second one after our first look was asked for
            # after it: it knows what we came to learn. Hence no more than two answers can overtake this call.
            if topup.revision >= first_revision + 2:
                return topup
            settled = await self._settle_once(topup)
            if settled is not None:
                return settled

    async def store_answer(self, topup: TopUp, snapshot: PaymentSnapshot, *, is_complete: bool) -> TopUp | None:
        """`Settlement.settle` in a transaction of its own."""
        return await self._db.transact(
            lambda conn: self._settlement.settle(conn, topup, snapshot, is_complete=is_complete)
        )

    async def sync_payment(self, provider: str, external_id: str) -> TopUp | None:
        """The same, by the provider's id of the payment; None for a payment that is none of ours.

        A payment that names a top-up which another one belongs to is booked for the customer by itself.
        """
        owner = await self._db.read(
            lambda conn: store.find_by_payment(conn, provider=provider, external_id=external_id)
        )
        if owner is None:
            owner = await self._owner_by_metadata(provider, external_id)
        if owner is None:
            return None
        async with self._time_of(owner[0]):
            topup = await self.sync(*owner)
            return topup if topup.external_id == external_id else await self._sync_other(topup, external_id)

    async def sync_unmatched(self, org_id: UUID, topup_id: UUID, external_id: str) -> TopUp:
        """`sync` by a payment that was booked and is not the credit of this top-up."""
        topup = await self._read(org_id, topup_id)
        if topup.external_id == external_id:
            return await self.sync(org_id, topup_id)
        return await self._sync_other(topup, external_id)

    async def warn_of_fraud(self, topup: TopUp, *, reference: str) -> None:
        """Keep a warning of the provider about the payment of a top-up; once for each reference."""
        async with self._time_of(topup.org_id):
            await self._db.transact(lambda conn: self._settlement.warn(conn, topup, reference=reference))

    async def start(self, topup: TopUp) -> PaymentSnapshot:
        """Start the payment at the provider, or learn of the one that this top-up's key has started before."""
        return await self._providers[topup.provider].create_topup(
            TopUpRequest(
                org_id=str(topup.org_id),
                top_up_id=str(topup.topup_id),
                amount=topup.amount,
                idempotency_key=topup.provider_key,
                customer_id=topup.customer_id,
                payment_method_id=topup.provider_method_id,
                description="Wallet top-up",
            )
        )

    async def charge(self, topup: TopUp) -> TopUp:
        """Charge the saved card of a top-up while its customer is away, or learn what its key has done before.

        A decline ends the top-up. One that waits for the customer's bank stays PENDING with `action_required`. Raises
        `Unavailable` when the outcome is not known: it may be called again within `RESENT_FOR`.
        """
        provider = self._providers[topup.provider]
        assert isinstance(provider, SavedMethods), f"{provider.name} keeps no cards"
        assert topup.customer_id is not None, "only a saved card is charged"
        assert topup.provider_method_id is not None, "only a saved card is charged"
        try:
            snapshot = await provider.charge_off_session(
                OffSessionCharge(
                    org_id=str(topup.org_id),
                    top_up_id=str(topup.topup_id),
                    amount=topup.amount,
                    customer_id=topup.customer_id,
                    payment_method_id=topup.provider_method_id,
                    idempotency_key=topup.provider_key,
                    description="Automatic wallet top-up",
                )
            )
        except AuthenticationRequired as error:
            if error.payment is None:
                return await self.refused(topup, error)
            snapshot = error.payment
        except (Declined, InvalidRequest) as error:
            return await self.refused(topup, error)
        stored = await self.store_answer(topup, snapshot, is_complete=False)
        assert stored is not None, "only complete answers can be overtaken"
        return stored

    async def refused(self, topup: TopUp, error: ProviderError) -> TopUp:
        """Record a refusal, and make sure that the payment cannot succeed any more."""
        external_id = error.payment.external_id if error.payment else None
        failed = await self._db.transact(
            lambda conn: self._settlement.fail(conn, topup, rules.failure_of(error.failure), external_id=external_id)
        )
        if failed.state is not TopUpState.PENDING:
            return failed
        try:
            return await self.sync(topup.org_id, topup.topup_id)
        except Unavailable:
            # The reconciler cancels it; what the caller is told is the same.
            return failed

    def may_be_sent(self, topup: TopUp) -> bool:
        """Whether the provider certainly still remembers the key, so that sending it again cannot pay twice."""
        return self._clock.now() - topup.created_at < RESENT_FOR

    async def _settle_once(self, topup: TopUp) -> TopUp | None:
        """Ask and settle; None when another answer was stored meanwhile."""
        provider = self._providers[topup.provider]
        if topup.external_id is not None:
            snapshot = await provider.sync(topup.external_id)
        elif topup.state is not TopUpState.PENDING:
            return topup
        elif (answered := await self._sent_again(topup)) is not None:
            return answered
        else:
            snapshot = await self._find(provider, topup)
        if snapshot is None:
            return await self._without_payment(topup)
        if rules.must_cancel(topup, snapshot, self._clock.now()):
            snapshot = await self._cancel(topup, snapshot)
        return await self.store_answer(topup, snapshot, is_complete=True)

    async def _sync_other(self, topup: TopUp, external_id: str) -> TopUp:
        """Settle a second payment that names this top-up; `topup` was read before the provider is asked."""
        provider = self._providers[topup.provider]
        while True:
            snapshot = await provider.sync(external_id)
            stored = await self.store_answer(topup, snapshot, is_complete=True)
            if stored is not None:
                return stored
            topup = await self._read(topup.org_id, topup.topup_id)

    async def _find(self, provider: PaymentProvider, topup: TopUp) -> PaymentSnapshot | None:
        """Look for a payment whose answer was lost."""
        if not isinstance(provider, PaymentListing):
            return None
        # By the provider's clock nobody knows when it was that an organization on a test clock has paid.
        created_from, created_until = ALL_TIME if moment() else (topup.created_at, self._clock.now())
        found = await provider.find_topup(
            top_up_id=str(topup.topup_id),
            created_from=created_from - _CLOCK_SKEW,
            created_until=created_until + _CLOCK_SKEW,
            customer_id=topup.customer_id,
        )
        return None if found is None else await provider.sync(found.external_id)

    async def _sent_again(self, topup: TopUp) -> TopUp | None:
        """Send the request of a payment again that is not known yet; None where nobody but its caller may.

        Without a card nothing is charged by it. The caller of a charge of a saved card may have given up and paid in
        another way, and a recharge may have been turned off before it was charged: whoever has claimed it sends it again.
        """
        if topup.provider_method_id is not None or not self.may_be_sent(topup):
            return None
        try:
            started = await self.start(topup)
        except InvalidRequest as error:
            return await self.refused(topup, error)
        return await self.store_answer(topup, started, is_complete=False)

    async def _without_payment(self, topup: TopUp) -> TopUp:
        """There is no payment at the provider: wait for it, or give up when its key is forgotten."""
        if topup.state is TopUpState.PENDING and (self._clock.now() - topup.created_at >= IDEMPOTENCY_WINDOW):
            return await self._db.transact(
                lambda conn: self._settlement.fail(conn, topup, rules.never_started(), external_id=None)
            )
        return await self._db.transact(lambda conn: self._settlement.postpone(conn, topup))

    async def _cancel(self, topup: TopUp, snapshot: PaymentSnapshot) -> PaymentSnapshot:
        provider = self._providers[topup.provider]
        try:
            return await provider.cancel(snapshot.external_id, idempotency_key=f"{topup.provider_key}:cancel")
        except InvalidRequest:
            # It was paid in this very moment.
            return await provider.sync(snapshot.external_id)

    async def _owner_by_metadata(self, provider: str, external_id: str) -> tuple[UUID, UUID] | None:
        """A delivery may be faster than the answer of the call that it is about: then our ids are in the payment."""
        try:
            snapshot = await self._providers[provider].sync(external_id)
        except InvalidRequest as error:
            _log.warning("payment_unknown", external_id=external_id, code=error.failure.code)
            return None
        try:
            org_id = UUID(snapshot.metadata["org_id"])
            topup_id = UUID(snapshot.metadata["top_up_id"])
        except (KeyError, ValueError):
            _log.info("payment_is_not_ours", external_id=external_id)
            return None
        topup = await self._db.read(lambda conn: store.read_topup(conn, org_id, topup_id))
        if topup is None:
            _log.warning("payment_of_unknown_topup", external_id=external_id)
            return None
        return org_id, topup_id

    async def _read(self, org_id: UUID, topup_id: UUID) -> TopUp:
        topup = await self._db.read(lambda conn: store.read_topup(conn, org_id, topup_id))
        if topup is None:
            raise not_found("top-up", str(topup_id))
        return topup
