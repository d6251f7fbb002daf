"""How a top-up begins: its key is claimed and it is stored, then the provider is asked, then the answer is stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
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
    Unavailable,
)
from wallet_service.accounts import steps as accounts
from wallet_service.accounts.model import BillingAccountState, Wallet
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.payment_methods.model import PaymentMethod
from wallet_service.payment_methods.operations import attached_method, default_method
from wallet_service.payment_methods.rules import no_default
from wallet_service.requests.operations import claim
from wallet_service.topups import rules, store
from wallet_service.topups.asking import TopUpSync
from wallet_service.topups.model import Origin, TopUp, TopUpMethod, TopUpState
from wallet_service.topups.settlement import Settlement


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked for. `rpc`: where `request_key` is unique. `currency` None: the wallet's.

    `uses_default_method`: whichever card is the default when it is stored; a repetition is about the same card.
    """

    org_id: UUID
    rpc: str
    method: TopUpMethod
    amount_minor: int
    currency: str | None
    payment_method_id: str | None
    request_key: str
    origin: Origin = Origin.MANUAL
    uses_default_method: bool = False

    @property
    def content(self) -> Mapping[str, str | int | None]:
        """What must be the same when the key comes again."""
        return {
            "amount_minor": self.amount_minor,
            "currency": self.currency,
            "payment_method_id": self.payment_method_id,
        }


@dataclass(frozen=True, slots=True)
class StartedTopUp:
    """A top-up, and with what the payer finishes it: a secret or the page of a checkout; "" when nothing is left to do."""

    topup: TopUp
    client_secret: str = ""
    hosted_url: str = ""


class Starter:
    """Starts top-ups at one provider."""

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
        currencies: frozenset[str] | None = None,
    ) -> None:
        """`currencies`: of wallets that can be paid into this way; None: of all."""
        self._db = db
        self._clock = clock
        self._provider = provider
        self._settlement = settlement
        self._sync = sync
        self._amount_max_minor = amount_max_minor
        self._reconcile_after = reconcile_after
        self._currencies = currencies

    async def start(self, order: Order) -> StartedTopUp:
        """Start it, or answer with what became of the one that the same key has started."""
        topup = await self._db.transact(lambda conn: self.begin(conn, order))
        try:
            if topup.state is TopUpState.PENDING and topup.failure is None:
                if topup.external_id is None and self._sync.may_be_sent(topup):
                    return await self._start(topup)
                return await self.resume(topup)
        except Unavailable as error:
            raise rules.not_answered(topup, error.failure) from error
        return self._answer(topup, None)

    async def begin(self, conn: AsyncConnection, order: Order) -> TopUp:
        """A step, the last of its transaction: claim the key and store the top-up, PENDING."""
        now = self._clock.now()
        topup_id = new_id(now)
        first = await claim(
            conn,
            org_id=order.org_id,
            method=order.rpc,
            request_id=order.request_key,
            content=order.content,
            resource=str(topup_id),
            now=now,
        )
        if first is not None:
            found = await store.read_topup(conn, order.org_id, UUID(first))
            assert found is not None, "the claim commits with its top-up"
            return found
        account = await accounts.billing_account(conn, order.org_id)
        # The lock keeps the wallet from being deleted under a top-up that is about to be stored.
        wallet = await accounts.open_wallet(conn, order.org_id, lock=True)
        if account.state is BillingAccountState.CLOSED:
            raise rules.account_closed()
        rules.check_currency(wallet.currency, self._currencies)
        rules.check_amount(
            amount_minor=order.amount_minor,
            currency=order.currency,
            wallet_currency=wallet.currency,
            minimum=self._provider.minimum(wallet.currency),
            maximum_minor=self._amount_max_minor,
        )
        card = await self._card_of(conn, order)
        return await self._settlement.open(conn, self._fresh(order, wallet, card, topup_id))

    async def resume(self, topup: TopUp) -> StartedTopUp:
        """The provider's answer now, with what the payer needs fetched again. Raises `ProviderError`."""
        seen = None
        if topup.external_id is not None:
            seen = await self._provider.sync(topup.external_id)
            stored = await self._sync.store_answer(topup, seen, is_complete=True)
            if stored is not None:
                return self._answer(stored, seen)
        current = await self._sync.sync(topup.org_id, topup.topup_id)
        if seen is None and current.external_id is not None:
            seen = await self._provider.sync(current.external_id)
        return self._answer(current, seen)

    async def _card_of(self, conn: AsyncConnection, order: Order) -> PaymentMethod | None:
        if order.payment_method_id is not None:
            return await attached_method(conn, order.org_id, order.payment_method_id)
        if not order.uses_default_method:
            return None
        card = await default_method(conn, order.org_id)
        if card is None:
            raise no_default()
        return card

    def _fresh(self, order: Order, wallet: Wallet, card: PaymentMethod | None, topup_id: UUID) -> TopUp:
        now = self._clock.now()
        return TopUp(
            org_id=order.org_id,
            topup_id=topup_id,
            wallet_id=wallet.wallet_id,
            account_id=wallet.account_id,
            provider=self._provider.name,
            method=order.method,
            amount_minor=order.amount_minor,
            currency=wallet.currency,
            state=TopUpState.PENDING,
            provider_key=str(topup_id),
            created_at=now,
            updated_at=now,
            origin=order.origin,
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
                return self._answer(await self._sync.refused(topup, error), None)
            snapshot = error.payment
        except (Declined, InvalidRequest) as error:
            return self._answer(await self._sync.refused(topup, error), None)
        stored = await self._sync.store_answer(topup, snapshot, is_complete=False)
        assert stored is not None, "only complete answers can be overtaken"
        return self._answer(stored, snapshot)

    def _answer(self, topup: TopUp, snapshot: PaymentSnapshot | None) -> StartedTopUp:
        """Raises what the caller of a top-up that failed gets."""
        refusal = rules.refusal_of(topup, minimum=self._provider.minimum(topup.currency))
        if refusal is not None:
            raise refusal
        if topup.state is not TopUpState.PENDING or snapshot is None or not _waits_for_payer(snapshot):
            return StartedTopUp(topup)
        return StartedTopUp(topup, snapshot.client_secret or "", snapshot.hosted_url or "")


def _waits_for_payer(snapshot: PaymentSnapshot) -> bool:
    return snapshot.state in (PaymentState.AWAITING_PAYER, PaymentState.AWAITING_AUTHENTICATION)
