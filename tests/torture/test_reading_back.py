"""What reads back after a kill can fail: a database that has lost an acknowledged write, or did one twice, is refused.

The lost write is a real one: the database is read as of the moment before it, which is what a lost commit leaves behind.
"""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from billing.v1 import ledger_service_pb2
from wallet.v1 import wallet_service_pb2

from tests.simulation.books import Broken
from tests.simulation.edits import edited
from tests.torture import spending
from tests.torture.breakages import BREAKAGES
from tests.torture.broken import SERVED_HERE
from tests.torture.calling import Client
from tests.torture.installation import Programs
from tests.torture.journal import Journal
from tests.torture.load import top_up
from tests.torture.opening import fill
from tests.torture.payer import GOOD, Stripe
from tests.torture.reading_back import ReadingBack, find
from tests.torture.scene import Caller, Scene
from tests.torture.settling import Arrivals, reconcile, settle

SEED = 1
TRIES_MAX = 100

LOST: dict[str, tuple[Callable[[Caller], None], str]] = {
    "deposit": (spending.deposit, "deposits: "),
    "purchase": (spending.buy, "purchases: "),
    "refund": (spending.take_back, "taken back: "),
    "hold": (spending.hold, "held: "),
    "capture": (spending.capture, "captures: "),
    "release": (spending.release, "held: "),
    "usage event": (spending.use_one, "exact cost: "),
    "usage batch": (spending.use_batch, "exact cost: "),
    "top-up": (top_up, "acknowledged and not there: "),
    "limit": (spending.set_limit, "a limit of "),
}
"""What a client does, by the kind of its write, and how its loss is found."""


class Played:
    """One client of a running service, and what reads back."""

    def __init__(self, scene: Scene, client: Client, reading: ReadingBack) -> None:
        self.scene, self.client, self.reading = scene, client, reading
        self.caller = Caller(0, scene, client)

    def do(self, kind: str) -> None:
        """Act until one write of the kind is acknowledged."""
        acknowledged = self.scene.journal.acknowledged
        before = acknowledged[kind]
        for _ in range(TRIES_MAX):
            LOST[kind][0](self.caller)
            if acknowledged[kind] > before:
                return
        raise AssertionError(f"no {kind} was acknowledged: {self.scene.journal.refusals}")


@pytest.fixture
async def played(database_url: str, tmp_path: Path) -> AsyncIterator[Played]:
    """Without a worker: nothing happens that the client does not do."""
    async with AsyncExitStack() as stack:
        programs = Programs(tmp_path, database_url, broken="")
        stack.callback(programs.close)
        operator_key, tenants = await fill(database_url, programs.stripe_url)
        journal, stripe = Journal(tmp_path / "journal.jsonl"), Stripe(programs.stripe_url)
        stack.callback(journal.close)
        stack.callback(stripe.close)
        scene = Scene(SEED, programs.target, operator_key, tenants, journal, stripe)
        programs.api.start()
        programs.wait_until_ready(programs.api)
        scene.outages.end()
        yield Played(scene, stack.enter_context(scene.client()), ReadingBack(scene, database_url))


async def test_each_kind_of_write_is_missed_and_none_may_be_there_twice(played: Played):
    reading, journal = played.reading, played.scene.journal
    for _ in range(12):
        played.do("deposit")
    for kind, (_, found_as) in LOST.items():
        async with reading.moment() as before:
            fresh = journal.take_fresh()
            played.do(kind)
            fresh += journal.take_fresh()
            with pytest.raises(Broken, match=found_as):
                await reading.check_stored(before, fresh)
            if kind not in ("release", "limit"):
                with pytest.raises(Broken, match=f"acknowledged and not there: .*{fresh[-1].key}"):
                    await find(before, fresh)
            if kind == "deposit":
                with pytest.raises(Broken, match="is shown"):
                    await reading.check_shown(before, played.client)
            # What had been read back once may be lost later.
            await reading.check(played.client)
            if kind not in ("top-up", "limit"):
                with pytest.raises(Broken, match="head of the book"):
                    await reading.check_stored(before, [])
    await money_that_stripe_has_and_nobody_is_credited(played)
    await what_is_done_twice(played)


async def money_that_stripe_has_and_nobody_is_credited(played: Played) -> None:
    stripe, reading = played.scene.stripe, played.reading
    [(intent, tenant)] = [(intent, tenant) for tenant in played.scene.tenants for intent in tenant.topups.values()]
    if stripe.intent(intent)["status"] != "succeeded":
        assert stripe.pay(intent, GOOD)
    amount = stripe.intent(intent)["amount_received"]
    [book] = [book for book in reading.books if book.wallet == tenant.customer.wallet]
    async with reading.connection() as conn:
        with pytest.raises(Broken, match=f"not settled after 0 s: .*{intent}"):
            await settle(conn, stripe, seconds_max=0)
        with pytest.raises(Broken, match=f"arrived and not credited: .*{intent}"):
            await reconcile(conn, stripe, reading.books, tenant.topups)
        other = dict.fromkeys(tenant.topups, "pi_of_another")
        with pytest.raises(Broken, match="clients were told of other payments"):
            await reconcile(conn, stripe, reading.books, other)
    book.arrived["stripe", intent] = amount
    Arrivals(stripe).check(reading.books)
    book.arrived["stripe", intent] += amount
    with pytest.raises(Broken, match=f"{2 * amount} were credited for {intent}, {amount} have arrived"):
        Arrivals(stripe).check(reading.books)


async def what_is_done_twice(played: Played) -> None:
    """By a key that no client has: what a retry would do whose key had been forgotten."""
    tenant, operator_key = played.scene.tenants[0], played.scene.operator_key
    topup = wallet_service_pb2.CreateStripeTopUpIntentRequest(
        wallet_name=tenant.wallet, amount_minor=500, idempotency_key="again"
    )
    played.client.call(f"{spending.WALLET}/CreateStripeTopUpIntent", topup, tenant.api_key)
    with pytest.raises(Broken, match="top-up: 2 in the database, 1 were acknowledged"):
        await played.reading.check(played.client)
    deposit = ledger_service_pb2.DepositRequest(wallet_name=tenant.wallet, amount_minor=1, request_id="again")
    played.client.call(f"{spending.LEDGER}/Deposit", deposit, operator_key)
    with pytest.raises(Broken, match=re.escape(f"deposits: {tenant.customer.deposited + 1} in the ledger")):
        await played.reading.check(played.client)


@pytest.mark.parametrize("name", BREAKAGES)
def test_a_breakage_still_fits_the_code(name: str):
    breakage = BREAKAGES[name]
    assert breakage.edits or breakage.postgres
    with edited([*breakage.edits, SERVED_HERE]):
        pass
