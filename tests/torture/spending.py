"""What a client does with money that is there: usage, deposits, holds, purchases, corrections, limits."""

from fractions import Fraction
from typing import Final
from uuid import UUID

from billing.v1 import ledger_service_pb2, usage_service_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from wallet.v1 import journal_pb2, operator_messages_pb2, spending_pb2

from tests.simulation.books import Broken
from tests.simulation.model import Hold, Movement
from tests.simulation.prices import CPU, EGRESS, cost
from tests.torture.journal import Tenant
from tests.torture.scene import Caller
from wallet_service.clock import ALL_TIME

LEDGER: Final = "billing.v1.LedgerService"
USAGE: Final = "billing.v1.UsageService"
WALLET: Final = "wallet.v1.WalletService"

_NEVER: Final = ALL_TIME[1]
_NO_MONEY: Final = frozenset({"INSUFFICIENT_FUNDS"})
_LIMIT: Final = frozenset({"SPENDING_LIMIT_EXCEEDED"})
_BATCH_MAX: Final = 40
_HOLD_SECONDS: Final = 30 * 86_400
_RECORDED: Final = frozenset(
    {usage_service_pb2.USAGE_EVENT_STATUS_RECORDED, usage_service_pb2.USAGE_EVENT_STATUS_DUPLICATE}
)


def id_of(name: str) -> UUID:
    """What a resource's name ends in."""
    return UUID(name.rpartition("/")[2])


def use_batch(caller: Caller) -> None:
    """Many events of usage in one call, which are recorded together."""
    tenant, key = caller.some_tenant(), caller.key()
    events = [
        usage_service_pb2.UsageEventInput(
            project_name=tenant.project,
            meter=caller.chance.choice((CPU, EGRESS)),
            quantity=_quantity(caller),
            idempotency_key=f"{key}-{number}",
        )
        for number in range(caller.chance.randrange(1, _BATCH_MAX))
    ]
    request = usage_service_pb2.RecordUsageEventsRequest(organization_name=tenant.name, events=events)
    answer = caller.must_write("usage batch", tenant, f"{USAGE}/RecordUsageEvents", request, key)
    total = Fraction(0)
    for event, result in zip(events, answer.results, strict=True):
        due = _cost(event.meter, event.quantity)
        if result.status not in _RECORDED or Fraction(result.cost_minor_decimal) != due:
            raise Broken(f"{event} was answered {result}, and costs {due}")
        total += due
    _used(tenant, total, len(events))


def use_one(caller: Caller) -> None:
    """One event of usage."""
    tenant, key = caller.some_tenant(), caller.key()
    meter, quantity = caller.chance.choice((CPU, EGRESS)), _quantity(caller)
    request = operator_messages_pb2.RecordUsageEventRequest(
        project_name=tenant.project, meter=meter, quantity=quantity, idempotency_key=key
    )
    caller.must_write("usage event", tenant, f"{USAGE}/RecordUsageEvent", request, key)
    _used(tenant, _cost(meter, quantity), 1)


def deposit(caller: Caller) -> None:
    tenant, key = caller.some_tenant(), caller.key()
    if tenant.is_recharged:
        return
    amount = caller.chance.randrange(100, 9_000)
    request = ledger_service_pb2.DepositRequest(wallet_name=tenant.wallet, amount_minor=amount, request_id=key)
    answer = caller.must_write("deposit", tenant, f"{LEDGER}/Deposit", request, key)
    with tenant.lock:
        tenant.customer.deposited += amount
        tenant.customer.movements.append(Movement(id_of(answer.journal_entry.name), amount, amount))


def buy(caller: Caller) -> None:
    """A prepaid debit."""
    tenant, key, amount = caller.some_tenant(), caller.key(), caller.chance.randrange(1, 2_000)
    request = operator_messages_pb2.RecordJournalEntryRequest(
        wallet_name=tenant.wallet,
        idempotency_key=key,
        postings=[
            journal_pb2.LedgerPosting(
                account_code="CUSTOMER_PREPAY_LIABILITY",
                amount_minor=amount,
                direction=journal_pb2.POSTING_DIRECTION_DEBIT,
            ),
            journal_pb2.LedgerPosting(
                account_code="USAGE_REVENUE", amount_minor=amount, direction=journal_pb2.POSTING_DIRECTION_CREDIT
            ),
        ],
    )
    method = f"{LEDGER}/RecordJournalEntry"
    answer = caller.write("purchase", tenant, method, request, key, refusals=_NO_MONEY | _LIMIT)
    if answer is not None:
        with tenant.lock:
            tenant.customer.bought += amount
            tenant.customer.movements.append(Movement(id_of(answer.journal_entry_id), -amount, amount))


def take_back(caller: Caller) -> None:
    """A deposit or a purchase is taken back, in part or wholly."""
    tenant, key = caller.some_tenant(), caller.key()
    with tenant.lock:
        movements = tenant.customer.movements
        if not movements:
            return
        movement = movements.pop(caller.chance.randrange(len(movements)))
    amount = caller.chance.randrange(1, movement.left + 1)
    request = ledger_service_pb2.RefundRequest(
        journal_entry_name=f"{tenant.name}/journal-entries/{movement.entry_id}",
        amount_minor=amount,
        description="taken back",
        request_id=key,
    )
    answer = caller.write("refund", tenant, f"{LEDGER}/Refund", request, key, refusals=_NO_MONEY)
    taken = amount if answer is not None else 0
    with tenant.lock:
        tenant.customer.taken_back += -taken if movement.amount > 0 else taken
        if movement.left > taken:
            movements.append(Movement(movement.entry_id, movement.amount, movement.left - taken))


def hold(caller: Caller) -> None:
    tenant, key, amount = caller.some_tenant(), caller.key(), caller.chance.randrange(1, 3_000)
    expires = Timestamp()
    expires.GetCurrentTime()
    request = ledger_service_pb2.CreateHoldRequest(
        wallet_name=tenant.wallet,
        amount_minor=amount,
        expire_time=Timestamp(seconds=expires.seconds + _HOLD_SECONDS),
        request_id=key,
    )
    answer = caller.write("hold", tenant, f"{LEDGER}/CreateHold", request, key, refusals=_NO_MONEY | _LIMIT)
    if answer is not None:
        hold_id = id_of(answer.hold.name)
        with tenant.lock:
            tenant.customer.holds[hold_id] = Hold(hold_id, amount, 0, _NEVER)


def capture(caller: Caller) -> None:
    """A part of a hold or all of it; what is left stays or goes back."""
    tenant, held = _some_hold(caller)
    if held is None:
        return
    key, amount = caller.key(), caller.chance.randrange(1, held.remaining + 1)
    keeps = caller.chance.random() < 0.5
    request = ledger_service_pb2.CaptureHoldRequest(
        name=_hold_name(tenant, held), amount_minor=amount, keep_remaining=keeps, request_id=key
    )
    answer = caller.write("capture", tenant, f"{LEDGER}/CaptureHold", request, key, refusals=_LIMIT)
    with tenant.lock:
        if answer is not None:
            tenant.customer.captured += amount
            held.captured += amount
            held.remaining = held.remaining - amount if keeps else 0
        if held.remaining:
            tenant.customer.holds[held.hold_id] = held


def release(caller: Caller) -> None:
    tenant, held = _some_hold(caller)
    if held is None:
        return
    key = caller.key()
    request = ledger_service_pb2.ReleaseHoldRequest(name=_hold_name(tenant, held), request_id=key)
    caller.must_write("release", tenant, f"{LEDGER}/ReleaseHold", request, key)


def set_limit(caller: Caller) -> None:
    """A limit that is now and then too low for what is asked."""
    tenant, key, amount = caller.scene.tenants[1], caller.key(), caller.chance.choice((100, 10**9, 10**9))
    request = spending_pb2.SetSpendingLimitRequest(
        wallet_name=tenant.wallet, amount_minor=amount, duration="monthly", strategy="fixed"
    )
    with tenant.limit_lock:
        caller.must_write("limit", tenant, f"{WALLET}/SetSpendingLimit", request, key)
        tenant.limit_minor = amount
        if caller.attempt_count > 1:
            tenant.limits_open.add(amount)


def _quantity(caller: Caller) -> str:
    return f"{caller.chance.randrange(20)}.{caller.chance.randrange(1, 10**6):06}"


def _cost(meter: str, quantity: str) -> Fraction:
    return cost(meter, "USD", quantity, _NEVER, 0)


def _used(tenant: Tenant, total: Fraction, event_count: int) -> None:
    with tenant.lock:
        tenant.customer.exact += total
        tenant.event_count += event_count


def _some_hold(caller: Caller) -> tuple[Tenant, Hold | None]:
    """A hold that nobody else has in hand: it is put back by whoever leaves something of it."""
    tenant = caller.some_tenant()
    with tenant.lock:
        held = list(tenant.customer.holds)
        return tenant, tenant.customer.holds.pop(caller.chance.choice(held)) if held else None


def _hold_name(tenant: Tenant, held: Hold) -> str:
    return f"{tenant.name}/holds/{held.hold_id}"
