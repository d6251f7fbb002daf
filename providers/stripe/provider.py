"""`PaymentProvider`, `SavedMethods` and `PaymentListing` on Stripe's library."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import datetime

import stripe
from stripe import HTTPXClient, RequestOptions, StripeClient
from stripe.params import (
    CustomerCreateParams,
    PaymentIntentCreateParams,
    PaymentIntentListParams,
    RefundCreateParams,
)

from ledger.money import Money
from providers.protocol import (
    CustomerRequest,
    Failure,
    FailureKind,
    InvalidRequest,
    OffSessionCharge,
    PaymentListing,
    PaymentProvider,
    PaymentReference,
    PaymentSnapshot,
    PaymentState,
    ProviderEvent,
    RefundRequest,
    RefundSnapshot,
    SavedMethod,
    SavedMethods,
    SetupSnapshot,
    TopUpRequest,
)
from providers.stripe import webhooks
from providers.stripe.amounts import to_stripe
from providers.stripe.failures import deadline_exceeded, provider_error
from providers.stripe.settings import API_VERSION, StripeSettings
from providers.stripe.snapshots import (
    payment_reference,
    payment_snapshot,
    refund_snapshot,
    saved_method,
    setup_snapshot,
)

PAGE_SIZE = 100


class StripeProvider(PaymentProvider, SavedMethods, PaymentListing):
    """Cards through Stripe. `clock` returns the aware UTC time that webhook ages are measured against."""

    def __init__(self, settings: StripeSettings, clock: Callable[[], datetime]) -> None:
        # The library would otherwise write an id under the user's home and report timings with each request.
        stripe.enable_telemetry = False
        self._settings = settings
        self._clock = clock
        self._http = HTTPXClient(timeout=settings.attempt_timeout.total_seconds())
        self._client = StripeClient(
            settings.api_key,
            http_client=self._http,
            base_addresses={"api": settings.api_base},
            stripe_version=API_VERSION,
            max_network_retries=settings.network_retries_max,
        )

    @property
    def name(self) -> str:
        return "stripe"

    def minimum(self, currency: str) -> Money | None:
        """The configured minimum, None for a currency without one: Stripe itself then decides."""
        amount_minor = self._settings.minimum_minor.get(currency)
        return None if amount_minor is None else Money(amount_minor, currency)

    async def create_topup(self, request: TopUpRequest) -> PaymentSnapshot:
        """See `PaymentProvider.create_topup`. Raises `InvalidRequest` below the minimum before any call."""
        params = self._intent_params(request)
        if request.save_method:
            params["setup_future_usage"] = "off_session"
        if request.payment_method_id:
            params["payment_method"] = request.payment_method_id
            params["confirm"] = True
        async with self._call(write=True):
            intent = await self._client.v1.payment_intents.create_async(params, _keyed(request.idempotency_key))
        return payment_snapshot(intent)

    async def charge_off_session(self, charge: OffSessionCharge) -> PaymentSnapshot:
        """See `SavedMethods.charge_off_session`."""
        params = self._intent_params(charge)
        params["payment_method"] = charge.payment_method_id
        params["confirm"] = True
        params["off_session"] = True
        async with self._call(write=True):
            intent = await self._client.v1.payment_intents.create_async(params, _keyed(charge.idempotency_key))
        return payment_snapshot(intent)

    async def sync(self, external_id: str) -> PaymentSnapshot:
        """See `PaymentProvider.sync`. Two reads, more only for a payment with many refunds."""
        async with self._call(write=False):
            intent = await self._client.v1.payment_intents.retrieve_async(
                external_id,
                {
                    "expand": [
                        "latest_charge.balance_transaction",
                        "latest_charge.refunds",
                    ]
                },
            )
            charge = intent.latest_charge
            if not isinstance(charge, stripe.Charge) or not charge.paid:
                return payment_snapshot(intent)
            refunds = await self._refunds(charge, external_id)
            disputes = await self._client.v1.disputes.list_async({"payment_intent": external_id, "limit": PAGE_SIZE})
        return payment_snapshot(intent, refunds=refunds, disputes=disputes.data)

    async def cancel(self, external_id: str, *, idempotency_key: str) -> PaymentSnapshot:
        """See `PaymentProvider.cancel`; a payment that is already canceled is returned as it is."""
        try:
            async with self._call(write=True):
                intent = await self._client.v1.payment_intents.cancel_async(
                    external_id,
                    {"cancellation_reason": "abandoned"},
                    _keyed(idempotency_key),
                )
        except InvalidRequest as error:
            if error.payment is not None and error.payment.state is PaymentState.CANCELED:
                return error.payment
            raise
        return payment_snapshot(intent)

    async def refund(self, request: RefundRequest) -> RefundSnapshot:
        """See `PaymentProvider.refund`."""
        params: RefundCreateParams = {
            "payment_intent": request.payment_external_id,
            "reason": "requested_by_customer",
            "metadata": dict(request.metadata),
        }
        if request.amount is not None:
            params["amount"], _ = to_stripe(request.amount)
        async with self._call(write=True):
            refund = await self._client.v1.refunds.create_async(params, _keyed(request.idempotency_key))
        return refund_snapshot(refund)

    def verify_webhook(self, raw: bytes, headers: Mapping[str, str]) -> Sequence[ProviderEvent]:
        """See `PaymentProvider.verify_webhook`. Stripe sends one event a delivery."""
        return (webhooks.verify(raw, headers, settings=self._settings, now=self._clock()),)

    async def ensure_customer(self, request: CustomerRequest) -> str:
        """See `SavedMethods.ensure_customer`."""
        params: CustomerCreateParams = {
            "metadata": {
                "org_id": request.org_id,
                "billing_account_id": request.billing_account_id,
            }
        }
        if request.name:
            params["name"] = request.name
        if request.email:
            params["email"] = request.email
        async with self._call(write=True):
            if request.known_customer_id and await self._customer_exists(request.known_customer_id):
                return request.known_customer_id
            customer = await self._client.v1.customers.create_async(params, _keyed(request.idempotency_key))
        return customer.id

    async def create_setup(self, *, customer_id: str, org_id: str, idempotency_key: str) -> SetupSnapshot:
        """See `SavedMethods.create_setup`. The consent asked for covers charges while the customer is away."""
        async with self._call(write=True):
            setup = await self._client.v1.setup_intents.create_async(
                {
                    "customer": customer_id,
                    "usage": "off_session",
                    "allowed_payment_method_types": ["card"],
                    "metadata": {"org_id": org_id},
                },
                _keyed(idempotency_key),
            )
        return setup_snapshot(setup)

    async def sync_setup(self, setup_id: str) -> SetupSnapshot:
        """See `SavedMethods.sync_setup`."""
        async with self._call(write=False):
            return setup_snapshot(await self._client.v1.setup_intents.retrieve_async(setup_id))

    async def attach(self, *, customer_id: str, method_id: str, idempotency_key: str) -> SavedMethod:
        """See `SavedMethods.attach`. A finished setup has already attached its method."""
        async with self._call(write=True):
            method = await self._client.v1.payment_methods.retrieve_async(method_id)
            if method.type != "card":
                raise _invalid("payment_method_not_a_card", f"a {method.type} cannot be saved: only cards can")
            if method.customer != customer_id:
                method = await self._client.v1.payment_methods.attach_async(
                    method_id, {"customer": customer_id}, _keyed(idempotency_key)
                )
        return saved_method(method)

    async def detach(self, method_id: str, *, idempotency_key: str) -> None:
        """See `SavedMethods.detach`."""
        async with self._call(write=True):
            method = await self._client.v1.payment_methods.retrieve_async(method_id)
            if method.customer is not None:
                await self._client.v1.payment_methods.detach_async(method_id, None, _keyed(idempotency_key))

    async def list_methods(self, customer_id: str) -> Sequence[SavedMethod]:
        """See `SavedMethods.list_methods`."""
        async with self._call(write=False):
            methods = await self._client.v1.customers.payment_methods.list_async(
                customer_id, {"type": "card", "limit": PAGE_SIZE}
            )
        return tuple(saved_method(method) for method in methods.data)

    async def list_payments(
        self,
        *,
        created_from: datetime,
        created_until: datetime,
        customer_id: str | None = None,
    ) -> AsyncGenerator[PaymentReference, None]:
        """See `PaymentListing.list_payments`. Raises `InvalidRequest` rather than stop silently at the page limit."""
        params: PaymentIntentListParams = {
            "created": {
                "gte": int(created_from.timestamp()),
                "lt": int(created_until.timestamp()),
            },
            "limit": PAGE_SIZE,
        }
        if customer_id:
            params["customer"] = customer_id
        for _ in range(self._settings.list_pages_max):
            async with self._call(write=False):
                page = await self._client.v1.payment_intents.list_async(params)
            for intent in page.data:
                yield payment_reference(intent)
            if not page.has_more:
                return
            params["starting_after"] = page.data[-1].id
        raise _invalid(
            "too_many_payments",
            "more payments than the page limit allows; ask for a shorter interval",
        )

    async def find_topup(
        self,
        *,
        top_up_id: str,
        created_from: datetime,
        created_until: datetime,
        customer_id: str | None = None,
    ) -> PaymentReference | None:
        """See `PaymentListing.find_topup`. Lists rather than searches: Stripe's search lags by up to a minute."""
        walk = self.list_payments(created_from=created_from, created_until=created_until, customer_id=customer_id)
        async with aclosing(walk) as references:
            async for reference in references:
                if reference.metadata.get("top_up_id") == top_up_id:
                    return reference
        return None

    async def aclose(self) -> None:
        """See `PaymentProvider.aclose`."""
        await self._http.close_async()

    @asynccontextmanager
    async def _call(self, *, write: bool) -> AsyncGenerator[None, None]:
        """Bound the block by the deadline and translate what the library raises."""
        try:
            async with asyncio.timeout(self._settings.deadline.total_seconds()):
                yield
        except TimeoutError as error:
            raise deadline_exceeded(write=write) from error
        except stripe.StripeError as error:
            intent = error.error.payment_intent if error.error else None
            payment = payment_snapshot(intent) if intent else None
            raise provider_error(error, write=write, payment=payment) from error

    def _intent_params(self, request: TopUpRequest | OffSessionCharge) -> PaymentIntentCreateParams:
        minimum = self.minimum(request.amount.currency)
        if minimum is not None and request.amount.amount_minor < minimum.amount_minor:
            raise _invalid("amount_too_small", f"the smallest amount is {minimum}")
        amount, currency = to_stripe(request.amount)
        params: PaymentIntentCreateParams = {
            "amount": amount,
            "currency": currency,
            "allowed_payment_method_types": ["card"],
            "metadata": {"org_id": request.org_id, "top_up_id": request.top_up_id},
        }
        if request.customer_id:
            params["customer"] = request.customer_id
        if request.description:
            params["description"] = request.description
        return params

    async def _refunds(self, charge: stripe.Charge, external_id: str) -> list[stripe.Refund]:
        if charge.refunds and not charge.refunds.has_more:
            return charge.refunds.data
        listed = await self._client.v1.refunds.list_async({"payment_intent": external_id, "limit": PAGE_SIZE})
        return [refund async for refund in listed.auto_paging_iter()]

    async def _customer_exists(self, customer_id: str) -> bool:
        try:
            customer = await self._client.v1.customers.retrieve_async(customer_id)
        except stripe.InvalidRequestError as error:
            if error.code == "resource_missing":
                return False
            raise
        return not getattr(customer, "deleted", False)


def _keyed(idempotency_key: str) -> RequestOptions:
    return {"idempotency_key": idempotency_key}


def _invalid(code: str, message: str) -> InvalidRequest:
    return InvalidRequest(Failure(kind=FailureKind.INVALID, code=code, message=message))
