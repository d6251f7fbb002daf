"""A small language for tables of steps and outcomes: a line is a step, `->` and the outcome it must have.

    topup k1 1000              -> posted 1000 | wallet 1000 0
    hold k2 wallet 200         -> posted 200 | wallet 800 200

After `|` stand the available and held amounts of a wallet. Keys name what they made: a hold opened with key k2 is hold
k2, an entry posted with key k1 is entry k1. Accounts: wallet, second (another wallet), euro (a wallet in EUR), foreign
(of another organization), holds (beside wallet), revenue, clearing, fees, receivable, adjustments, euro_revenue, nothing.
"""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from ledger.accounts import AccountKind, chart_account_id, holds_account_id
from ledger.ids import new_id
from ledger.model import (
    Accrue,
    CaptureHold,
    ClosedAccount,
    CurrencyMismatch,
    Draw,
    Duplicate,
    Entry,
    ExceedsRemaining,
    ExpireHold,
    ExtendHold,
    HoldNotDue,
    HoldNotOpen,
    InsufficientFunds,
    Leg,
    NotReversible,
    OpenHold,
    Outcome,
    Posted,
    ReleaseHold,
    Request,
    ReusedKey,
    Reversal,
    Transfer,
    UnknownAccount,
    UnknownEntry,
    UnknownHold,
    UnpostableAccount,
)
from tests.ledger.pure import START, PureLedger


class Script:
    """Runs a table line by line, each line a batch of its own or all lines as one batch."""

    def __init__(self) -> None:
        self.ledger = PureLedger()
        self.org_id = new_id(START)
        other = new_id(START)
        wallet = self.ledger.open_wallet(self.org_id)
        self.accounts: dict[str, UUID] = {
            "wallet": wallet,
            "second": self.ledger.open_wallet(self.org_id),
            "euro": self.ledger.open_wallet(self.org_id, "EUR"),
            "foreign": self.ledger.open_wallet(other),
            "holds": holds_account_id(wallet),
            "revenue": chart_account_id(self.org_id, "USD", AccountKind.REVENUE),
            "clearing": chart_account_id(self.org_id, "USD", AccountKind.PROVIDER_CLEARING),
            "fees": chart_account_id(self.org_id, "USD", AccountKind.FEES),
            "receivable": chart_account_id(self.org_id, "USD", AccountKind.RECEIVABLE),
            "adjustments": chart_account_id(self.org_id, "USD", AccountKind.ADJUSTMENTS),
            "euro_revenue": chart_account_id(self.org_id, "EUR", AccountKind.REVENUE),
            "nothing": new_id(START),
        }
        self.names = {account_id: name for name, account_id in self.accounts.items()}
        self.posted: dict[str, Posted] = {}

    def run(self, table: str) -> None:
        """Every line of the table must have the outcome that it says."""
        for line in table.strip().splitlines():
            step, _, expected = (part.strip() for part in line.partition("->"))
            got = self.step(step, expected)
            assert got == expected, f"{step} -> {got}, not {expected}"

    def step(self, step: str, expected: str) -> str:
        """Run one step; its outcome, in words, with the balances that `expected` asks for."""
        verb, *words = step.split()
        if verb == "wait":
            self.ledger.wait(int(words[0]))
            return "done"
        if verb == "close":
            self.ledger.close_wallet(self.accounts[words[0]])
            return "done"
        outcome = self.ledger.post(self.request(step))[0]
        if isinstance(outcome, Posted):
            self.posted.setdefault(words[0], outcome)
        text = self.words(outcome)
        for wanted in expected.split("|")[1:]:
            name = wanted.split()[0]
            wallet = self.ledger.wallets[self.accounts[name]]
            text += f" | {name} {wallet.available_minor} {wallet.held_minor}"
        return text

    def request(self, step: str) -> Request:
        """The request that a step stands for."""
        verb, key, *words = step.split()
        org_id, accounts = self.org_id, self.accounts
        match verb, words:
            case "topup", [amount]:
                return Transfer(
                    org_id=org_id,
                    key=key,
                    debit_account=accounts["clearing"],
                    credit_account=accounts["wallet"],
                    amount_minor=int(amount),
                )
            case "transfer", [debit, credit, amount, *rest]:
                return Transfer(
                    org_id=org_id,
                    key=key,
                    debit_account=accounts[debit],
                    credit_account=accounts[credit],
                    amount_minor=int(amount),
                    description=" ".join(rest),
                )
            case "entry", legs:
                pairs = [leg.split(":") for leg in legs]
                return Entry(org_id=org_id, key=key, legs=tuple(Leg(accounts[a], int(m)) for a, m in pairs))
            case "draw", [sources, destination, amount, *partial]:
                return Draw(
                    org_id=org_id,
                    key=key,
                    sources=tuple(accounts[name] for name in sources.split(",")),
                    destination=accounts[destination],
                    amount_minor=int(amount),
                    partial=partial == ["partial"],
                )
            case "accrue", [wallet, exact]:
                return Accrue(
                    org_id=org_id,
                    key=key,
                    wallet=accounts[wallet],
                    revenue_account=accounts["revenue"],
                    exact_minor=Decimal(exact),
                )
            case "reverse", [original, *rest]:
                amount = next((int(word) for word in rest if word.isdigit()), None)
                shortfall = next((accounts[word] for word in rest if word in accounts), None)
                return Reversal(
                    org_id=org_id,
                    key=key,
                    original_entry_id=self._entry(original),
                    amount_minor=amount,
                    shortfall_account=shortfall,
                )
            case _:
                return self._hold_request(verb, key, words)

    def _hold_request(self, verb: str, key: str, words: list[str]) -> Request:
        org_id = self.org_id
        match verb, words:
            case "hold", [wallet, amount, *expires]:
                at = START + timedelta(seconds=int(expires[0])) if expires else None
                return OpenHold(
                    org_id=org_id, key=key, wallet=self.accounts[wallet], amount_minor=int(amount), expires_at=at
                )
            case "extend", [hold, *expires]:
                at = START + timedelta(seconds=int(expires[0])) if expires else None
                return ExtendHold(org_id=org_id, key=key, hold_id=self._hold(hold), expires_at=at)
            case "capture", [hold, credit, amount, *keep]:
                return CaptureHold(
                    org_id=org_id,
                    key=key,
                    hold_id=self._hold(hold),
                    credit_account=self.accounts[credit],
                    amount_minor=None if amount == "all" else int(amount),
                    release_rest=keep != ["keep"],
                )
            case "release", [hold]:
                return ReleaseHold(org_id=org_id, key=key, hold_id=self._hold(hold))
            case "expire", [hold]:
                return ExpireHold(org_id=org_id, key=key, hold_id=self._hold(hold))
            case _:
                raise ValueError(f"no such step: {verb} {words}")

    def _entry(self, key: str) -> UUID:
        entry_id = self.posted[key].entry_id if key in self.posted else self.accounts["nothing"]
        assert entry_id is not None
        return entry_id

    def _hold(self, key: str) -> UUID:
        hold_id = self.posted[key].hold_id if key in self.posted else self.accounts["nothing"]
        assert hold_id is not None
        return hold_id

    def words(self, outcome: Outcome) -> str:
        """An outcome as the tables write it."""
        match outcome:
            case Posted():
                taken = f" from {outcome.taken_minor}" if outcome.taken_minor else ""
                return f"posted {outcome.amount_minor}{taken}"
            case Duplicate():
                first = [
                    key
                    for key, posted in self.posted.items()
                    if (posted.entry_id, posted.hold_id) == (outcome.entry_id, outcome.hold_id)
                ]
                return f"duplicate of {first[0]}"
            case InsufficientFunds():
                return f"insufficient {self.names[outcome.account_id]} {outcome.available_minor}"
            case ExceedsRemaining():
                return f"exceeds {outcome.remaining_minor}"
            case UnknownAccount() | UnpostableAccount() | CurrencyMismatch() | ClosedAccount():
                return f"{_OF_ACCOUNT[type(outcome)]} {self.names[outcome.account_id]}"
            case HoldNotOpen():
                return f"not open: {outcome.state}"
            case _:
                return _PLAIN[type(outcome)]


_OF_ACCOUNT: Mapping[type, str] = {
    UnknownAccount: "unknown account",
    UnpostableAccount: "unpostable",
    CurrencyMismatch: "other currency",
    ClosedAccount: "closed",
}
_PLAIN: Mapping[type, str] = {
    ReusedKey: "reused",
    UnknownHold: "unknown hold",
    HoldNotDue: "not due",
    UnknownEntry: "unknown entry",
    NotReversible: "not reversible",
}
