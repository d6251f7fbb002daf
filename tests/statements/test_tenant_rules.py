"""The rules that statements are held to: each finds what breaks it, and nothing in what does not."""

import pytest

from tests.statements.tenant_rules import Tables, faults

TABLES = Tables(
    scopes={
        "topups": "tenant",
        "wallets": "tenant",
        "organizations": "tenant",
        "directory": "reference",
        "api_keys": "platform",
    },
    owned=frozenset({"topups", "wallets", "organizations", "directory", "api_keys"}),
)

CUT = "LIMIT or OFFSET in a LATERAL query that no value sends to one shard"

GOOD = (
    "SELECT * FROM topups WHERE org_id = $1",
    "SELECT * FROM topups t WHERE t.org_id = ANY ($1::uuid[]) AND t.state = 'PENDING'",
    "SELECT * FROM topups t JOIN wallets w ON w.org_id = t.org_id WHERE t.org_id = $1",
    "SELECT * FROM topups t JOIN wallets w ON w.org_id = t.org_id AND w.wallet_id = t.wallet_id WHERE w.org_id = $1",
    "SELECT * FROM topups t LEFT JOIN wallets w ON w.org_id = t.org_id WHERE t.org_id = $1",
    "SELECT * FROM topups t FULL JOIN wallets w USING (org_id) WHERE org_id = $1",
    "SELECT * FROM topups WHERE (org_id, topup_id) IN (SELECT $1::uuid, $2::uuid)",
    "SELECT * FROM topups WHERE (org_id, topup_id) = ($1, $2)",
    "SELECT * FROM unnest($1::uuid[]) u (org_id) JOIN topups t ON t.org_id = u.org_id",
    "SELECT * FROM topups t WHERE t.org_id = $1 AND EXISTS (SELECT FROM wallets w WHERE w.org_id = t.org_id)",
    "WITH mine AS (SELECT org_id FROM topups WHERE org_id = $1) SELECT 1 FROM mine m JOIN wallets w ON w.org_id = m.org_id",
    "SELECT 1 FROM topups WHERE org_id = $1 UNION ALL SELECT 2 FROM wallets WHERE org_id = $1",
    "SELECT * FROM topups WHERE org_id = $1 FOR UPDATE SKIP LOCKED",
    "SELECT * FROM topups t, LATERAL (SELECT * FROM wallets w WHERE w.org_id = $1 LIMIT 1) w WHERE t.org_id = $1",
    "SELECT * FROM unnest($1::uuid[]) u (org_id), LATERAL"
    " (SELECT * FROM wallets w WHERE w.org_id = u.org_id AND w.org_id = ANY ($1) LIMIT 1) w",
    "SELECT * FROM unnest($1::uuid[]) u (org_id), LATERAL"
    " (SELECT * FROM wallets w WHERE w.org_id = u.org_id AND ($2::uuid[] IS NULL OR w.org_id = ANY ($2)) LIMIT 1) w",
    "SELECT * FROM directory d WHERE d.slug = $1",
    "SELECT now(), key_id FROM api_keys",
    "INSERT INTO topups (org_id, topup_id) VALUES ($1, $2) ON CONFLICT (org_id, topup_id) DO UPDATE SET state = $3",
    "INSERT INTO topups (org_id, topup_id) SELECT u.org_id, u.id FROM unnest($1::uuid[], $2::uuid[]) u (org_id, id)",
    "UPDATE topups SET state = $2 WHERE org_id = $1",
    "UPDATE topups t SET state = u.state FROM unnest($1::uuid[], $2::text[]) u (org_id, state) WHERE t.org_id = u.org_id",
    "DELETE FROM topups WHERE topups.org_id = $1 AND topups.topup_id = $2",
    "COPY (SELECT * FROM topups WHERE org_id = $1) TO STDOUT",
    "SET LOCAL statement_timeout = 20000",
    "BEGIN; SELECT 1 FROM topups WHERE org_id = $1; COMMIT",
    "SELECT pg_try_advisory_xact_lock(1) FROM pgqueuer",
)

BAD = {
    "SELECT * FROM topups WHERE topup_id = $1": {"topups without org_id"},
    "SELECT * FROM topups t JOIN wallets w ON w.wallet_id = t.wallet_id WHERE t.org_id = $1": {
        "wallets without org_id"
    },
    "SELECT * FROM topups t JOIN wallets w ON w.org_id = t.org_id": {"topups without org_id", "wallets without org_id"},
    "SELECT * FROM topups WHERE org_id = $1 OR state = 'PENDING'": {"topups without org_id"},
    "SELECT * FROM topups WHERE org_id <> $1": {"topups without org_id"},
    # The condition of an outer join leaves out no row of the side that is kept.
    "SELECT * FROM topups t LEFT JOIN wallets w ON w.org_id = t.org_id AND t.org_id = $1": {
        "topups without org_id",
        "wallets without org_id",
    },
    "SELECT * FROM topups t WHERE t.org_id = $1 AND EXISTS (SELECT FROM wallets w WHERE w.wallet_id = t.wallet_id)": {
        "wallets without org_id"
    },
    "SELECT * FROM directory d JOIN organizations o ON o.org_id = d.org_id WHERE d.slug = $1": {
        "organizations without org_id"
    },
    "WITH all_of_them AS (SELECT org_id FROM topups) SELECT org_id FROM all_of_them WHERE org_id = $1": {
        "topups without org_id"
    },
    "SELECT (SELECT count(*) FROM topups) AS topup_count": {"topups without org_id"},
    "SELECT 1 FROM topups WHERE org_id = $1 UNION ALL SELECT 2 FROM wallets": {"wallets without org_id"},
    "SELECT * FROM topups WHERE org_id = ANY ($1) FOR UPDATE": {"topups locked across organizations"},
    "SELECT * FROM topups WHERE state = 'PENDING' FOR UPDATE SKIP LOCKED": {
        "topups locked across organizations",
        "topups without org_id",
    },
    "SELECT * FROM unnest($1::uuid[]) u (org_id), LATERAL (SELECT * FROM wallets w WHERE w.org_id = u.org_id OFFSET 0) w": {
        f"wallets: {CUT}"
    },
    "SELECT * FROM unnest($1::uuid[]) u (org_id), LATERAL (SELECT * FROM wallets w WHERE w.org_id = u.org_id"
    " AND ($2::uuid[] IS NULL OR w.org_id = ANY ($1)) OFFSET 0) w": {f"wallets: {CUT}"},
    "SELECT * FROM unnest($1::uuid[]) u (org_id), LATERAL (SELECT * FROM wallets w WHERE w.org_id = u.org_id"
    " AND ($2 OR w.org_id = ANY ($1)) OFFSET 0) w": {f"wallets: {CUT}"},
    # What is only asked if a value is given binds no table.
    "SELECT * FROM topups WHERE $1::uuid[] IS NULL OR org_id = ANY ($1)": {"topups without org_id"},
    "INSERT INTO topups (topup_id) VALUES ($1)": {"topups without org_id"},
    "INSERT INTO topups (org_id, topup_id) VALUES ($1, $2) ON CONFLICT (topup_id) DO NOTHING": {
        "topups: a conflict without org_id"
    },
    "INSERT INTO topups (org_id, created_at) VALUES ($1, now())": {"now: a function that is volatile"},
    "INSERT INTO topups (org_id, topup_id) VALUES ($1, gen_random_uuid())": {
        "gen_random_uuid: a function that is volatile"
    },
    "UPDATE topups SET state = $1 WHERE topup_id = $2": {"topups without org_id"},
    "UPDATE topups SET org_id = $1 WHERE org_id = $1": {"topups: org_id is assigned"},
    "UPDATE topups SET updated_at = CURRENT_TIMESTAMP WHERE org_id = $1": {"the database's time"},
    "DELETE FROM topups WHERE state = 'FAILED'": {"topups without org_id"},
    "MERGE INTO topups t USING wallets w ON t.org_id = w.org_id WHEN MATCHED THEN DELETE": {"MERGE"},
    "COPY (SELECT * FROM topups) TO STDOUT": {"topups without org_id"},
    "PREPARE p AS SELECT * FROM topups": {"topups without org_id"},
    "SELECT o.slug FROM api_keys k JOIN organizations o ON o.org_id = k.org_id WHERE o.org_id = $1": {
        "a local table beside a distributed one"
    },
    "SELECT set_config('wallet.org_id', $1, true)": {"set_config"},
    "SELECT pg_advisory_xact_lock(1)": {"pg_advisory_xact_lock: an advisory lock"},
    "SET plan_cache_mode = force_generic_plan": {"plans without values"},
    "CREATE TABLE more (id serial)": {"a statement of the kind CreateStmt"},
    "SELECT 1 FROM topups WHERE org_id = $1; SELECT 1 FROM wallets": {"wallets without org_id"},
}


@pytest.mark.parametrize("statement", GOOD)
def test_what_keeps_the_rules_has_no_fault(statement: str):
    assert faults(statement, TABLES) == set()


@pytest.mark.parametrize("statement", BAD)
def test_what_breaks_a_rule_is_found(statement: str):
    assert faults(statement, TABLES) == BAD[statement]
