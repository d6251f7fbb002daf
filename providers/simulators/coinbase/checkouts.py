"""Checkouts: made, shown, listed, deactivated, paid on the page, expired.

States: ACTIVE -> PROCESSING -> COMPLETED | FAILED; ACTIVE -> EXPIRED | DEACTIVATED; refunds lead on from COMPLETED.
"""

import hashlib
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

from providers.simulators.account import Json
from providers.simulators.coinbase.errors import invalid
from providers.simulators.coinbase.fields import Fields
from providers.simulators.coinbase.world import CHECKOUTS, World, rfc3339

CENT = Decimal("0.01")
FEE_RATE = Decimal("0.01")
PAGE_SIZE = 20
PAGE_SIZE_MAX = 100
TOKEN_ADDRESS = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"
STATUSES = (
    "ACTIVE",
    "PROCESSING",
    "DEACTIVATED",
    "EXPIRED",
    "COMPLETED",
    "FAILED",
    "REFUNDED",
    "PARTIALLY_REFUNDED",
)


def create(world: World, fields: Fields, path: Json) -> Json:
    amount = fields.amount("amount")
    if fields.text("currency") != "USDC":
        raise invalid("currency must be USDC: this simulator has no exchange rates.")
    network = fields.choice("network", "base") or "base"
    optional = {
        "description": fields.text("description"),
        "metadata": fields.metadata(),
        "successRedirectUrl": fields.https_url("successRedirectUrl"),
        "failRedirectUrl": fields.https_url("failRedirectUrl"),
    }
    now = world.clock()
    expires_at = fields.time("expiresAt") or now + timedelta(seconds=world.settings.expires_after)
    fields.finish()
    if expires_at <= now:
        raise invalid("expiresAt must be in the future.")
    checkout_id = world.ids(CHECKOUTS)
    checkout: Json = {
        "id": checkout_id,
        "amount": f"{amount.quantize(CENT)}",
        "currency": "USDC",
        "network": network,
        "address": f"0x{_digits('address', checkout_id)[:40]}",
        "tokenAddress": TOKEN_ADDRESS,
        "status": "ACTIVE",
        "expiresAt": rfc3339(expires_at),
        "createdAt": world.time(),
        "updatedAt": world.time(),
        **{name: value for name, value in optional.items() if value is not None},
    }
    world.tables[CHECKOUTS][checkout_id] = checkout
    world.facts[checkout_id] = {
        "link": f"pl_{world.ids('link')}",
        "expires": int(expires_at.timestamp()),
        "refunds": "complete",
    }
    world.wake()
    return world.shown(checkout)


def get(world: World, fields: Fields, path: Json) -> Json:
    fields.finish()
    return world.shown(world.checkout(path["id"]))


def listing(world: World, fields: Fields, path: Json) -> Json:
    """Newest first; the documentation does not say in which order. A page token is the id of the last row."""
    size, after = fields.text("pageSize") or str(PAGE_SIZE), fields.text("pageToken")
    start, end, statuses = fields.time("startTime"), fields.time("endTime"), fields.texts("status")
    fields.finish()
    if not size.isdecimal() or not 1 <= int(size) <= PAGE_SIZE_MAX:
        raise invalid(f"pageSize must be from 1 to {PAGE_SIZE_MAX}.")
    if not set(statuses) <= set(STATUSES):
        raise invalid(f"status must be among {', '.join(STATUSES)}.")
    rows = [
        row
        for row in world.newest_first(CHECKOUTS)
        if (start is None or row["createdAt"] >= rfc3339(start))
        and (end is None or row["createdAt"] <= rfc3339(end))
        and (not statuses or row["status"] in statuses)
    ]
    if after is not None:
        ids = [row["id"] for row in rows]
        if after not in ids:
            raise invalid("pageToken is not from this list.")
        rows = rows[ids.index(after) + 1 :]
    page, more = rows[: int(size)], len(rows) > int(size)
    answer: Json = {"checkouts": [world.shown(row) for row in page]}
    return {**answer, "nextPageToken": page[-1]["id"]} if more else answer


def deactivate(world: World, fields: Fields, path: Json) -> Json:
    fields.finish()
    checkout = world.checkout(path["id"])
    if checkout["status"] != "ACTIVE":
        raise invalid(f"Only an ACTIVE checkout can be deactivated; this one is {checkout['status']}.")
    world.change(checkout, "DEACTIVATED")
    return world.shown(checkout)


def pay(world: World, checkout: Json, *, succeeds: bool, after: int = 0) -> None:
    """The payer has sent the money, or tried to; the chain has confirmed it `after` seconds later."""
    if checkout["status"] != "ACTIVE":
        raise invalid(f"Only an ACTIVE checkout can be paid; this one is {checkout['status']}.")
    world.change(checkout, "PROCESSING")
    if after:
        world.at(world.now() + after, "confirm", checkout["id"], succeeds=succeeds)
    else:
        confirm(world, checkout["id"], succeeds=succeeds)


def confirm(world: World, checkout_id: str, *, succeeds: bool) -> None:
    """What became of a payment that was being processed."""
    checkout = world.checkout(checkout_id)
    if not succeeds:
        world.change(checkout, "FAILED")
        world.emit("checkout.payment.failed", checkout)
        return
    total = Decimal(checkout["amount"])
    fee = (total * FEE_RATE).quantize(CENT, ROUND_HALF_UP)
    checkout["transactionHash"] = f"0x{_digits('payment', checkout_id)}"
    checkout["settlement"] = {
        "totalAmount": f"{total}",
        "feeAmount": f"{fee}",
        "netAmount": f"{total - fee}",
        "currency": "USDC",
    }
    world.change(checkout, "COMPLETED")
    world.emit("checkout.payment.success", checkout)


def expire_due(world: World) -> int:
    """End the checkouts that nobody has paid in time; how many."""
    due = [row for row in _active(world) if world.facts[row["id"]]["expires"] <= world.now()]
    for checkout in due:
        expire(world, checkout)
    return len(due)


def expire(world: World, checkout: Json) -> None:
    if checkout["status"] != "ACTIVE":
        raise invalid(f"Only an ACTIVE checkout can expire; this one is {checkout['status']}.")
    world.change(checkout, "EXPIRED")
    world.emit("checkout.payment.expired", checkout)


def next_expiry(world: World) -> int | None:
    """When the next checkout expires, in Unix seconds."""
    return min((world.facts[row["id"]]["expires"] for row in _active(world)), default=None)


def _active(world: World) -> list[Json]:
    return [row for row in world.tables[CHECKOUTS].values() if row["status"] == "ACTIVE"]


def _digits(purpose: str, object_id: str) -> str:
    """64 hexadecimal digits, always the same for an object."""
    return hashlib.sha256(f"{purpose}:{object_id}".encode()).hexdigest()
