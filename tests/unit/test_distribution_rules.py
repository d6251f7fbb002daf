"""Where every table of the service goes on Citus, what would stand in the way, and where an organization lies."""

from dataclasses import replace
from pathlib import Path

import pytest

from wallet_service.distribution.lanes import CONNECTIONS_BESIDE, CONNECTIONS_PER_LANE
from wallet_service.distribution.model import Placement, Reference, TableShape
from wallet_service.distribution.operations import SHARD_COUNT_DEFAULT
from wallet_service.distribution.placing import shard_index
from wallet_service.distribution.rules import SHARDS_MAX, in_order_of_references, obstacles, placement_of, plan
from wallet_service.distribution.schema import declared_tables, shape_of

SHAPES = {table.name: shape_of(table) for table in declared_tables()}

LOCAL = {
    "api_keys",
    "leases",
    "promotion_campaigns",
    "promotion_codes",
    "provider_events",
}
REFERENCES = {"meters", "organization_directory", "project_directory", "rates", "test_clocks", "usage_retention"}

ONE = TableShape("one", "tenant", (("org_id", "one_id"),))


def made(**placed: Placement) -> list[str]:
    return plan(
        SHAPES.values(), database="wallet", roles=("wallet_app", "wallet_tenant"), shard_count=16, placed=placed
    )


def named(statements: list[str], function: str) -> list[str]:
    """The tables that a function is called for, in order."""
    return [statement.split("'")[1] for statement in statements if statement.startswith(f"SELECT {function}(")]


def test_every_table_goes_where_its_scope_says():
    statements = made()
    distributed = {name for name, shape in SHAPES.items() if shape.scope == "tenant"}
    assert set(named(statements, "create_reference_table")) == REFERENCES
    assert set(named(statements, "create_distributed_table")) == distributed == set(SHAPES) - REFERENCES - LOCAL
    assert named(statements, "undistribute_table") == []
    assert len(statements) == 4 + len(REFERENCES) + 2 * len(distributed)


def test_settings_come_first_and_then_what_others_refer_to():
    statements = made()
    assert statements[:4] == [
        "ALTER DATABASE \"wallet\" SET citus.propagate_set_commands = 'local'",
        "ALTER DATABASE \"wallet\" SET citus.override_table_visibility = 'off'",
        'ALTER ROLE "wallet_app" LOGIN',
        'ALTER ROLE "wallet_tenant" LOGIN',
    ]
    order = [*named(statements, "create_reference_table"), *named(statements, "create_distributed_table")]
    for name in order:
        for reference in SHAPES[name].references:
            assert order.index(reference.table) < order.index(name)


def test_all_of_an_organization_lies_beside_the_organization():
    first, *others = [statement for statement in made() if "create_distributed_table" in statement]
    assert first == (
        "SELECT create_distributed_table('organizations', 'org_id', colocate_with => 'none', shard_count => 16)"
    )
    assert {statement.split("',", 1)[1] for statement in others} == {" 'org_id', colocate_with => 'organizations')"}


def test_what_was_copied_is_removed_last_and_backwards():
    statements = made()
    removed = named(statements, "truncate_local_data_after_distributing_table")
    assert sorted(removed) == sorted(named(statements, "create_distributed_table"))
    assert statements[-len(removed)].startswith("SELECT truncate")
    for name in removed:
        for reference in SHAPES[name].references:
            if reference.table in removed:
                assert removed.index(name) < removed.index(reference.table)


def test_what_is_done_is_not_done_again():
    half = dict.fromkeys(named(made(), "create_distributed_table")[:20], Placement.DISTRIBUTED)
    assert not set(half) & set(named(made(**half), "create_distributed_table"))
    whole = {name: placement_of(shape) for name, shape in SHAPES.items()}
    assert len(made(**whole)) == 4


def test_a_table_that_should_be_local_comes_back():
    statements = made(api_keys=Placement.DISTRIBUTED)
    assert named(statements, "undistribute_table") == ["api_keys"]


def test_a_table_that_lies_elsewhere_is_left_to_a_person():
    with pytest.raises(ValueError, match="topups is reference and should be distributed"):
        made(topups=Placement.REFERENCE)


def test_the_document_names_the_default_and_the_connections_it_needs():
    text = (Path(__file__).parents[2] / "docs" / "scaling.md").read_text()
    needed = CONNECTIONS_PER_LANE * SHARD_COUNT_DEFAULT + CONNECTIONS_BESIDE
    assert f"--shards {SHARD_COUNT_DEFAULT} " in text
    assert f"WALLET_DATABASE_POOL_SIZE={needed} " in text
    assert f"at most {SHARDS_MAX}" in text


@pytest.mark.parametrize("count", [0, 65])
def test_there_are_as_many_shards_as_there_can_be_lanes(count: int):
    with pytest.raises(ValueError, match="between 1 and 64"):
        plan(SHAPES.values(), database="wallet", roles=("wallet_app", "wallet_tenant"), shard_count=count, placed={})


def test_a_name_is_quoted():
    statements = plan([], database='a"b', roles=("wallet_app", "wallet_tenant"), shard_count=1, placed={})
    assert statements[0].startswith('ALTER DATABASE "a""b" SET')


def test_nothing_of_the_schema_stands_in_the_way():
    assert obstacles(SHAPES.values()) == []


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (replace(ONE, keys=(("one_id",),)), "the key (one_id) does not begin with org_id"),
        (replace(ONE, keys=(("org_id", "one_id"), ("name", "org_id"))), "the key (name, org_id) does not begin"),
        (replace(ONE, keys=()), "no key"),
        (replace(ONE, generated=("one_id",)), "one_id is made by the database"),
        (
            replace(ONE, references=(Reference("api_keys", (("key_id", "key_id"),)),)),
            "a distributed table cannot refer to api_keys, which is local",
        ),
        (
            replace(ONE, references=(Reference("wallets", (("wallet_id", "wallet_id"),)),)),
            "the reference to wallets does not begin with org_id",
        ),
        (
            replace(ONE, scope="reference", references=(Reference("organizations", (("org_id", "org_id"),)),)),
            "a reference table cannot refer to organizations, which is distributed",
        ),
        (
            replace(ONE, scope="platform", references=(Reference("organizations", (("org_id", "org_id"),)),)),
            "a local table cannot refer to organizations, which is distributed",
        ),
    ],
)
def test_an_obstacle_is_found(table: TableShape, words: str):
    (found,) = obstacles([*SHAPES.values(), table])
    assert found.startswith(f"one: {words}")


def test_a_circle_of_references_is_found():
    circle = [
        TableShape(name, "tenant", (("org_id",),), (Reference(other, (("org_id", "org_id"),)),))
        for name, other in (("one", "two"), ("two", "one"))
    ]
    with pytest.raises(ValueError, match="one, two refer to each other"):
        in_order_of_references(circle)


@pytest.mark.parametrize(
    ("hashed", "index"), [(-(2**31), 0), (-(2**30) - 1, 0), (-(2**30), 1), (-1, 1), (0, 2), (2**30, 3), (2**31 - 1, 3)]
)
def test_a_shard_begins_with_its_first_hash(hashed: int, index: int):
    assert shard_index(hashed, [-(2**31), -(2**30), 0, 2**30]) == index
