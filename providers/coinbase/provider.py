"""`PaymentProvider` and `PaymentListing` on the Checkouts API."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from ledger.money import Money
from providers.coinbase import webhooks
from providers.coinbase.amounts import CURRENCY, to_usdc
from providers.coinbase.client import CheckoutsClient, Json, uuid_of
from providers.coinbase.failures import invalid, unexpected
from providers.coinbase.settings import CoinbaseSettings
from providers.coinbase.snapshots import payment_reference, payment_snapshot, refund_snapshot
from providers.protocol import (
    InvalidRequest,
    PaymentListing,
    PaymentProvider,
    PaymentReference,
    PaymentSnapshot,
    PaymentState,
    ProviderEvent,
    RefundRequest,
    RefundSnapshot,
    TopUpRequest,
)

PAGE_SIZE = 100
DESCRIPTION_MAX = 500

T = TypeVar("T")


class CoinbaseProvider(PaymentProvider, PaymentListing):
    """USDC through Coinbase. `clock` returns the aware UTC time that tokens are dated and webhook ages measured by."""

    def __init__(self, settings: CoinbaseSettings, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._clock = clock
        self._client = CheckoutsClient(settings, clock)

    @property
    def name(self) -> str:
        return "coinbase"

    def minimum(self, currency: str) -> Money | None:
        """Our own minimum in USD; None for other currencies, which cannot be paid this way at all."""
        return Money(self._settings.minimum_minor, CURRENCY) if currency == CURRENCY else None

    async def create_topup(self, request: TopUpRequest) -> PaymentSnapshot:
        """See `PaymentProvider.create_topup`: the payer finishes on `hosted_url`.

        Raises `InvalidRequest` before any call for less than the minimum, another currency than USD, or a saved method.
        """
        answer = await self._client.write(
            "/checkouts", self._checkout(request), idempotency_key=request.idempotency_key
        )
        return _understood(payment_snapshot, answer, write=True)

    async def sync(self, external_id: str) -> PaymentSnapshot:
        """See `PaymentProvider.sync`. One read; there are no disputes."""
        answer = await self._client.read(_path(external_id))
        return _understood(payment_snapshot, answer, write=False)

    async def cancel(self, external_id: str, *, idempotency_key: str) -> PaymentSnapshot:
        """See `PaymentProvider.cancel`; a checkout that has already ended unpaid is returned as it is."""
        try:
            answer = await self._client.write(f"{_path(external_id)}/deactivate", None, idempotency_key=idempotency_key)
        except InvalidRequest as error:
            ended = await self.sync(external_id)
            if ended.state in (PaymentState.CANCELED, PaymentState.FAILED):
                return ended
            raise InvalidRequest(error.failure, ended) from error
        return _understood(payment_snapshot, answer, write=True)

    async def refund(self, request: RefundRequest) -> RefundSnapshot:
        """See `PaymentProvider.refund`. The money goes back in USDC; metadata is not kept by Coinbase.

        The refund is marked with its key and looked for first. So a repetition finds what it had done before, also
        after the key is forgotten, and "all that is left" means the same each time.
        """
        path, mark = _path(request.payment_external_id), f"Refund {uuid_of(request.idempotency_key)}"
        checkout = await self._client.read(path)
        for made in _understood(lambda found: list[Json](found.get("refunds") or ()), checkout, write=True):
            if made.get("reason") == mark:
                return _understood(_refund_of(request), made, write=True)
        amount = request.amount or _left(_understood(payment_snapshot, checkout, write=False))
        body = {"amount": to_usdc(amount), "currency": "USDC", "reason": mark}
        answer = await self._client.write(f"{path}/refund", body, idempotency_key=request.idempotency_key)
        return _understood(lambda given: _refund_of(request)(given["refund"]), answer, write=True)

    def verify_webhook(self, raw: bytes, headers: Mapping[str, str]) -> Sequence[ProviderEvent]:
        """See `PaymentProvider.verify_webhook`. Coinbase sends one event a delivery."""
        return (webhooks.verify(raw, headers, settings=self._settings, now=self._clock()),)

    async def list_payments(
        self,
        *,
        created_from: datetime,
        created_until: datetime,
        customer_id: str | None = None,
    ) -> AsyncGenerator[PaymentReference, None]:
        """See `PaymentListing.list_payments`. There are no customers, so `customer_id` selects nothing less.

        All pages are read before the first payment is given: Coinbase does not promise an order. Raises `InvalidRequest`
        rather than stop silently at the page limit.
        """
        # Both bounds of Coinbase include the instant, and it is not said whether fractions of a second are kept.
        query = {
            "pageSize": str(PAGE_SIZE),
            "startTime": _rfc3339(created_from - timedelta(seconds=1)),
            "endTime": _rfc3339(created_until + timedelta(seconds=1)),
        }
        found: list[PaymentReference] = []
        for _ in range(self._settings.list_pages_max):
            page = await self._client.read("/checkouts", query)
            found.extend(
                _understood(lambda page: [payment_reference(row) for row in page["checkouts"]], page, write=False)
            )
            if not page.get("nextPageToken"):
                break
            query["pageToken"] = page["nextPageToken"]
        else:
            raise invalid("too_many_payments", "more payments than the page limit allows; ask for a shorter interval")
        for reference in sorted(found, key=lambda row: row.created_at, reverse=True):
            if created_from <= reference.created_at < created_until:
                yield reference

    async def find_topup(
        self,
        *,
        top_up_id: str,
        created_from: datetime,
        created_until: datetime,
        customer_id: str | None = None,
    ) -> PaymentReference | None:
        """See `PaymentListing.find_topup`."""
        walk = self.list_payments(created_from=created_from, created_until=created_until, customer_id=customer_id)
        async with aclosing(walk) as references:
            async for reference in references:
                if reference.metadata.get("top_up_id") == top_up_id:
                    return reference
        return None

    async def aclose(self) -> None:
        """See `PaymentProvider.aclose`."""
        await self._client.aclose()

    def _checkout(self, request: TopUpRequest) -> Json:
        """What is asked for. Nothing in it depends on the time of the call, or a repetition would be another request."""
        minimum = self.minimum(request.amount.currency)
        if minimum is not None and request.amount.amount_minor < minimum.amount_minor:
            raise invalid("amount_too_small", f"{request.amount} is less than the minimum of {minimum}")
        if request.payment_method_id is not None or request.save_method:
            raise invalid("saved_methods_not_supported", "A payment in USDC has no method that could be saved.")
        body: Json = {
            "amount": to_usdc(request.amount),
            "currency": "USDC",
            "network": "base",
            "metadata": {"org_id": request.org_id, "top_up_id": request.top_up_id},
        }
        optional = {
            "description": request.description[:DESCRIPTION_MAX] if request.description else None,
            "expiresAt": _rfc3339(request.expires_at) if request.expires_at else None,
            "successRedirectUrl": self._settings.success_redirect_url,
            "failRedirectUrl": self._settings.fail_redirect_url,
        }
        return body | {name: value for name, value in optional.items() if value is not None}


def _path(external_id: str) -> str:
    """The address of a checkout. An id of another form is refused here, so that it cannot change the address."""
    if webhooks.CHECKOUT_ID.fullmatch(external_id) is None:
        raise invalid("resource_missing", "There is no such payment.")
    return f"/checkouts/{external_id}"


def _refund_of(request: RefundRequest) -> Callable[[Json], RefundSnapshot]:
    return lambda refund: refund_snapshot(refund, checkout_id=request.payment_external_id)


def _left(payment: PaymentSnapshot) -> Money:
    """What has not been given back. Raises `InvalidRequest` when that is nothing."""
    if payment.state is not PaymentState.SUCCEEDED:
        raise invalid("payment_not_received", "The payment has not been received; there is nothing to give back.")
    left = payment.amount_received - payment.amount_refunded
    if left.amount_minor <= 0:
        raise invalid("already_refunded", "The payment has already been refunded.")
    return left


def _understood(read: Callable[[Any], T], answer: Any, *, write: bool) -> T:
    """`read(answer)`. Raises `Unavailable` for an answer of an undocumented shape rather than guess at money."""
    try:
        return read(answer)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise unexpected(write=write) from error


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
