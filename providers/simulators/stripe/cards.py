"""Stripe's published test cards and what they do."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decline:
    """What the issuer says."""

    decline_code: str
    message: str = "Your card was declined."
    code: str = "card_declined"
    advice: str | None = "try_again_later"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One test card.

    `decline` refuses charges and, unless `attaches`, also saving. `on_session` asks for 3-D Secure when the payer is
    present. Off session the card asks for it `always`, `unless_set_up`, or `never`.
    """

    number: str
    label: str
    tokens: tuple[str, ...]
    brand: str = "visa"
    decline: Decline | None = None
    attaches: bool = False
    on_session: bool = False
    off_session: str = "never"
    dispute_reason: str | None = None
    inquiry: bool = False
    fraud_warning: bool = False
    refund: str = "succeeds"


GENERIC = Decline("generic_decline")
CARDS = (
    Card(number="4242424242424242", label="succeeds", tokens=("pm_card_visa",)),
    Card(
        number="5555555555554444",
        label="succeeds",
        tokens=("pm_card_mastercard",),
        brand="mastercard",
    ),
    Card(
        number="4000000000000002",
        label="is declined",
        tokens=("pm_card_chargeDeclined", "pm_card_visa_chargeDeclined"),
        decline=GENERIC,
    ),
    Card(
        number="4000000000009995",
        label="has insufficient funds",
        tokens=(
            "pm_card_chargeDeclinedInsufficientFunds",
            "pm_card_visa_chargeDeclinedInsufficientFunds",
        ),
        decline=Decline("insufficient_funds", "Your card has insufficient funds."),
    ),
    Card(
        number="4000000000009987",
        label="was lost",
        tokens=(
            "pm_card_chargeDeclinedLostCard",
            "pm_card_visa_chargeDeclinedLostCard",
        ),
        decline=Decline("lost_card", advice="do_not_try_again"),
    ),
    Card(
        number="4000000000009979",
        label="was stolen",
        tokens=(
            "pm_card_chargeDeclinedStolenCard",
            "pm_card_visa_chargeDeclinedStolenCard",
        ),
        decline=Decline("stolen_card", advice="do_not_try_again"),
    ),
    Card(
        number="4000000000000069",
        label="has expired",
        tokens=("pm_card_chargeDeclinedExpiredCard",),
        decline=Decline("expired_card", "Your card has expired.", "expired_card", "do_not_try_again"),
    ),
    Card(
        number="4000000000000119",
        label="meets a processing error",
        tokens=("pm_card_chargeDeclinedProcessingError",),
        decline=Decline(
            "processing_error",
            "An error occurred while processing your card.",
            "processing_error",
        ),
    ),
    Card(
        number="4000000000000341",
        label="can be saved, then every charge is declined",
        tokens=("pm_card_chargeCustomerFail",),
        decline=GENERIC,
        attaches=True,
    ),
    Card(
        number="4000002760003184",
        label="asks for 3-D Secure every time",
        tokens=("pm_card_authenticationRequired",),
        on_session=True,
        off_session="always",
    ),
    Card(
        number="4000000000003220",
        label="asks for 3-D Secure when you are present",
        tokens=("pm_card_threeDSecure2Required",),
        on_session=True,
        off_session="always",
    ),
    Card(
        number="4000002500003155",
        label="asks for 3-D Secure once, then charges off session",
        tokens=("pm_card_authenticationRequiredOnSetup",),
        on_session=True,
        off_session="unless_set_up",
    ),
    Card(
        number="4000003800000446",
        label="asks for 3-D Secure on session, never off session",
        tokens=("pm_card_authenticationRequiredSetupForOffSession",),
        on_session=True,
    ),
    Card(
        number="4000008400001629",
        label="asks for 3-D Secure, then is declined",
        tokens=("pm_card_threeDSecureRequiredChargeDeclined",),
        decline=GENERIC,
        attaches=True,
        on_session=True,
        off_session="always",
    ),
    Card(
        number="4000000000000259",
        label="is charged and then disputed as fraudulent",
        tokens=("pm_card_createDispute",),
        dispute_reason="fraudulent",
    ),
    Card(
        number="4000000000002685",
        label="is charged and then disputed as not received",
        tokens=("pm_card_createDisputeProductNotReceived",),
        dispute_reason="product_not_received",
    ),
    Card(
        number="4000000000001976",
        label="is charged and then inquired about",
        tokens=("pm_card_createDisputeInquiry",),
        dispute_reason="fraudulent",
        inquiry=True,
    ),
    Card(
        number="4000000000005423",
        label="is charged and then reported by an early fraud warning",
        tokens=("pm_card_createIssuerFraudRecord",),
        fraud_warning=True,
    ),
    Card(
        number="4000000000005126",
        label="is charged, and its refunds fail later",
        tokens=("pm_card_refundFail",),
        refund="fails",
    ),
    Card(
        number="4000000000007726",
        label="is charged, and its refunds stay pending for a while",
        tokens=("pm_card_pendingRefund",),
        refund="pending",
    ),
)
BY_NUMBER = {card.number: card for card in CARDS}
BY_TOKEN = {token: card for card in CARDS for token in card.tokens}
