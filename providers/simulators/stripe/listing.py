"""Pages and expansion, the same for every kind of object."""

import copy
from collections.abc import Callable, Iterable
from typing import Any, cast

from providers.simulators.stripe.errors import Json, malformed
from providers.simulators.stripe.params import Params
from providers.simulators.stripe.world import World

PAGE_SIZE = 10
PAGE_SIZE_MAX = 100
COMPARE: dict[str, Callable[[int, int], bool]] = {
    "gt": lambda value, bound: value > bound,
    "gte": lambda value, bound: value >= bound,
    "lt": lambda value, bound: value < bound,
    "lte": lambda value, bound: value <= bound,
}
EXPANDABLE = {
    "balance_transaction": "balance_transaction",
    "charge": "charge",
    "customer": "customer",
    "default_payment_method": "payment_method",
    "failure_balance_transaction": "balance_transaction",
    "latest_charge": "charge",
    "payment_intent": "payment_intent",
    "payment_method": "payment_method",
}


def page(params: Params, rows: Iterable[Json], url: str) -> Json:
    """One page of `rows`, which come newest first. Reads limit, cursors and `created`, then finishes `params`."""
    limit = params.integer("limit") or PAGE_SIZE
    if not 1 <= limit <= PAGE_SIZE_MAX:
        raise malformed(f"Invalid limit: must be between 1 and {PAGE_SIZE_MAX}", param="limit")
    after, before = params.text("starting_after"), params.text("ending_before")
    wanted = _created_filter(params)
    params.finish()
    matching = [row for row in rows if wanted(row["created"])]
    ids = [row["id"] for row in matching]
    if after is not None:
        matching = matching[_position(ids, after, "starting_after") + 1 :]
    if before is not None:
        matching = matching[: _position(ids, before, "ending_before")][-limit:]
    return as_list(matching[:limit], url, has_more=len(matching) > limit)


def as_list(rows: list[Json], url: str, *, has_more: bool = False) -> Json:
    return {"object": "list", "data": rows, "has_more": has_more, "url": url}


def expanded(world: World, subject: Json, paths: Iterable[str]) -> Json:
    """A copy of an object with the references named by `paths` replaced by what they refer to."""
    result = copy.deepcopy(subject)
    for path in paths:
        _expand(world, result, path.split("."), path)
    return result


def _expand(world: World, node: Json, keys: list[str], path: str) -> None:
    key, rest = keys[0], keys[1:]
    if key == "data" and node.get("object") == "list":
        for row in cast(list[Json], node["data"]):
            _expand(world, row, rest, path)
        return
    if key == "refunds" and node.get("object") == "charge":
        node["refunds"] = _refunds_of(world, node["id"])
    value: Any = node.get(key)
    if not isinstance(value, dict) and (key not in EXPANDABLE or key not in node):
        raise malformed(f"This property cannot be expanded ({path}).", param="expand")
    if isinstance(value, str):
        value = node[key] = copy.deepcopy(world.get(EXPANDABLE[key], value))
    if rest and isinstance(value, dict):
        _expand(world, cast(Json, value), rest, path)


def _refunds_of(world: World, charge_id: str) -> Json:
    """Stripe shows the ten latest refunds inside a charge."""
    rows = [copy.deepcopy(row) for row in world.newest_first("refund") if row["charge"] == charge_id]
    return as_list(
        rows[:PAGE_SIZE],
        f"/v1/charges/{charge_id}/refunds",
        has_more=len(rows) > PAGE_SIZE,
    )


def _created_filter(params: Params) -> Callable[[int], bool]:
    nested = params.child("created")
    if nested is None:
        exact = params.integer("created")
        return lambda created: exact is None or created == exact
    bounds = [(compare, bound) for name, compare in COMPARE.items() if (bound := nested.integer(name)) is not None]
    return lambda created: all(compare(created, bound) for compare, bound in bounds)


def _position(ids: list[str], cursor: str, param: str) -> int:
    if cursor not in ids:
        raise malformed(f"No such object: '{cursor}'", param=param, code="resource_missing")
    return ids.index(cursor)
