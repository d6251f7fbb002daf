"""Use cases of automatic recharging: configure, read, delete; and the guard of the card that it charges."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.ids import new_id
from providers.protocol import PaymentProvider
from wallet_service.accounts import steps as accounts
from wallet_service.accounts.model import BillingAccountState, Wallet
from wallet_service.audit_log.pending import note_before
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.events.steps import append
from wallet_service.job_queue import JobName, enqueue
from wallet_service.payment_methods.model import PaymentMethod
from wallet_service.payment_methods.operations import attached_method
from wallet_service.recharge import notices, rules, store
from wallet_service.recharge.model import (
    AttemptState,
    Consent,
    RechargeConfig,
    RechargeView,
    Terms,
)
from wallet_service.topups.rules import account_closed, check_amount
from wallet_service.watching.steps import hold_still


@dataclass(frozen=True, slots=True, kw_only=True)
class RechargeRequest:
    """What is asked for, in minor units. Caps and cooldown of 0: the service's defaults. No `mandate_text`: its words."""

    threshold_minor: int
    amount_minor: int
    payment_method_id: str
    close_gap_max_minor: int = 0
    daily_cap_minor: int = 0
    monthly_cap_minor: int = 0
    cooldown: timedelta = timedelta(0)
    mandate_text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RechargeDefaults:
    """Limits of the service: the caps in charges, and how long after a recharge the next one may begin."""

    amount_max_minor: int
    daily_charge_count: int
    monthly_charge_count: int
    cooldown: timedelta


class AutoRecharges:
    """Automatic recharging of the one wallet of an organization, by cards of one provider."""

    def __init__(self, db: Database, clock: Clock, provider: PaymentProvider, defaults: RechargeDefaults) -> None:
        self._db = db
        self._clock = clock
        self._provider = provider
        self._defaults = defaults

    async def enable(self, org_id: UUID, wanted: RechargeRequest, *, key_id: UUID) -> RechargeView:
        """Turn it on, or change it, with a consent of the API key that asks; what went wrong before is forgotten.

        Charges nothing by itself: only a later posting does. Raises RESOURCE_NOT_FOUND, BILLING_ACCOUNT_CLOSED,
        INVALID_FIELD, AMOUNT_TOO_SMALL, AMOUNT_TOO_LARGE.
        """
        return await self._db.transact(lambda conn: self._enable(conn, org_id, wanted, key_id))

    async def disable(self, org_id: UUID) -> RechargeView:
        """Turn it off and keep what is stored. What is being charged already is finished. Raises RESOURCE_NOT_FOUND."""

        async def work(conn: AsyncConnection) -> RechargeView:
            wallet = await accounts.open_wallet(conn, org_id)
            config = await store.read_config(conn, org_id, wallet.wallet_id, lock=True)
            if config is not None and config.is_enabled:
                now = self._clock.now()
                was = notices.of_configuration(wallet.org_slug, config, wallet.currency)
                note_before(was.subject, was.data)
                config = rules.turned_off(config, None, now)
                await store.put_config(conn, config)
                told = notices.of_configuration(wallet.org_slug, config, wallet.currency)
                await append(conn, org_id, [told], now=now)
            return await _view(conn, wallet, config)

        return await self._db.transact(work)

    async def get(self, org_id: UUID) -> RechargeView:
        """How it stands. Raises RESOURCE_NOT_FOUND."""

        async def work(conn: AsyncConnection) -> RechargeView:
            wallet = await accounts.open_wallet(conn, org_id)
            return await recharge_of(conn, wallet)

        return await self._db.read(work)

    async def delete(self, org_id: UUID) -> None:
        """Forget the configuration; consents stay, and attempts, so that the caps still hold. Repeating it is no error."""

        async def work(conn: AsyncConnection) -> None:
            wallet = await accounts.open_wallet(conn, org_id)
            config = await store.read_config(conn, org_id, wallet.wallet_id, lock=True)
            if config is not None and await store.delete_config(conn, org_id, wallet.wallet_id):
                was = notices.of_configuration(wallet.org_slug, config, wallet.currency)
                note_before(was.subject, was.data)
                await append(conn, org_id, [notices.of_deletion(wallet.org_slug)], now=self._clock.now())

        await self._db.transact(work)

    async def _enable(self, conn: AsyncConnection, org_id: UUID, wanted: RechargeRequest, key_id: UUID) -> RechargeView:
        # Cards are detached under this lock too, so the card below is there until this transaction ends.
        standing = await hold_still(conn, org_id)
        now = self._clock.now()
        wallet = await accounts.open_wallet(conn, org_id)
        if (await accounts.billing_account(conn, org_id)).state is BillingAccountState.CLOSED:
            raise account_closed()
        method = await attached_method(conn, org_id, wanted.payment_method_id)
        terms = self._terms(wanted, wallet.currency)
        before = await store.read_config(conn, org_id, wallet.wallet_id, lock=True)
        consent = self._consent(wallet, method, wanted, terms, key_id)
        await store.insert_consent(conn, consent)
        config = RechargeConfig(
            org_id=org_id,
            wallet_id=wallet.wallet_id,
            is_enabled=True,
            terms=terms,
            consent_id=consent.consent_id,
            armed_seq=standing.entry_seq,
            created_at=now if before is None else before.created_at,
            updated_at=now,
            last_succeeded_at=None if before is None else before.last_succeeded_at,
        )
        if before is not None:
            was = notices.of_configuration(wallet.org_slug, before, wallet.currency)
            note_before(was.subject, was.data)
        await store.put_config(conn, config)
        await self._give_up_waiting(conn, wallet)
        told = notices.of_configuration(wallet.org_slug, config, wallet.currency)
        await append(conn, org_id, [told], now=now)
        return await _view(conn, wallet, config)

    async def _give_up_waiting(self, conn: AsyncConnection, wallet: Wallet) -> None:
        """A payment that waits for the customer is canceled, so that no two can succeed for one gap."""
        attempt = await store.open_attempt(conn, wallet.org_id, wallet.wallet_id)
        if attempt is None or attempt.state is not AttemptState.ACTION_REQUIRED:
            return
        await store.recall_attempt(conn, attempt, next_check_at=self._clock.now())
        await enqueue(conn, JobName.RECHARGE, {"org_id": str(wallet.org_id), "attempt_id": str(attempt.attempt_id)})

    def _terms(self, wanted: RechargeRequest, currency: str) -> Terms:
        check_amount(
            amount_minor=wanted.amount_minor,
            currency=None,
            wallet_currency=currency,
            minimum=self._provider.minimum(currency),
            maximum_minor=self._defaults.amount_max_minor,
        )
        upper_minor = max(wanted.amount_minor, wanted.close_gap_max_minor)
        terms = Terms(
            threshold_minor=wanted.threshold_minor,
            amount_minor=wanted.amount_minor,
            payment_method_id=wanted.payment_method_id,
            close_gap_max_minor=wanted.close_gap_max_minor,
            daily_cap_minor=wanted.daily_cap_minor or upper_minor * self._defaults.daily_charge_count,
            monthly_cap_minor=wanted.monthly_cap_minor or upper_minor * self._defaults.monthly_charge_count,
            cooldown=wanted.cooldown or self._defaults.cooldown,
        )
        rules.check_terms(terms, amount_max_minor=self._defaults.amount_max_minor)
        return terms

    def _consent(
        self, wallet: Wallet, method: PaymentMethod, wanted: RechargeRequest, terms: Terms, key_id: UUID
    ) -> Consent:
        now = self._clock.now()
        text = rules.mandate_of(terms, currency=wallet.currency, card=f"{method.brand} {method.last4}")
        return Consent(
            org_id=wallet.org_id,
            consent_id=new_id(now),
            wallet_id=wallet.wallet_id,
            key_id=key_id,
            mandate_version=rules.OWN_WORDS if wanted.mandate_text else rules.MANDATE_VERSION,
            mandate_text=wanted.mandate_text or text,
            terms=terms,
            currency=wallet.currency,
            agreed_at=now,
        )


async def recharge_of(conn: AsyncConnection, wallet: Wallet) -> RechargeView:
    """A step: how recharging of a wallet stands."""
    return await _view(conn, wallet, await store.read_config(conn, wallet.org_id, wallet.wallet_id))


async def refuse_detach(conn: AsyncConnection, org_id: UUID, payment_method_id: str) -> None:
    """A guard of `PaymentMethods.detach`. Raises PAYMENT_METHOD_IN_USE for the card of a recharge that is on.

    Under the same lock as turning it on: whichever comes second sees what the first has done.
    """
    await hold_still(conn, org_id)
    if await store.is_used(conn, org_id, payment_method_id):
        raise rules.in_use(payment_method_id)


async def _view(conn: AsyncConnection, wallet: Wallet, config: RechargeConfig | None) -> RechargeView:
    attempt = await store.open_attempt(conn, wallet.org_id, wallet.wallet_id)
    if config is None:
        return RechargeView(wallet.currency, open_attempt=attempt)
    return RechargeView(
        wallet.currency, config, await store.read_consent(conn, wallet.org_id, config.consent_id), attempt
    )
