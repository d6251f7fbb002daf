"""Generated sequences of requests, in generated batches, against a model that does the sums one request at a time."""

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ledger.accounts import AccountKind, chart_account_id, holds_account_id
from ledger.chain import entry_hash, genesis
from ledger.ids import new_id, unix_us
from ledger.model import (
    Accrue,
    CaptureHold,
    Draw,
    Duplicate,
    ExceedsRemaining,
    ExpireHold,
    HoldNotDue,
    HoldNotOpen,
    HoldState,
    InsufficientFunds,
    OpenHold,
    Outcome,
    Posted,
    ReleaseHold,
    Request,
    ReusedKey,
    Reversal,
    Transfer,
)
from tests.ledger.pure import START, PureLedger

AMOUNTS = st.integers(1, 500)
WALLETS = st.integers(0, 1)
EXACT = st.decimals("-99", "99", places=3, allow_nan=False)


@dataclass
class ModelHold:
    wallet: int
    remaining: int
    captured: int = 0
    due: bool = False


@dataclass
class Model:
    """Two wallets as plain numbers."""

    available: list[int] = field(default_factory=lambda: [0, 0])
    exact: list[Decimal] = field(default_factory=lambda: [Decimal(0), Decimal(0)])
    accrued: list[int] = field(default_factory=lambda: [0, 0])


class LedgerMachine(RuleBasedStateMachine):
    """Requests gather in `pending` and are posted as one batch at a time that Hypothesis chooses."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = PureLedger()
        self.org = new_id(START)
        self.wallets = [self.ledger.open_wallet(self.org) for _ in range(2)]
        self.revenue = chart_account_id(self.org, "USD", AccountKind.REVENUE)
        self.clearing = chart_account_id(self.org, "USD", AccountKind.PROVIDER_CLEARING)
        self.model = Model()
        self.pending: list[Request] = []
        self.done: dict[str, tuple[Request, Posted]] = {}
        self.holds: dict[str, ModelHold] = {}
        self.left: dict[str, int] = {}
        self.key_count = 0

    def key(self) -> str:
        self.key_count += 1
        return f"k{self.key_count}"

    @rule(wallet=WALLETS, amount=AMOUNTS)
    def credit(self, wallet: int, amount: int) -> None:
        self.add(self.clearing, self.wallets[wallet], amount)

    @rule(wallet=WALLETS, amount=AMOUNTS)
    def debit(self, wallet: int, amount: int) -> None:
        self.add(self.wallets[wallet], self.revenue, amount)

    @rule(wallet=WALLETS, amount=AMOUNTS)
    def move(self, wallet: int, amount: int) -> None:
        self.add(self.wallets[wallet], self.wallets[1 - wallet], amount)

    def add(self, debit: object, credit: object, amount: int) -> None:
        self.pending.append(
            Transfer(
                org_id=self.org,
                key=self.key(),
                debit_account=debit,  # type: ignore[arg-type]
                credit_account=credit,  # type: ignore[arg-type]
                amount_minor=amount,
            )
        )

    @rule(first=WALLETS, amount=AMOUNTS, partial=st.booleans())
    def draw(self, first: int, amount: int, partial: bool) -> None:
        sources = (self.wallets[first], self.wallets[1 - first])
        self.pending.append(
            Draw(
                org_id=self.org,
                key=self.key(),
                sources=sources,
                destination=self.revenue,
                amount_minor=amount,
                partial=partial,
            )
        )

    @rule(wallet=WALLETS, exact=EXACT)
    def accrue(self, wallet: int, exact: Decimal) -> None:
        self.pending.append(
            Accrue(
                org_id=self.org,
                key=self.key(),
                wallet=self.wallets[wallet],
                revenue_account=self.revenue,
                exact_minor=exact,
            )
        )

    @rule(wallet=WALLETS, amount=AMOUNTS, seconds=st.none() | st.integers(1, 20))
    def hold(self, wallet: int, amount: int, seconds: int | None) -> None:
        expires_at = None if seconds is None else self.ledger.now + timedelta(seconds=seconds)
        self.pending.append(
            OpenHold(
                org_id=self.org,
                key=self.key(),
                wallet=self.wallets[wallet],
                amount_minor=amount,
                expires_at=expires_at,
            )
        )

    @rule(data=st.data(), amount=st.none() | AMOUNTS, rest=st.booleans())
    def end_hold(self, data: st.DataObject, amount: int | None, rest: bool) -> None:
        if not self.holds:
            return
        name = data.draw(st.sampled_from(sorted(self.holds)))
        hold_id = self.done[name][1].hold_id
        assert hold_id is not None
        key = self.key()
        steps: list[Request] = [
            CaptureHold(
                org_id=self.org,
                key=key,
                hold_id=hold_id,
                credit_account=self.revenue,
                amount_minor=amount,
                release_rest=rest,
            ),
            ReleaseHold(org_id=self.org, key=key, hold_id=hold_id),
            ExpireHold(org_id=self.org, key=key, hold_id=hold_id),
        ]
        self.pending.append(data.draw(st.sampled_from(steps)))

    @rule(data=st.data(), amount=st.none() | AMOUNTS)
    def reverse(self, data: st.DataObject, amount: int | None) -> None:
        names = sorted(name for name, left in self.left.items() if left >= 0)
        if not names:
            return
        original = self.done[data.draw(st.sampled_from(names))][1].entry_id
        assert original is not None
        self.pending.append(Reversal(org_id=self.org, key=self.key(), original_entry_id=original, amount_minor=amount))

    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """A key again: one that was posted, or one that waits in the same batch."""
        requests = [request for request, _ in self.done.values()] + self.pending
        if requests:
            self.pending.append(data.draw(st.sampled_from(requests)))

    @rule(seconds=st.integers(1, 15))
    def wait(self, seconds: int) -> None:
        self.post()
        self.ledger.wait(seconds)

    @rule()
    def post(self) -> None:
        pending, self.pending = self.pending, []
        for request, outcome in zip(pending, self.ledger.post(*pending), strict=True):
            expected = self.expect(request, outcome)
            assert isinstance(outcome, expected), (request, outcome)

    def expect(self, request: Request, outcome: Outcome) -> type | tuple[type, ...]:
        """What the model says of a request; it also does the sums."""
        known = self.done.get(request.key)
        if known is not None:
            return Duplicate if known[0] == request else ReusedKey
        expected = self.apply(request, outcome)
        if expected is Posted:
            assert isinstance(outcome, Posted), (request, outcome)
            self.done[request.key] = (request, outcome)
        return expected

    def apply(self, request: Request, outcome: Outcome) -> type:
        match request:
            case Transfer():
                return self.apply_transfer(request)
            case Draw():
                return self.apply_draw(request)
            case Accrue():
                wallet = self.wallets.index(request.wallet)
                self.model.exact[wallet] += request.exact_minor
                return Posted
            case OpenHold():
                wallet = self.wallets.index(request.wallet)
                if self.available(wallet) < request.amount_minor:
                    return InsufficientFunds
                self.model.available[wallet] -= request.amount_minor
                self.holds[request.key] = ModelHold(wallet, request.amount_minor)
                return Posted
            case Reversal():
                return self.apply_reversal(request)
            case _:
                return self.apply_hold_end(request)

    def available(self, wallet: int) -> int:
        return self.model.available[wallet] - int(self.model.exact[wallet] // 1) + self.floor_fix(wallet)

    def floor_fix(self, wallet: int) -> int:
        """Decimal // truncates; the ledger floors."""
        exact = self.model.exact[wallet]
        return 1 if exact < 0 and exact % 1 != 0 else 0

    def apply_transfer(self, request: Transfer) -> type:
        if request.debit_account in self.wallets:
            wallet = self.wallets.index(request.debit_account)
            if self.available(wallet) < request.amount_minor:
                return InsufficientFunds
            self.model.available[wallet] -= request.amount_minor
        if request.credit_account in self.wallets:
            self.model.available[self.wallets.index(request.credit_account)] += request.amount_minor
        self.left[request.key] = request.amount_minor
        return Posted

    def apply_draw(self, request: Draw) -> type:
        order = [self.wallets.index(source) for source in request.sources]
        total = sum(max(self.available(wallet), 0) for wallet in order)
        if total == 0 or (total < request.amount_minor and not request.partial):
            return InsufficientFunds
        wanted = min(total, request.amount_minor)
        for wallet in order:
            part = min(wanted, max(self.available(wallet), 0))
            self.model.available[wallet] -= part
            wanted -= part
        return Posted

    def apply_reversal(self, request: Reversal) -> type:
        name = next(k for k, (_, p) in self.done.items() if p.entry_id == request.original_entry_id)
        original = self.done[name][0]
        assert isinstance(original, Transfer)
        amount = self.left[name] if request.amount_minor is None else request.amount_minor
        if amount == 0 or amount > self.left[name]:
            return ExceedsRemaining
        if original.credit_account in self.wallets:
            wallet = self.wallets.index(original.credit_account)
            if self.available(wallet) < amount:
                return InsufficientFunds
            self.model.available[wallet] -= amount
        if original.debit_account in self.wallets:
            self.model.available[self.wallets.index(original.debit_account)] += amount
        self.left[name] -= amount
        return Posted

    def apply_hold_end(self, request: Request) -> type:
        assert isinstance(request, CaptureHold | ReleaseHold | ExpireHold)
        name = next(k for k, (r, p) in self.done.items() if p.hold_id == request.hold_id and isinstance(r, OpenHold))
        opened = self.done[name][0]
        assert isinstance(opened, OpenHold)
        hold = self.holds[name]
        due = opened.expires_at is not None and opened.expires_at <= self.ledger.now
        if hold.remaining == 0:
            return HoldNotOpen
        if isinstance(request, ExpireHold) and not due:
            return HoldNotDue
        if isinstance(request, CaptureHold):
            if due:
                return HoldNotOpen
            amount = hold.remaining if request.amount_minor is None else request.amount_minor
            if amount > hold.remaining:
                return ExceedsRemaining
            hold.remaining -= amount
            hold.captured += amount
            if not request.release_rest:
                return Posted
        self.model.available[hold.wallet] += hold.remaining
        hold.remaining = 0
        return Posted

    @invariant()
    def wallets_agree_with_the_model(self) -> None:
        if self.pending:
            return
        for number, wallet_id in enumerate(self.wallets):
            wallet = self.ledger.wallets[wallet_id]
            held = sum(hold.remaining for hold in self.holds.values() if hold.wallet == number)
            assert wallet.available_minor == self.available(number) == self.ledger.balance(wallet_id)
            assert wallet.held_minor == held == self.ledger.balance(holds_account_id(wallet_id))
            assert wallet.carry == self.model.exact[number] % 1 + self.floor_fix(number)
            assert self.ledger.accrued[wallet_id] == self.model.exact[number]

    @invariant()
    def holds_agree_with_the_model(self) -> None:
        for name, hold in self.holds.items():
            hold_id = self.done[name][1].hold_id
            assert hold_id is not None
            row = self.ledger.holds[hold_id]
            assert (row.remaining_minor, row.captured_minor) == (hold.remaining, hold.captured)
            assert (row.state is HoldState.OPEN) == (hold.remaining > 0)
            assert (row.state is HoldState.CAPTURED) == (hold.remaining == 0 and hold.captured > 0)

    @invariant()
    def journal_is_numbered_and_chained(self) -> None:
        current = genesis(self.org)
        for number, row in enumerate(self.ledger.entries, start=1):
            assert row[1] == number
            current = entry_hash(
                current,
                entry_seq=number,
                entry_id=row[2].bytes,
                effective_us=unix_us(row[6] or START) if row[6] else (self.recorded_us(row[2].int)),
                recorded_us=self.recorded_us(row[2].int),
                reverses=None if row[7] is None else row[7].bytes,
                hold_id=None if row[8] is None else row[8].bytes,
                kind=row[3],
                currency=row[4],
                legs=[(account.bytes, amount) for account, amount in self.ledger.legs(number)],
                text=bytes(8),
            )
            assert current == row[10]
        assert self.ledger.books[self.org].chain_hash == current

    @staticmethod
    def recorded_us(entry_id: int) -> int:
        """The whole-second clock of these tests, back from an id."""
        return (entry_id >> 80) * 1000


LedgerMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestLedgerMachine = LedgerMachine.TestCase
