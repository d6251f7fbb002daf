"""Breakages of the service's own code, each of which the simulation has to find."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ledger import commands, holds, posting, working
from tests.simulation.edits import Edit
from tests.simulation.episode import SHARES
from wallet_service.events import steps as events
from wallet_service.limits import guarding
from wallet_service.rating import rules as rating
from wallet_service.recharge import rules as recharge
from wallet_service.topups import claims, postings, settlement
from wallet_service.topups import rules as topups

_LEFT_OUT: Final = frozenset({"crowd", "buy_together"})


@dataclass(frozen=True, slots=True)
class Mutation:
    """What is broken, and how the finding begins. `more`: steps that come more often, twice as often if twice in it.

    Crowds and calls about many are left out, and the customers are few: what is broken shows without them, and sooner.
    """

    edits: tuple[Edit, ...]
    found_as: str
    more: tuple[str, ...] = ()
    steps: int = 400

    @property
    def shares(self) -> Mapping[str, int]:
        return {
            kind: share * max(1, 8 * self.more.count(kind)) for kind, share in SHARES.items() if kind not in _LEFT_OUT
        }


_AGAIN: Final = ("pay_twice", "pay_twice", "refund_on_chain", "refund_on_chain")
_RECHARGING: Final = ("save_card", "recharge", "use", "watch", "work", "jump")

MUTATIONS: Final[Mapping[str, Mutation]] = {
    "rating rounds each event": Mutation(
        (
            Edit(
                rating.charge,
                "cost_minor(quantity, unit_price_minor)",
                "cost_minor(quantity, unit_price_minor).quantize(Decimal(1))",
            ),
        ),
        "Broken: .*(was rated|ck_usage_events_cost_minor)",
    ),
    "usage is rated by the newest price": Mutation(
        (Edit(rating.rate_in_force, "if rates and rates[-1].effective_at <= at:", "if rates:"),),
        "Broken: .* was rated",
    ),
    "the carry of a wallet is lost": Mutation(
        (Edit(posting._accrue, "EXACT.add(wallet.carry, exact)", "exact"),),  # pyright: ignore[reportPrivateUsage]
        "Broken: customer-.: (carry|usage)",
    ),
    "a hold asks for no money": Mutation(
        (Edit(holds.open_hold, "if available < amount:", "if False:"),),
        "Broken: (.* took the wallet from|.* were granted)",
    ),
    "a key is ignored": Mutation(
        (Edit(commands.prepare, "hash_of_key(key)", "hash_of_key(f'{key} {object()}')"),),
        "Broken: (one key has made|customer-.: (deposits|held|purchases|captures))",
    ),
    "the hash chain is not linked": Mutation(
        (
            Edit(
                working.Batch.post,
                "book.chain_hash = entry_hash(\n        book.chain_hash,",
                "book.chain_hash = entry_hash(\n        bytes(32),",
            ),
        ),
        "Broken: .* hash of entry",
    ),
    "a top-up is settled more than once": Mutation(
        (
            Edit(topups.judge, "if topup.state is not TopUpState.PENDING:", "if False:"),
            Edit(settlement.Settlement.settle, "if changed.state is TopUpState.PENDING:", "if True:"),
            Edit(postings.credit, 'f"topup:{topup.topup_id}"', 'f"topup:{topup.topup_id}:{topup.revision}"'),
        ),
        "Broken: .* were credited for",
        more=("top_up", "pay", "post", "work", "reconcile"),
    ),
    "money that comes late is not booked": Mutation(
        (Edit(topups.judge, "late = arrived and", "late = False and"),),
        "Broken: nothing was credited for checkout",
        more=("check_out", "pay_late", "jump", "reconcile"),
        steps=150,
    ),
    "a second payment is not asked for again": Mutation(
        (
            Edit(
                settlement.Settlement._unmatched,  # pyright: ignore[reportPrivateUsage]
                "replace(payment, next_check_at=next_check_at)",
                "payment",
            ),
        ),
        "Broken: away at the providers",
        more=("check_out", "pay_on_chain", "post", "work", "pay_late", "jump", *_AGAIN),
        steps=120,
    ),
    "a claim that is won is not followed": Mutation(
        (
            Edit(
                claims.Claims._follow,  # pyright: ignore[reportPrivateUsage]
                "if claim.is_away != taken.is_away:",
                "if claim.is_away and not taken.is_away:",
            ),
        ),
        "Broken: away at the providers",
        more=("top_up", "post", "work", "dispute", "dispute", "dispute"),
        steps=200,
    ),
    "the limit is checked outside of the transaction": Mutation(
        (
            Edit(
                guarding.SpendGuard.post,
                "return await self._db.transact(lambda conn: self._post_checked(conn, request))",
                "await self._db.read(lambda conn: self._check(conn, standing, request))\n"
                "        return await self._ledger.post(request)",
            ),
        ),
        "Broken: (.* holds of .* were granted|refused without cause)",
        more=("limit", "hold_at_once", "deposit"),
    ),
    "a recharge does not look for the one in flight": Mutation(
        (
            Edit(recharge.decide, "if standing.is_open:", "if False:"),
            Edit(recharge.decide, "if standing.last_attempt_at is not None and", "if False and"),
            Edit(recharge.decide, "if standing.available_minor + standing.pending_minor >=", "if False and 0 >="),
        ),
        "Broken: (the watch stands still|.* recharges at)",
        more=_RECHARGING,
    ),
    "a recharge forgets what the day has charged": Mutation(
        (
            Edit(recharge._sized, "terms.daily_cap_minor - standing.day.total_minor", "terms.daily_cap_minor"),  # pyright: ignore[reportPrivateUsage]
        ),
        "Broken: .* recharges of .* in 1 day",
        more=_RECHARGING,
        steps=900,
    ),
    "an event skips a number": Mutation(
        (Edit(events.append, "seq=first + index,", "seq=first + index + 1,"),),
        "Broken: .* (numbers of events|head of the events)",
    ),
}
