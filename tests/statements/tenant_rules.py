"""What a statement has to be like, so that the same one runs on tables distributed by organization.

`faults` reads one text as PostgreSQL itself does. A table of tenants has to be bound in the query block that names it: its
`org_id` is compared, in a condition that must be true, with a value of the statement, or with the `org_id` of something
bound. What a statement reads of a subquery is bound as the subquery is, which is looked at by itself.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from sqlalchemy import Table

from tests.statements.syntax_tree import (
    QUERIES,
    Node,
    conjuncts,
    function_names,
    if_given,
    nodes,
    parsed,
    strings,
    typed,
    without_casts,
)

TENANT: Final = "org_id"

TIMES: Final = frozenset({"now", "clock_timestamp", "statement_timestamp", "transaction_timestamp", "timeofday"})
VOLATILE: Final = TIMES | {"random", "gen_random_uuid", "uuidv7", "nextval", "currval", "setval", "lastval"}

SESSION: Final = frozenset(
    {
        "TransactionStmt",
        "VariableSetStmt",
        "VariableShowStmt",
        "PrepareStmt",
        "ExecuteStmt",
        "DeallocateStmt",
        "CopyStmt",
    }
    | {"ListenStmt", "UnlistenStmt", "NotifyStmt", "DiscardStmt"}
)
"""What a service sends beside queries. Anything else changes the schema, which only a migration does."""


class Bound(IntEnum):
    """How well a table is bound."""

    NOT = 0
    TO_SOME = 1
    TO_ONE = 2


@dataclass(frozen=True, slots=True)
class Tables:
    """What the rules have to know of the schema: scope by table, and who has an `org_id`."""

    scopes: Mapping[str, str]
    owned: frozenset[str]

    @classmethod
    def of(cls, tables: Iterable[Table]) -> "Tables":
        found = list(tables)
        return cls(
            {table.name: table.info["scope"] for table in found},
            frozenset(table.name for table in found if TENANT in table.columns),
        )


Alias = tuple[int, str]
Condition = tuple[Node, frozenset[Alias] | None]
"""What must be true, and whom it binds: of a LEFT JOIN only what is joined. None: whoever it names."""


@dataclass(eq=False)
class Block:
    """One query block: who is in its FROM, and the blocks around it, whose aliases it may name."""

    number: int
    outer: "Block | None"
    ctes: frozenset[str]
    tables: dict[str, str] = field(default_factory=dict[str, str])
    others: dict[str, bool] = field(default_factory=dict[str, bool])
    """Functions and subqueries; whether it is known that they have no `org_id`."""
    merged: str | None = None
    """The alias that stands for the `org_id` of a join by USING."""

    def alias_of(self, names: list[str]) -> Alias | None:
        """Whose column is meant; None where that cannot be told."""
        block: Block | None = self
        while block is not None:
            if len(names) == 2:
                if names[0] in block.tables or names[0] in block.others:
                    return block.number, names[0]
            else:
                if block.merged is not None:
                    return block.number, block.merged
                owners = [*block.tables, *(name for name, lacks in block.others.items() if not lacks)]
                if owners:
                    return (block.number, owners[0]) if len(owners) == 1 else None
            block = block.outer
        return None


class Reading:
    """Goes through a statement and collects what is wrong with it."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.faults: set[str] = set()
        self.seen: set[str] = set()
        self._block_count = 0
        self._flows: set[tuple[Alias, Alias]] = set()
        self._bound: dict[Alias, Bound] = {}
        self._locked: list[tuple[Block, list[str]]] = []
        self._blocks: list[Block] = []
        self._by_value: set[Alias] = set()
        self._cut: list[Block] = []

    def read(
        self, kind: str, content: Node, outer: Block | None, ctes: frozenset[str], *, is_lateral: bool = False
    ) -> None:
        """A query and all queries within it."""
        if kind == "MergeStmt":
            self.faults.add("MERGE")
            return
        if content.get("op", "SETOP_NONE") != "SETOP_NONE":
            ctes = self._read_ctes(content, outer, ctes)
            for side in ("larg", "rarg"):
                self.read("SelectStmt", content[side], outer, ctes)
            return
        ctes = self._read_ctes(content, outer, ctes)
        self._block_count += 1
        block = Block(self._block_count, outer, ctes)
        self._blocks.append(block)
        if is_lateral and {"limitCount", "limitOffset"} & content.keys():
            self._cut.append(block)
        conditions: list[Condition] = []
        if "relation" in content:
            self._enter(content["relation"], block)
        for item in content.get("fromClause", []) + content.get("usingClause", []):
            conditions += self._from(item, block)
        if kind == "InsertStmt":
            self._insert(content, block)
        else:
            self._update(kind, content, block)
            conditions += [(condition, None) for condition in conjuncts(content.get("whereClause"))]
            for condition, bound in conditions:
                self._condition(condition, block, bound)
        if "lockingClause" in content:
            named = [table["relname"] for table in nodes(content["lockingClause"], "RangeVar")]
            self._locked.append((block, named or list(block.tables)))
        self._within(content, block)

    def close(self) -> None:
        """Draw the conclusions, once everything has been read."""
        self._follow_flows()
        for block, alias, table in self._tenants(self._blocks):
            if not self._bound.get((block.number, alias), Bound.NOT):
                self.faults.add(f"{table} without {TENANT}")
        for block, alias, table in self._tenants(self._cut):
            if (block.number, alias) not in self._by_value:
                self.faults.add(f"{table}: LIMIT or OFFSET in a LATERAL query that no value sends to one shard")
        for block, locked in self._locked:
            for _, alias, table in self._tenants([block]):
                if alias in locked and self._bound.get((block.number, alias), Bound.NOT) < Bound.TO_ONE:
                    self.faults.add(f"{table} locked across organizations")

    def _follow_flows(self) -> None:
        before: tuple[dict[Alias, Bound], set[Alias]] | None = None
        while before != (self._bound, self._by_value):
            before = dict(self._bound), set(self._by_value)
            for source, target in self._flows:
                self._bind_alias(target, self._bound.get(source, Bound.NOT))
                if source in self._by_value:
                    self._by_value.add(target)

    def _tenants(self, blocks: Iterable[Block]) -> Iterator[tuple[Block, str, str]]:
        """Every alias of a table of tenants."""
        for block in blocks:
            yield from ((block, alias, table) for alias, table in block.tables.items() if self._is_tenant(table))

    def _is_tenant(self, table: str) -> bool:
        return self.tables.scopes.get(table) == "tenant"

    def _read_ctes(self, content: Node, outer: Block | None, ctes: frozenset[str]) -> frozenset[str]:
        clause = content.get("withClause", {})
        tables = [cte["CommonTableExpr"] for cte in clause.get("ctes", [])]
        if clause.get("recursive"):
            ctes |= {table["ctename"] for table in tables}
        for table in tables:
            kind, query = typed(table["ctequery"])
            self.read(kind, query, outer, ctes)
            ctes |= {table["ctename"]}
        return ctes

    def _from(self, item: Node, block: Block) -> Iterator[Condition]:
        """Enter what an item of FROM names into the block; the conditions of its joins."""
        kind, content = typed(item)
        if kind == "RangeVar":
            self._enter(content, block)
        elif kind == "JoinExpr":
            yield from self._join(content, block)
        elif kind in {"RangeFunction", "RangeSubselect"}:
            alias = content.get("alias", {"aliasname": ""})
            columns = strings(alias.get("colnames", []))
            block.others[alias["aliasname"]] = bool(columns) and TENANT not in columns
            self._bound[block.number, alias["aliasname"]] = Bound.TO_SOME
            if kind == "RangeSubselect":
                # Without LATERAL it sees nothing of this FROM; names are resolved from inside, so that does no harm.
                query, inner = typed(content["subquery"])
                self.read(query, inner, block, block.ctes, is_lateral=content.get("lateral", False))
        else:
            raise ValueError(f"a {kind} in FROM")

    def _join(self, content: Node, block: Block) -> Iterator[Condition]:
        yield from self._from(content["larg"], block)
        left = {*block.tables, *block.others}
        yield from self._from(content["rarg"], block)
        joined = frozenset((block.number, alias) for alias in {*block.tables, *block.others} - left)
        is_inner = content.get("jointype", "JOIN_INNER") == "JOIN_INNER"
        yield from ((condition, None if is_inner else joined) for condition in conjuncts(content.get("quals")))
        if TENANT in strings(content.get("usingClause", [])):
            block.merged = min(left)
            merged = {(block.number, alias) for alias in left} | joined
            self._flows |= {(one, other) for one in merged for other in merged}

    def _enter(self, table: Node, block: Block) -> None:
        name = table["relname"]
        alias = table.get("alias", {}).get("aliasname", name)
        if name in block.ctes and "schemaname" not in table:
            block.others[alias] = False
            self._bound[block.number, alias] = Bound.TO_SOME
            return
        self.seen.add(name)
        if name in self.tables.owned:
            block.tables[alias] = name
        else:
            block.others[alias] = True

    def _insert(self, content: Node, block: Block) -> None:
        table = content["relation"]["relname"]
        if not self._is_tenant(table):
            return
        self._bound[block.number, next(iter(block.tables))] = Bound.TO_ONE
        columns = [column["ResTarget"]["name"] for column in content.get("cols", [])]
        if TENANT not in columns:
            self.faults.add(f"{table} without {TENANT}")
        conflict = content.get("onConflictClause", {})
        keys = [element["IndexElem"].get("name") for element in conflict.get("infer", {}).get("indexElems", [])]
        if keys and TENANT not in keys:
            self.faults.add(f"{table}: a conflict without {TENANT}")
        self._assigned(table, conflict.get("targetList", []))

    def _update(self, kind: str, content: Node, block: Block) -> None:
        if kind == "UpdateStmt" and self._is_tenant(content["relation"]["relname"]):
            self._assigned(content["relation"]["relname"], content["targetList"])

    def _assigned(self, table: str, targets: list[Node]) -> None:
        if TENANT in [target["ResTarget"]["name"] for target in targets]:
            self.faults.add(f"{table}: {TENANT} is assigned")

    def _condition(self, condition: Node, block: Block, bound: frozenset[Alias] | None) -> None:
        """Learn who is bound by a condition that must be true."""
        kind, content = typed(condition)
        if kind == "SubLink" and content["subLinkType"] == "ANY_SUBLINK":
            for column in _parts(content["testexpr"]):
                self._bind(column, block, bound)
            return
        if kind == "BoolExpr" and (named := if_given(content)) is not None:
            owner = self._owner(named, block)
            if owner is not None and (bound is None or owner in bound):
                self._by_value.add(owner)
            return
        if kind != "A_Expr" or strings(content["name"]) != ["="]:
            return
        left, right = content["lexpr"], content["rexpr"]
        if content["kind"] == "AEXPR_OP_ANY":
            self._bind(left, block, bound)
        elif content["kind"] == "AEXPR_IN":
            for column in _parts(left):
                self._bind(column, block, bound)
        elif content["kind"] == "AEXPR_OP":
            for one, other in zip(_parts(left), _parts(right), strict=True):
                self._equal(one, other, block, bound)

    def _equal(self, one: Node, other: Node, block: Block, bound: frozenset[Alias] | None) -> None:
        sides = [(self._owner(side, block), side) for side in (one, other)]
        for (owner, _), (source, value) in (sides, reversed(sides)):
            if owner is None or (bound is not None and owner not in bound):
                continue
            if source is not None:
                self._flows.add((source, owner))
            else:
                is_value = not list(nodes(value, "ColumnRef")) or typed(value)[0] == "SubLink"
                self._bind_alias(owner, Bound.TO_ONE if is_value else Bound.TO_SOME)
                if is_value:
                    self._by_value.add(owner)

    def _bind(self, column: Node, block: Block, bound: frozenset[Alias] | None) -> None:
        """By one of several values."""
        owner = self._owner(column, block)
        if owner is not None and (bound is None or owner in bound):
            self._by_value.add(owner)
            self._bind_alias(owner, Bound.TO_SOME)

    def _bind_alias(self, alias: Alias, how: Bound) -> None:
        self._bound[alias] = max(self._bound.get(alias, Bound.NOT), how)

    def _owner(self, expression: Node, block: Block) -> Alias | None:
        """Whose `org_id` an expression is; None when it is something else."""
        kind, content = typed(without_casts(expression))
        if kind != "ColumnRef":
            return None
        names = strings(content["fields"])
        return block.alias_of(names[-2:]) if names and names[-1] == TENANT else None

    def _within(self, content: Node, block: Block) -> None:
        """Queries in expressions, which see this block; those in FROM and WITH have been read."""
        for name, value in content.items():
            if name in {"withClause", "fromClause", "usingClause", "larg", "rarg"}:
                continue
            if name == "selectStmt":
                kind, inner = typed(value)
                self.read(kind, inner, block.outer, block.ctes)
                continue
            for link in nodes(value, "SubLink", within=False):
                kind, inner = typed(link["subselect"])
                self.read(kind, inner, block, block.ctes)
        for item in content.get("fromClause", []):
            for quals in (join.get("quals") for join in nodes(item, "JoinExpr", within=False)):
                for link in nodes(quals, "SubLink", within=False):
                    kind, inner = typed(link["subselect"])
                    self.read(kind, inner, block, block.ctes)


def faults(sql: str, tables: Tables) -> set[str]:
    """What is wrong with the statements of a text, in words that say of which table."""
    return {fault for kind, content in parsed(sql) for fault in _faults(kind, content, tables)}


def _faults(kind: str, content: Node, tables: Tables) -> set[str]:
    if kind not in (*QUERIES, *SESSION):
        return {f"a statement of the kind {kind}"}
    found: set[str] = set()
    called = function_names(content)
    if "set_config" in called:
        found.add("set_config")
    if kind == "VariableSetStmt" and content.get("name") == "plan_cache_mode" and "force_generic_plan" in str(content):
        found.add("plans without values")
    query = content.get("query") if kind in {"PrepareStmt", "CopyStmt"} else {kind: content}
    if query is None or typed(query)[0] not in QUERIES:
        return found
    reading = Reading(tables)
    reading.read(*typed(query), None, frozenset())
    reading.close()
    found |= reading.faults
    scopes = {tables.scopes[name] for name in reading.seen if name in tables.scopes}
    if scopes or not reading.seen:
        # The tables of the job queue are none of ours, and local; so is a lock that is taken with them.
        found |= {f"{name}: an advisory lock" for name in called if "advisory" in name}
    if "tenant" in scopes:
        found |= _of_tenants(typed(query)[0], content, called, scopes)
    return found


def _of_tenants(kind: str, content: Node, called: set[str], scopes: set[str]) -> set[str]:
    """What only statements about tenants may not do."""
    is_write = kind != "SelectStmt" or any(list(nodes(content, name)) for name in QUERIES[1:])
    found = {f"{name}: a function that is volatile" for name in called & (VOLATILE if is_write else TIMES)}
    if list(nodes(content, "SQLValueFunction")):
        found.add("the database's time")
    if scopes & {"platform", "jobs"}:
        found.add("a local table beside a distributed one")
    return found


def _parts(expression: Node) -> list[Node]:
    kind, content = typed(expression)
    return content["args"] if kind == "RowExpr" else [expression]
