"""PostgreSQL's own parse tree, as pgparse gives it: nested objects, each node under the name of its type."""

from collections.abc import Callable, Iterator
from typing import Any, Final, cast

import pgparse

Node = dict[str, Any]

QUERIES: Final = ("SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt")


def parsed(sql: str) -> list[tuple[str, Node]]:
    """The statements of a text, each with the name of its type. Raises ValueError for what PostgreSQL cannot read."""
    parse = cast("Callable[[str], list[Node]]", pgparse.parse)  # pyright: ignore[reportUnknownMemberType]
    try:
        return [typed(raw["stmt"]) for raw in parse(sql)]
    except cast("type[Exception]", pgparse.PGQueryError) as error:  # pyright: ignore[reportUnknownMemberType]
        raise ValueError(f"{error}: {sql}") from error


def typed(node: Node) -> tuple[str, Node]:
    """A node out of the object that names its type."""
    ((kind, content),) = node.items()
    return kind, content


def nodes(tree: Any, kind: str, *, within: bool = True) -> Iterator[Node]:
    """Every node of a type, at any depth; without `within`, not those of queries inside."""
    if isinstance(tree, list):
        for item in cast("list[Any]", tree):
            yield from nodes(item, kind, within=within)
    elif isinstance(tree, dict):
        for name, value in cast("Node", tree).items():
            if name == kind and isinstance(value, dict):
                yield value
            if within or name not in QUERIES:
                yield from nodes(value, kind, within=within)


def strings(items: list[Node]) -> list[str]:
    """The texts of a list of names; a star is left out."""
    return [item["String"]["sval"] for item in items if "String" in item]


def conjuncts(condition: Node | None) -> Iterator[Node]:
    """The parts of a condition that all have to be true."""
    if condition is None:
        return
    kind, content = typed(condition)
    if kind == "BoolExpr" and content["boolop"] == "AND_EXPR":
        for part in content["args"]:
            yield from conjuncts(part)
    else:
        yield condition


def if_given(condition: Node) -> Node | None:
    """The column of `$n IS NULL OR column = ANY ($n)`, which counts once the statement is given a value; None for another
    condition."""
    arms = [typed(arm) for arm in condition["args"]]
    if condition["boolop"] != "OR_EXPR" or [kind for kind, _ in arms] != ["NullTest", "A_Expr"]:
        return None
    (_, test), (_, comparison) = arms
    if (
        test["nulltesttype"] != "IS_NULL"
        or comparison["kind"] != "AEXPR_OP_ANY"
        or strings(comparison["name"]) != ["="]
    ):
        return None
    values = [typed(without_casts(node)) for node in (test["arg"], comparison["rexpr"])]
    if [kind for kind, _ in values] != ["ParamRef"] * 2 or values[0][1]["number"] != values[1][1]["number"]:
        return None
    return comparison["lexpr"]


def function_names(tree: Any) -> set[str]:
    """Of everything that is called, without schema."""
    return {strings(call["funcname"])[-1] for call in nodes(tree, "FuncCall")}


def without_casts(node: Node) -> Node:
    kind, content = typed(node)
    while kind == "TypeCast":
        node = content["arg"]
        kind, content = typed(node)
    return node
