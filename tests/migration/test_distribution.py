"""Distributing a database, against a catalog of Citus's shape: real functions and tables that note what is called."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy.engine import make_url
from structlog.testing import capture_logs

from ledger.model import OpenHold, UnknownAccount
from tests.statements.sent_statements import noted
from tests.system.instance import wallet
from wallet_service.accounts.operations import ensure_development
from wallet_service.cli.failures import explained
from wallet_service.config import Settings
from wallet_service.db import Database, engine_for
from wallet_service.distribution.lanes import Lanes
from wallet_service.distribution.model import DistributionRefused
from wallet_service.distribution.operations import distribute
from wallet_service.distribution.placing import uuid_hash
from wallet_service.service import Service
from wallet_service.usage.model import NewEvent

CATALOG = (Path(__file__).parent / "citus_catalog.sql").read_text()
SHARD_COUNT = 4

CALL = re.compile(r"SELECT (\w+)\('(\w+)'")
FUNCTIONS = {
    "create_reference_table": "reference",
    "create_distributed_table": "distributed",
    "truncate_local_data_after_distributing_table": "truncated",
}

Run = Callable[..., Awaitable[list[asyncpg.Record]]]


async def connect(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    parts = make_url(url)
    return await asyncpg.connect(host=str(parts.query["host"]), user=parts.username, database=parts.database)


@pytest.fixture
async def run(database_url: str) -> AsyncIterator[Run]:
    """Run a statement as the owner, on the database with the catalog in it."""
    conn = await connect(database_url)
    await conn.execute(CATALOG)
    # As the functions of an extension, these are found without their schema, by every connection from now on.
    await conn.execute(f'ALTER DATABASE "{make_url(database_url).database}" SET search_path = public, citus')
    await conn.execute("SET search_path = public, citus")
    yield conn.fetch
    await conn.close()


@pytest.fixture
async def db(database_url: str, run: Run) -> AsyncIterator[Database]:
    """As the service sees it."""
    engine = engine_for(database_url, pool_size=2)
    yield Database(engine, statement_timeout=timedelta(seconds=20))
    await engine.dispose()


async def calls(run: Run) -> list[str]:
    return [row["statement"] for row in await run("SELECT statement FROM citus.calls ORDER BY call_id")]


async def test_without_citus_nothing_is_done(database_url: str):
    with pytest.raises(DistributionRefused, match="CREATE EXTENSION citus") as caught:
        await distribute(database_url)
    assert explained(caught.value) == str(caught.value)
    conn = await connect(database_url)
    assert (
        await conn.fetchval(
            "SELECT setconfig FROM pg_db_role_setting d JOIN pg_database ON oid = setdatabase"
            " WHERE datname = current_database()"
        )
        is None
    )
    await conn.close()


async def test_the_command_prints_what_it_runs_or_says_why_not(database_url: str):
    refused = await asyncio.to_thread(wallet, "migrate", "--distribute", DATABASE_URL=database_url)
    assert refused.returncode == 1
    assert refused.stderr.startswith("wallet: Citus is not installed in this database")
    conn = await connect(database_url)
    await conn.execute(CATALOG)
    await conn.execute(f'ALTER DATABASE "{make_url(database_url).database}" SET search_path = public, citus')
    done = await asyncio.to_thread(wallet, "migrate", "--distribute", "--shards", "8", DATABASE_URL=database_url)
    lines = done.stdout.splitlines()
    assert (done.returncode, lines[0], lines[-1]) == (0, "the schema is the newest", "the tables are distributed")
    assert [row["statement"] for row in await conn.fetch("SELECT statement FROM citus.calls ORDER BY call_id")] == [
        f"{FUNCTIONS[found[1]]} {found[2]}" for line in lines if (found := CALL.match(line))
    ]
    assert await conn.fetchval("SELECT count(*) FROM citus.pg_dist_shard") == 8
    await conn.close()


async def test_every_table_is_placed_once(database_url: str, run: Run):
    told: list[str] = []
    first = await distribute(database_url, shard_count=SHARD_COUNT, tell=told.append)
    assert told == first
    done = await calls(run)
    assert len(done) == len(first) - 4
    placed = {
        row["name"]: row["method"]
        for row in await run(
            "SELECT logicalrelid::text AS name, partmethod::text AS method FROM citus.pg_dist_partition"
        )
    }
    assert (placed["organizations"], placed["usage_events"], placed["rates"]) == ("h", "h", "n")
    assert not {"api_keys", "pgqueuer", "alembic_version", "provider_events"} & placed.keys()
    second = await distribute(database_url, shard_count=SHARD_COUNT)
    assert (await calls(run), len(second)) == (done, 4)


async def test_what_was_interrupted_goes_on(database_url: str, run: Run):
    class Interrupted(Exception):
        pass

    def interrupt(statement: str) -> None:
        if "'wallets'" in statement:
            raise Interrupted

    with pytest.raises(Interrupted):
        await distribute(database_url, shard_count=SHARD_COUNT, tell=interrupt)
    before = await calls(run)
    assert "distributed organizations" in before
    assert "distributed wallets" not in before
    await distribute(database_url, shard_count=SHARD_COUNT)
    after = await calls(run)
    assert after[: len(before)] == before
    assert "distributed wallets" in after
    assert len({call for call in after if call.startswith("distributed")}) == sum(
        call.startswith("distributed") for call in after
    )


async def test_a_table_that_was_distributed_by_hand_comes_back(database_url: str, run: Run):
    await run("SELECT create_reference_table('api_keys')")
    await distribute(database_url, shard_count=SHARD_COUNT)
    assert "local api_keys" in await calls(run)


async def test_a_table_that_is_placed_otherwise_is_refused(database_url: str, run: Run):
    await run("SELECT create_reference_table('topups')")
    with pytest.raises(DistributionRefused, match="topups is reference and should be distributed"):
        await distribute(database_url)


async def test_a_trigger_is_refused(database_url: str, run: Run):
    await run("CREATE TRIGGER told AFTER INSERT ON topups EXECUTE FUNCTION fn_pgqueuer_changed()")
    with pytest.raises(DistributionRefused, match=r"topups\.told: a trigger"):
        await distribute(database_url)
    assert await calls(run) == []


async def test_connections_propagate_what_a_transaction_sets(database_url: str, run: Run, db: Database):
    await distribute(database_url, shard_count=SHARD_COUNT)
    rows = await db.fetch("SELECT current_setting('citus.propagate_set_commands') AS value, current_user AS role")
    assert [dict(row) for row in rows] == [{"value": "local", "role": "wallet_app"}]
    assert (await run("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'wallet_app'"))[0]["rolcanlogin"]


async def test_an_organization_is_hashed_as_postgresql_does(run: Run):
    ids = [uuid.uuid4() for _ in range(500)] + [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)]
    rows = await run("SELECT uuid_hash(i) AS hash FROM unnest($1::uuid[]) WITH ORDINALITY u (i, n) ORDER BY n", ids)
    assert [uuid_hash(org_id) for org_id in ids] == [row["hash"] for row in rows]


async def test_lanes_are_the_shards(database_url: str, run: Run, db: Database):
    await distribute(database_url, shard_count=SHARD_COUNT)
    lanes = Lanes(1)
    assert await lanes.follow_shards(db, pool_size=12) == SHARD_COUNT
    assert lanes.are_shards()
    ids = [uuid.uuid4() for _ in range(100)]
    shard_of = "SELECT get_shard_id_for_distribution_column('organizations', $1::uuid) AS shard"
    shards = [(await run(shard_of, org_id))[0]["shard"] for org_id in ids]
    assert [lanes(org_id) for org_id in ids] == [shard - 102008 for shard in shards]
    assert [lanes(org_id) for org_id in ids] == [shard - 102008 for shard in shards]
    assert set(map(lanes, ids)) == set(range(SHARD_COUNT))


async def test_on_one_server_lanes_are_a_number_from_the_settings(database_url: str):
    engine = engine_for(database_url, pool_size=1)
    lanes = Lanes(3)
    assert lanes.are_shards()
    assert await lanes.follow_shards(Database(engine, statement_timeout=timedelta(seconds=20)), pool_size=2) == 0
    assert not lanes.are_shards()
    assert [lanes(uuid.UUID(int=number)) for number in range(4)] == [0, 1, 2, 0]
    await engine.dispose()


@pytest.mark.parametrize("on_shards", [False, True])
async def test_a_service_sends_what_its_database_needs(database_url: str, run: Run, *, on_shards: bool):
    """On shards batches are planned for their values, which name the organizations beside each table."""
    if on_shards:
        await distribute(database_url, shard_count=SHARD_COUNT)
    service = Service(Settings(environment="test", database_url=SecretStr(database_url), database_pool_size=12))
    sent = noted(service.engine)
    async with service:
        made = await ensure_development(service.organizations, service.projects)
        await service.usage.record(made.org_id, [NewEvent("my-app", "no.such.meter", "1", "key")])
        nobody = uuid.uuid4()
        unknown = OpenHold(org_id=made.org_id, key="k", wallet=nobody, amount_minor=1)
        assert await service.ledger.post(unknown) == UnknownAccount(nobody)
    assert any("plan_cache_mode = force_generic_plan" in query.query for query in sent) is not on_shards
    for table in ("projects p", "usage_keys k", "ledger_keys k"):
        given = [query.args[-1] for query in sent if "IS NULL OR" in query.query and table in query.query]
        assert given == [[made.org_id] if on_shards else None], table


async def test_lanes_need_connections(database_url: str, run: Run, db: Database):
    await distribute(database_url, shard_count=SHARD_COUNT)
    with pytest.raises(DistributionRefused, match="4 shards need 12 connections"):
        await Lanes(1).follow_shards(db, pool_size=11)


async def test_another_placing_than_ours_is_noticed(database_url: str, run: Run, db: Database):
    await distribute(database_url, shard_count=SHARD_COUNT)
    await run("UPDATE citus.pg_dist_shard SET shardid = -shardid WHERE shardid = 102009")
    await run("UPDATE citus.pg_dist_shard SET shardid = 102009 WHERE shardid = 102010")
    await run("ALTER FUNCTION citus.get_shard_id_for_distribution_column RENAME TO before")
    await run(
        "CREATE FUNCTION citus.get_shard_id_for_distribution_column(t regclass, v uuid) RETURNS bigint"
        " LANGUAGE sql AS 'SELECT citus.before(t, v) + 1'"
    )
    with pytest.raises(DistributionRefused, match="on shard"):
        await Lanes(1).follow_shards(db, pool_size=12)


async def test_lanes_follow_once_the_database_answers(database_url: str, run: Run, db: Database):
    """A service may be started before its database is migrated, or while it is down."""
    await distribute(database_url, shard_count=SHARD_COUNT)
    await run("ALTER TABLE citus.pg_dist_shard RENAME TO elsewhere")
    lanes = Lanes(1)
    ids = [uuid.uuid4() for _ in range(50)]
    async with lanes.following(db, pool_size=12):
        assert set(map(lanes, ids)) == {0}
        await run("ALTER TABLE citus.elsewhere RENAME TO pg_dist_shard")
        async with asyncio.timeout(20):
            while set(map(lanes, ids)) == {0}:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    assert set(map(lanes, ids)) == set(range(SHARD_COUNT))


async def test_lanes_that_cannot_follow_later_say_so(database_url: str, run: Run, db: Database):
    await distribute(database_url, shard_count=SHARD_COUNT)
    await run("ALTER TABLE citus.pg_dist_shard RENAME TO elsewhere")
    with capture_logs() as logs:
        async with Lanes(1).following(db, pool_size=11):
            await run("ALTER TABLE citus.elsewhere RENAME TO pg_dist_shard")
            async with asyncio.timeout(20):
                while not logs:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
    assert logs[0]["event"] == "lanes_do_not_follow_shards"
