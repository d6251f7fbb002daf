"""wallet.v1.WalletService: top-ups by card and in USDC, and saved cards."""

from uuid import UUID

from wallet_api.wallet.v1 import payment_method_pb, top_up_pb
from wallet_api.wallet.v1 import wallet_service_pb as rpc

from wallet_service import names
from wallet_service.errors import not_found
from wallet_service.payment_methods.model import PaymentMethod
from wallet_service.payment_methods.operations import PaymentMethods
from wallet_service.rpc.call import current_call
from wallet_service.rpc.convert import to_unix
from wallet_service.rpc.scope import Owner, Scope
from wallet_service.topups.model import TopUp, TopUpState
from wallet_service.topups.operations import CardTopUpRequest, CheckoutTopUpRequest, TopUps

_METHODS = "payment-methods"
_TOP_UPS = "topUps"


class WalletPayments:
    """The methods about cards and the money that comes from them."""

    def __init__(self, scope: Scope, topups: TopUps, payment_methods: PaymentMethods) -> None:
        self._scope = scope
        self._topups = topups
        self._payment_methods = payment_methods

    async def create_stripe_top_up_intent(
        self, request: rpc.CreateStripeTopUpIntentRequest, ctx: object, /
    ) -> rpc.CreateStripeTopUpIntentResponse:
        owner = await self._scope.owner("wallet", request.wallet_name)
        method_id = None
        if request.payment_method_name:
            method_id = names.parse_child(_METHODS, request.payment_method_name, "payment_method_name").id
        started = await self._topups.create_by_card(
            CardTopUpRequest(
                org_id=owner.org_id,
                amount_minor=request.amount_minor,
                currency=request.currency.upper() or None,
                payment_method_id=method_id,
                request_key=request.idempotency_key,
            )
        )
        return rpc.CreateStripeTopUpIntentResponse(
            top_up=to_proto_top_up(started.topup, owner), client_secret=started.client_secret
        )

    async def create_coinbase_top_up_checkout(
        self, request: rpc.CreateCoinbaseTopUpCheckoutRequest, ctx: object, /
    ) -> rpc.CreateCoinbaseTopUpCheckoutResponse:
        owner = await self._scope.owner("wallet", request.wallet_name)
        started = await self._topups.create_by_checkout(
            CheckoutTopUpRequest(
                org_id=owner.org_id,
                amount_minor=request.amount_minor,
                currency=request.currency.upper() or None,
                request_key=request.idempotency_key,
            )
        )
        return rpc.CreateCoinbaseTopUpCheckoutResponse(
            top_up=to_proto_top_up(started.topup, owner), hosted_url=started.topup.hosted_url or ""
        )

    async def confirm_top_up(self, request: rpc.ConfirmTopUpRequest, ctx: object, /) -> rpc.ConfirmTopUpResponse:
        owner = await self._scope.owner("top-up", request.name)
        started = await self._topups.confirm(owner.org_id, _topup_id(request.name))
        return rpc.ConfirmTopUpResponse(
            top_up=to_proto_top_up(started.topup, owner), client_secret=started.client_secret
        )

    async def create_card_setup_intent(
        self, request: rpc.CreateCardSetupIntentRequest, ctx: object, /
    ) -> rpc.CreateCardSetupIntentResponse:
        owner = await self._scope.owner("billing account", request.billing_account_name)
        secret = await self._payment_methods.create_setup(owner.org_id, request_key=request.idempotency_key)
        return rpc.CreateCardSetupIntentResponse(client_secret=secret)

    async def attach_payment_method(
        self, request: rpc.AttachPaymentMethodRequest, ctx: object, /
    ) -> rpc.AttachPaymentMethodResponse:
        owner = await self._scope.owner("billing account", request.billing_account_name)
        method = await self._payment_methods.attach(
            owner.org_id,
            provider_method_id=request.stripe_payment_method_id,
            payment_method_id=names.parse_child(_METHODS, request.name, "name").id if request.name else None,
            make_default=request.make_default,
        )
        return rpc.AttachPaymentMethodResponse(payment_method=to_proto_payment_method(method, owner))

    async def list_payment_methods(
        self, request: rpc.ListPaymentMethodsRequest, ctx: object, /
    ) -> rpc.ListPaymentMethodsResponse:
        owner = await self._scope.owner("billing account", request.billing_account_name)
        page = await self._payment_methods.list(owner.org_id, size=request.page_size, token=request.page_token)
        return rpc.ListPaymentMethodsResponse(
            payment_methods=[to_proto_payment_method(method, owner) for method in page.rows],
            next_page_token=page.next_page_token,
        )

    async def detach_payment_method(
        self, request: rpc.DetachPaymentMethodRequest, ctx: object, /
    ) -> rpc.DetachPaymentMethodResponse:
        owner = await self._scope.owner("payment method", request.name)
        method_id = names.parse_child(_METHODS, request.name, "name").id
        await self._payment_methods.detach(owner.org_id, method_id)
        return rpc.DetachPaymentMethodResponse()

    async def set_default_payment_method(
        self, request: rpc.SetDefaultPaymentMethodRequest, ctx: object, /
    ) -> rpc.SetDefaultPaymentMethodResponse:
        owner = await self._scope.owner("payment method", request.name)
        method_id = names.parse_child(_METHODS, request.name, "name").id
        method = await self._payment_methods.set_default(owner.org_id, method_id)
        return rpc.SetDefaultPaymentMethodResponse(payment_method=to_proto_payment_method(method, owner))

    async def list_top_ups(self, request: rpc.ListTopUpsRequest, ctx: object, /) -> rpc.ListTopUpsResponse:
        owner = await self._scope.owner("wallet", request.wallet_name)
        page = await self._topups.list(
            owner.org_id,
            state=TopUpState(request.state) if request.state else None,
            size=request.page_size,
            token=request.page_token,
        )
        return rpc.ListTopUpsResponse(
            top_ups=[to_proto_top_up(topup, owner) for topup in page.rows], next_page_token=page.next_page_token
        )

    async def get_top_up(self, request: rpc.GetTopUpRequest, ctx: object, /) -> rpc.GetTopUpResponse:
        owner = await self._scope.owner("top-up", request.name)
        topup = await self._topups.get(owner.org_id, _topup_id(request.name))
        return rpc.GetTopUpResponse(top_up=to_proto_top_up(topup, owner))


def to_proto_top_up(topup: TopUp, owner: Owner) -> top_up_pb.TopUp:
    flat = current_call().flat_names
    is_pending = topup.state is TopUpState.PENDING
    return top_up_pb.TopUp(
        name=names.child(_TOP_UPS, owner.slug, str(topup.topup_id), flat=flat),
        wallet_name=names.wallet(owner.slug, flat=flat),
        method=topup.method.value,
        amount_minor=topup.amount_minor,
        currency=topup.currency,
        state=topup.state.value,
        external_id=topup.external_id or "",
        journal_entry_id="" if topup.entry_id is None else str(topup.entry_id),
        create_time_unix=to_unix(topup.created_at),
        update_time_unix=to_unix(topup.updated_at),
        origin=topup.origin.value,
        failure_message=topup.failure.message if topup.failure else "",
        fee_minor=topup.fee.amount_minor if topup.fee else 0,
        fee_currency=topup.fee.currency if topup.fee else "",
        refunded_minor=topup.taken_back_minor,
        hosted_url=(topup.hosted_url or "") if is_pending else "",
    )


def _topup_id(name: str) -> UUID:
    """Raises RESOURCE_NOT_FOUND for an id that no top-up can have."""
    text = names.parse_child(_TOP_UPS, name, "name").id
    try:
        return UUID(text)
    except ValueError as error:
        raise not_found("top-up", name) from error


def to_proto_payment_method(method: PaymentMethod, owner: Owner) -> payment_method_pb.PaymentMethod:
    flat = current_call().flat_names
    return payment_method_pb.PaymentMethod(
        name=names.child(_METHODS, owner.slug, method.payment_method_id, flat=flat),
        billing_account_name=names.billing_account(owner.slug, flat=flat),
        brand=method.brand,
        last4=method.last4,
        exp_month=method.exp_month,
        exp_year=method.exp_year,
        is_default=method.is_default,
        create_time_unix=to_unix(method.created_at),
    )
