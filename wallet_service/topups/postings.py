"""The ledger requests of a top-up. Each key is made of the id of what it books, so that nothing is booked twice."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from ledger.accounts import AccountKind, chart_account_id
from ledger.model import (
    ClosedAccount,
    Draw,
    Duplicate,
    Outcome,
    Posted,
    Request,
    Reversal,
    Transfer,
)
from ledger.money import Money
from wallet_service.journal.rules import PURPOSE, Purpose
from wallet_service.topups.model import ClaimKind, TakenBack, TopUp, TopUpMethod, UnmatchedReason
from wallet_service.topups.rules import Claim

_CREDITED: Final = {
    TopUpMethod.STRIPE_CARD: "Top-up by card",
    TopUpMethod.STRIPE_ACH: "Top-up by bank transfer",
    TopUpMethod.COINBASE: "Top-up in USDC",
}
_UNMATCHED: Final = {
    UnmatchedReason.LATE: "Payment that arrived after its top-up had ended",
    UnmatchedReason.OTHER_AMOUNT: "Payment of another amount than its top-up",
    UnmatchedReason.SECOND_PAYMENT: "Second payment of a top-up",
    UnmatchedReason.WALLET_CLOSED: "Payment that arrived after its wallet was closed",
}
_TAKEN: Final = {
    ClaimKind.REFUND: "Refund of a top-up",
    ClaimKind.DISPUTE: "Disputed top-up",
}
_RETURNED: Final = {
    ClaimKind.REFUND: "Refund of a top-up failed",
    ClaimKind.DISPUTE: "Disputed top-up reinstated",
}

_PURPOSES: Final = {ClaimKind.REFUND: Purpose.REFUND, ClaimKind.DISPUTE: Purpose.DISPUTE}


class PostingRefused(Exception):
    """The ledger refused what can only be refused by a defect of ours; the transaction must roll back."""


def credit(topup: TopUp) -> Transfer:
    """The money arrives: out of the provider's clearing account, into the wallet."""
    return Transfer(
        org_id=topup.org_id,
        key=f"topup:{topup.topup_id}",
        description=_CREDITED[topup.method],
        metadata=_about(topup, Purpose.TOP_UP),
        debit_account=chart_account_id(topup.org_id, topup.currency, AccountKind.PROVIDER_CLEARING),
        credit_account=topup.account_id,
        amount_minor=topup.amount_minor,
    )


def payment_fee(topup: TopUp, fee: Money) -> Transfer:
    """What the provider keeps of a payment is our cost; the customer was credited in full."""
    return _fee(topup, fee, key=f"topup-fee:{topup.topup_id}", description="Provider's fee for a top-up")


def claim_fee(topup: TopUp, claim: Claim, change: Money) -> Transfer:
    """A change of what the provider charges for a dispute, positive or negative; once for each answer of the provider."""
    return _fee(
        topup,
        change,
        key=f"{claim.kind}-fee:{claim.reference}:{topup.revision}",
        description=f"Provider's fee for a {claim.kind}",
    )


def unmatched(
    topup: TopUp, received: Money, *, external_id: str, reason: UnmatchedReason
) -> tuple[tuple[Transfer, bool], ...]:
    """Money that is not the credit of its top-up, each attempt with whether it goes to the wallet.

    The customer paid it, so the wallet gets it; where that is closed or of another currency, it stands to the customer's
    credit in the receivable account until an operator moves it or gives it back.
    """
    clearing = chart_account_id(topup.org_id, received.currency, AccountKind.PROVIDER_CLEARING)
    to_wallet = Transfer(
        org_id=topup.org_id,
        key=f"unmatched:{topup.provider}:{external_id}",
        description=_UNMATCHED[reason],
        metadata={**_about(topup, Purpose.TOP_UP), "external_id": external_id, "unmatched": reason.value},
        debit_account=clearing,
        credit_account=topup.account_id,
        amount_minor=received.amount_minor,
    )
    receivable = chart_account_id(topup.org_id, received.currency, AccountKind.RECEIVABLE)
    to_customer = replace(to_wallet, credit_account=receivable)
    if received.currency != topup.currency:
        return ((to_customer, False),)
    return (to_wallet, True), (to_customer, False)


def unmatched_fee(topup: TopUp, fee: Money, *, external_id: str) -> Transfer:
    """What the provider keeps of such a payment."""
    key = f"unmatched-fee:{topup.provider}:{external_id}"
    return _fee(topup, fee, key=key, description="Provider's fee for a payment without a top-up")


def take(topup: TopUp, taken: TakenBack, *, turn: int) -> Sequence[Request]:
    """The provider takes the money back: from the wallet what it has available, the rest becomes the customer's debt.

    The second request is for a wallet that was closed meanwhile: then all of it is debt, or out of what the customer has to
    their credit; so it is at once in another currency than the wallet's.
    """
    receivable = chart_account_id(topup.org_id, taken.currency, AccountKind.RECEIVABLE)
    from_customer = Draw(
        org_id=topup.org_id,
        key=f"{taken.kind}:{taken.provider_reference}:{turn}",
        description=_TAKEN[taken.kind],
        metadata=_about_taken(topup, taken),
        sources=(receivable,),
        destination=chart_account_id(topup.org_id, taken.currency, AccountKind.PROVIDER_CLEARING),
        amount_minor=taken.amount_minor,
    )
    if taken.currency != topup.currency:
        return (from_customer,)
    return replace(from_customer, sources=(topup.account_id, receivable)), from_customer


def give_back(topup: TopUp, taken: TakenBack, *, turn: int) -> Sequence[Request]:
    """The money comes back: the debt first, then the wallet, exactly as it was taken.

    The second request is for a wallet that was closed meanwhile: then the customer has the amount to their credit.
    """
    assert taken.entry_id is not None, "only what was taken comes back"
    key, metadata = f"{taken.kind}:{taken.provider_reference}:{turn}", _about_taken(topup, taken)
    reversal = Reversal(
        org_id=topup.org_id,
        key=key,
        description=_RETURNED[taken.kind],
        metadata=metadata,
        original_entry_id=taken.entry_id,
    )
    transfer = Transfer(
        org_id=topup.org_id,
        key=key,
        description=_RETURNED[taken.kind],
        metadata=metadata,
        debit_account=chart_account_id(topup.org_id, taken.currency, AccountKind.PROVIDER_CLEARING),
        credit_account=chart_account_id(topup.org_id, taken.currency, AccountKind.RECEIVABLE),
        amount_minor=taken.amount_minor,
    )
    return reversal, transfer


def entry_of(outcome: Outcome) -> UUID | None:
    """The entry of an outcome, whether posted now or before; None for a closed wallet. Else raises `PostingRefused`."""
    if isinstance(outcome, Posted | Duplicate) and outcome.entry_id is not None:
        return outcome.entry_id
    if isinstance(outcome, ClosedAccount):
        return None
    raise PostingRefused(repr(outcome))


def _fee(topup: TopUp, fee: Money, *, key: str, description: str) -> Transfer:
    fees = chart_account_id(topup.org_id, fee.currency, AccountKind.FEES)
    clearing = chart_account_id(topup.org_id, fee.currency, AccountKind.PROVIDER_CLEARING)
    charged = fee.amount_minor > 0
    return Transfer(
        org_id=topup.org_id,
        key=key,
        description=description,
        metadata=_about(topup, Purpose.FEE),
        debit_account=fees if charged else clearing,
        credit_account=clearing if charged else fees,
        amount_minor=abs(fee.amount_minor),
    )


def _about(topup: TopUp, purpose: Purpose) -> dict[str, str]:
    external = {"external_id": topup.external_id} if topup.external_id else {}
    return {PURPOSE: purpose.value, "top_up": str(topup.topup_id), "provider": topup.provider, **external}


def _about_taken(topup: TopUp, taken: TakenBack) -> dict[str, str]:
    about = _about(replace(topup, external_id=taken.external_id), _PURPOSES[taken.kind])
    return {**about, taken.kind.value: taken.provider_reference}
