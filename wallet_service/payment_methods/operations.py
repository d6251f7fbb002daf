"""Use cases of saved cards."""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.ids import EPOCH, new_id, unix_us
from providers.protocol import (
    CustomerRequest,
    InvalidRequest,
    PaymentProvider,
    ProviderError,
    SavedMethod,
    SavedMethods,
)
from wallet_service import names
from wallet_service.accounts import steps as accounts
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.errors import already_exists, not_found
from wallet_service.events.model import EventType, NewEvent
from wallet_service.events.steps import append
from wallet_service.job_queue import JobName, enqueue
from wallet_service.pages import (
    Page,
    decode_token,
    page_of,
    page_size,
    query_digest,
)
from wallet_service.payment_methods import rules, store
from wallet_service.payment_methods.model import (
    CardSetup,
    Customer,
    MethodState,
    PaymentMethod,
)
from wallet_service.requests.operations import claim

DETACH_AGAIN_AFTER: Final = timedelta(seconds=30)
_METHOD_FIELD: Final = "stripe_payment_method_id"
_log: Final = structlog.get_logger("wallet.payment_methods")

DetachGuard = Callable[[AsyncConnection, UUID, str], Awaitable[None]]
"""A step (conn, organization, payment method id) that raises PAYMENT_METHOD_IN_USE when the card is still needed."""


class CardProvider(PaymentProvider, SavedMethods, Protocol):
    """A provider that keeps cards."""


class PaymentMethods:
    """Set up, attach, list, choose and detach cards of an organization at one provider."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        provider: CardProvider,
        *,
        detach_guards: Sequence[DetachGuard] = (),
    ) -> None:
        self._db = db
        self._clock = clock
        self._provider = provider
        self._detach_guards = tuple(detach_guards)

    async def create_setup(self, org_id: UUID, *, request_key: str) -> str:
        """Start saving a card; the secret with which the client finishes it. The same key answers with the same secret.

        Raises RESOURCE_NOT_FOUND, PROVIDER_REFUSED, PROVIDER_UNAVAILABLE, and OUTCOME_UNKNOWN: then the same key resumes.
        """
        try:
            customer_id = await self._ensure_customer(org_id)
            setup = await self._claim_setup(org_id, request_key)
            if setup.external_id is not None:
                snapshot = await self._provider.sync_setup(setup.external_id)
            else:
                snapshot = await self._provider.create_setup(
                    customer_id=customer_id,
                    org_id=str(org_id),
                    idempotency_key=setup.provider_key,
                )
        except ProviderError as error:
            raise rules.refusal_of(error.failure) from error
        if setup.external_id is None:
            await self._db.transact(
                lambda conn: store.set_setup_external_id(conn, org_id, setup.setup_id, snapshot.setup_id)
            )
        assert snapshot.client_secret is not None, "a set-up always has a secret"
        return snapshot.client_secret

    async def attach(
        self,
        org_id: UUID,
        *,
        provider_method_id: str,
        payment_method_id: str | None,
        make_default: bool,
    ) -> PaymentMethod:
        """Save a card that a set-up has produced. The first card becomes the default all the same.

        Attaching the same card again answers with it, whatever name is asked for. Raises PAYMENT_METHOD_INVALID for a card
        of somebody else or one that was detached, RESOURCE_EXISTS for a taken name, PAYMENT_DECLINED, PROVIDER_UNAVAILABLE.
        """
        rules.check_provider_method_id(provider_method_id, _METHOD_FIELD)
        try:
            customer_id = await self._ensure_customer(org_id)
            saved = await self._provider.attach(
                customer_id=customer_id,
                method_id=provider_method_id,
                idempotency_key=f"attach:{org_id}:{provider_method_id}",
            )
        except InvalidRequest as error:
            raise rules.method_invalid(_METHOD_FIELD) from error
        except ProviderError as error:
            raise rules.refusal_of(error.failure) from error
        made = self._fresh(
            org_id,
            saved,
            customer_id=customer_id,
            payment_method_id=payment_method_id or saved.method_id,
        )

        async def work(conn: AsyncConnection) -> PaymentMethod:
            await store.read_customer(conn, org_id, self._provider.name, lock=True)
            return await self._insert(conn, made, make_default=make_default)

        return await self._db.transact(work)

    async def list(self, org_id: UUID, *, size: int, token: str) -> Page[PaymentMethod]:
        """Attached cards, newest first."""
        limit, digest = page_size(size), query_digest("payment-methods", org_id)
        key = decode_token(token, digest, [int, str])
        before = None
        if key is not None:
            before = (EPOCH + timedelta(microseconds=int(key[0])), str(key[1]))

        async def work(conn: AsyncConnection) -> Page[PaymentMethod]:
            rows = await store.list_attached(conn, org_id, before=before, limit=limit + 1)
            return page_of(
                rows,
                size=limit,
                digest=digest,
                key=lambda row: (unix_us(row.created_at), row.payment_method_id),
            )

        return await self._db.read(work)

    async def set_default(self, org_id: UUID, payment_method_id: str) -> PaymentMethod:
        """Make a card the one and only default. Raises RESOURCE_NOT_FOUND."""

        async def work(conn: AsyncConnection) -> PaymentMethod:
            await store.read_customer(conn, org_id, self._provider.name, lock=True)
            method = await attached_method(conn, org_id, payment_method_id)
            if not method.is_default:
                await self._make_default(conn, method)
                await self._tell(conn, method, EventType.PAYMENT_METHOD_DEFAULT_CHANGED)
            return replace(method, is_default=True)

        return await self._db.transact(work)

    async def detach(self, org_id: UUID, payment_method_id: str) -> None:
        """Remove a card for good. It is gone at once; if the provider does not answer now, a job tells it later.

        Repeating it is no error. Raises RESOURCE_NOT_FOUND, and PAYMENT_METHOD_IN_USE when a guard objects.
        """

        async def work(conn: AsyncConnection) -> PaymentMethod:
            await store.read_customer(conn, org_id, self._provider.name, lock=True)
            method = await store.read_method(conn, org_id, payment_method_id)
            if method is None:
                raise not_found("payment method", payment_method_id)
            if method.state is MethodState.ATTACHED:
                await self._begin_detach(conn, method)
            return method

        method = await self._db.transact(work)
        if method.state is MethodState.DETACHED:
            return
        try:
            await self._detach_at_provider(method)
        except ProviderError as error:
            _log.warning("payment_method_detach_postponed", code=error.failure.code)

    async def finish_detach(self, org_id: UUID, payment_method_id: str) -> None:
        """The job behind `detach`. Raises `ProviderError` when the provider does not answer: try again."""
        method = await self._db.read(lambda conn: store.read_method(conn, org_id, payment_method_id))
        if method is not None and method.state is MethodState.DETACHING:
            await self._detach_at_provider(method)

    async def _ensure_customer(self, org_id: UUID) -> str:
        """The organization's customer id; its key is stored before the provider is asked to make it."""

        async def begin(conn: AsyncConnection) -> tuple[Customer, str]:
            account = await accounts.billing_account(conn, org_id)
            found = await store.read_customer(conn, org_id, self._provider.name)
            if found is None:
                wanted = Customer(
                    org_id=org_id,
                    provider=self._provider.name,
                    billing_account_id=account.billing_account_id,
                    provider_key=f"customer:{uuid.uuid4()}",
                    customer_id=None,
                )
                await store.insert_customer(conn, wanted, self._clock.now())
                found = await self._customer(conn, org_id)
            return found, account.org_slug

        customer, slug = await self._db.transact(begin)
        if customer.customer_id is not None:
            return customer.customer_id
        # Everything in this request stays the same for ever, so that the same key always carries the same content.
        customer_id = await self._provider.ensure_customer(
            CustomerRequest(
                org_id=str(org_id),
                billing_account_id=str(customer.billing_account_id),
                idempotency_key=customer.provider_key,
                name=slug,
            )
        )

        async def finish(conn: AsyncConnection) -> Customer:
            await store.set_customer_id(conn, org_id, self._provider.name, customer_id)
            return await self._customer(conn, org_id)

        stored = await self._db.transact(finish)
        return stored.customer_id or customer_id

    async def _customer(self, conn: AsyncConnection, org_id: UUID) -> Customer:
        found = await store.read_customer(conn, org_id, self._provider.name)
        assert found is not None, "customers are never deleted"
        return found

    async def _claim_setup(self, org_id: UUID, request_key: str) -> CardSetup:
        now = self._clock.now()
        setup_id = new_id(now)
        made = CardSetup(
            org_id=org_id,
            setup_id=setup_id,
            provider=self._provider.name,
            provider_key=f"setup:{setup_id}",
            external_id=None,
            created_at=now,
        )

        async def work(conn: AsyncConnection) -> CardSetup:
            first = await claim(
                conn,
                org_id=org_id,
                method="CreateCardSetupIntent",
                request_id=request_key,
                content={"provider": self._provider.name},
                resource=str(setup_id),
                now=now,
            )
            if first is not None:
                return await store.read_setup(conn, org_id, UUID(first))
            await store.insert_setup(conn, made)
            return made

        return await self._db.transact(work)

    def _fresh(
        self,
        org_id: UUID,
        saved: SavedMethod,
        *,
        customer_id: str,
        payment_method_id: str,
    ) -> PaymentMethod:
        return PaymentMethod(
            org_id=org_id,
            payment_method_id=payment_method_id,
            provider=self._provider.name,
            provider_method_id=saved.method_id,
            customer_id=customer_id,
            brand=saved.brand,
            last4=saved.last4,
            exp_month=saved.exp_month,
            exp_year=saved.exp_year,
            is_default=False,
            state=MethodState.ATTACHED,
            created_at=self._clock.now(),
        )

    async def _insert(self, conn: AsyncConnection, made: PaymentMethod, *, make_default: bool) -> PaymentMethod:
        known = await store.find_provider_method(
            conn,
            made.org_id,
            provider=made.provider,
            provider_method_id=made.provider_method_id,
        )
        if known is not None and known.state is not MethodState.ATTACHED:
            raise rules.method_invalid(_METHOD_FIELD)
        if known is None:
            if await store.read_method(conn, made.org_id, made.payment_method_id):
                raise already_exists("payment method", made.payment_method_id)
            await store.insert_method(conn, made)
        method, happened = known or made, [] if known else [EventType.PAYMENT_METHOD_ATTACHED]
        becomes_default = make_default or await store.default_method(conn, made.org_id) is None
        if becomes_default and not method.is_default:
            await self._make_default(conn, method)
            method = replace(method, is_default=True)
            happened.append(EventType.PAYMENT_METHOD_DEFAULT_CHANGED)
        await self._tell(conn, method, *happened)
        return method

    async def _make_default(self, conn: AsyncConnection, method: PaymentMethod) -> None:
        now = self._clock.now()
        await store.clear_default(conn, method.org_id, now)
        await store.set_default(conn, method.org_id, method.payment_method_id, now)

    async def _begin_detach(self, conn: AsyncConnection, method: PaymentMethod) -> None:
        for guard in self._detach_guards:
            await guard(conn, method.org_id, method.payment_method_id)
        await self._set_state(conn, method, MethodState.DETACHING)
        await enqueue(
            conn,
            JobName.PAYMENT_METHOD_DETACH,
            {
                "org_id": str(method.org_id),
                "payment_method_id": method.payment_method_id,
            },
            delay=DETACH_AGAIN_AFTER,
        )
        await self._tell(conn, method, EventType.PAYMENT_METHOD_DETACHED)

    async def _tell(self, conn: AsyncConnection, method: PaymentMethod, *happened: EventType) -> None:
        owner = await accounts.organization(conn, method.org_id)
        subject = names.child("payment-methods", owner.slug, method.payment_method_id)
        facts = {"brand": method.brand, "last4": method.last4}
        told = [NewEvent(each, subject, facts) for each in happened]
        await append(conn, method.org_id, told, now=self._clock.now())

    async def _detach_at_provider(self, method: PaymentMethod) -> None:
        try:
            await self._provider.detach(
                method.provider_method_id,
                idempotency_key=f"detach:{method.org_id}:{method.provider_method_id}",
            )
        except InvalidRequest as error:
            _log.info("payment_method_gone_at_provider", code=error.failure.code)
        await self._db.transact(lambda conn: self._set_state(conn, method, MethodState.DETACHED))

    async def _set_state(self, conn: AsyncConnection, method: PaymentMethod, state: MethodState) -> None:
        await store.set_state(conn, method.org_id, method.payment_method_id, state, self._clock.now())


async def attached_method(conn: AsyncConnection, org_id: UUID, payment_method_id: str) -> PaymentMethod:
    """A step: a card that is shown and can be charged. Raises RESOURCE_NOT_FOUND for any other."""
    method = await store.read_method(conn, org_id, payment_method_id)
    if method is None or method.state is not MethodState.ATTACHED:
        raise not_found("payment method", payment_method_id)
    return method


async def default_method(conn: AsyncConnection, org_id: UUID) -> PaymentMethod | None:
    """A step: the card that is charged where none is named; None without one."""
    return await store.default_method(conn, org_id)


async def saved_method(conn: AsyncConnection, org_id: UUID, payment_method_id: str) -> PaymentMethod | None:
    """A step: a card that was ever saved, detached ones included."""
    return await store.read_method(conn, org_id, payment_method_id)
