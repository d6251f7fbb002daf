"""Statements that break a rule, each with its reason. A test sees to it that every entry is still of use.

Of three kinds: what is of all organizations by its nature (a sweep that finds work, an audit, the platform's lists), and
runs on distributed tables as a read of every shard; what never reaches a distributed table; and what looks forbidden and
does there what it does on one server, or is sent to one server only.
"""

import re
from dataclasses import dataclass

WITHOUT = r"\w+ without org_id"
LOCKED = r"(ledger_books|watch_cursors) locked across organizations"


@dataclass(frozen=True, slots=True)
class Allowed:
    """`fragment` is in the statement, its white space made single; `faults` is a pattern for whole faults."""

    where: str
    fragment: str
    faults: str
    why: str

    def covers(self, statement: str, fault: str) -> bool:
        return self.fragment in statement and re.fullmatch(self.faults, fault) is not None


SWEEP = "a sweep finds work of all organizations; each piece is then done in the organization's own transaction"
AUDIT = "an audit of all organizations; certified is only what is checked organization by organization"
PLATFORM = "a list for the operator of the platform, of all organizations"
LANE = "the organizations of one lane, which is one shard: Citus runs it there as it stands"

ALLOWED = (
    Allowed("wallet_service/account_states/store.py", "SELECT account_standings.org_id FROM", WITHOUT, SWEEP),
    Allowed("wallet_service/recharge/store.py", "SELECT auto_recharge_attempts.org_id,", WITHOUT, SWEEP),
    Allowed(
        "wallet_service/recharge/store.py", "SELECT auto_recharges.org_id, auto_recharges.wallet_id", WITHOUT, SWEEP
    ),
    Allowed(
        "wallet_service/limits/store.py", "SELECT spending_limits.org_id, spending_limits.wallet_id", WITHOUT, SWEEP
    ),
    Allowed("wallet_service/alerts/store.py", "SELECT wallet_alerts.org_id FROM", WITHOUT, SWEEP),
    Allowed("wallet_service/event_webhooks/store.py", "JOIN event_heads ON", WITHOUT, SWEEP),
    Allowed("wallet_service/notifications/store.py", "FROM notification_settings s JOIN event_heads h", WITHOUT, SWEEP),
    Allowed("wallet_service/watching/store.py", "FROM ledger_books b LEFT JOIN watch_cursors c", WITHOUT, SWEEP),
    Allowed("wallet_service/watching/store.py", "WITH recent AS MATERIALIZED", WITHOUT, SWEEP),
    Allowed("wallet_service/topups/store.py", "topups.next_check_at <=", WITHOUT, SWEEP),
    Allowed("wallet_service/topups/unmatched_store.py", "unmatched_payments.next_check_at <=", WITHOUT, SWEEP),
    Allowed("ledger/hold_queries.py", "FROM ledger_holds WHERE", WITHOUT, SWEEP),
    Allowed(
        "wallet_service/topups/store.py",
        "FROM topups WHERE topups.provider = $1::VARCHAR AND topups.external_id = $2::VARCHAR",
        WITHOUT,
        "a provider's webhook names a payment and no organization: an index of each shard is asked",
    ),
    Allowed("ledger/invariants.py", "WHERE true", WITHOUT, AUDIT),
    Allowed("ledger/invariants.py", "SELECT ledger_books.org_id FROM ledger_books ORDER BY", WITHOUT, AUDIT),
    Allowed("wallet_service/journal/store.py", "sum(ledger_books.entry_seq)", WITHOUT, AUDIT),
    Allowed("wallet_service/audit_log/laws.py", "FROM audit_heads h FULL JOIN", WITHOUT, AUDIT),
    Allowed("wallet_service/accounts/store.py", "FROM organization_directory JOIN organizations ON", WITHOUT, PLATFORM),
    Allowed(
        "wallet_service/testclocks/store.py",
        "FROM test_clock_organizations WHERE test_clock_organizations.clock_id IN",
        WITHOUT,
        PLATFORM,
    ),
    Allowed(
        "wallet_service/testclocks/store.py",
        "FROM test_clock_organizations JOIN organization_directory",
        WITHOUT,
        "who lives on a test clock is asked of the clock",
    ),
    Allowed("ledger/store.py", "FROM ledger_books WHERE org_id = ANY(", LOCKED, LANE),
    Allowed("wallet_service/watching/store.py", "FROM watch_cursors WHERE org_id = ANY", LOCKED, LANE),
    Allowed(
        "asyncpg",
        "SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;",
        r"pg_advisory_unlock_all: an advisory lock|a statement of the kind ClosePortalStmt",
        "the driver gives a connection of the worker's own pool back clean; it touches no table",
    ),
    Allowed(
        "asyncpg",
        "SELECT current_setting('jit') AS cur, set_config('jit', 'off', false) AS new",
        "set_config",
        "the driver asks the catalog for a type, on the coordinator",
    ),
    Allowed(
        "wallet_service/notifications/store.py",
        "DELETE FROM notification_deliveries WHERE (org_id, event_seq, target_id) IN",
        WITHOUT,
        "what is old goes, of all organizations",
    ),
    Allowed(
        "wallet_service/usage/months.py",
        "WHERE event_id < ",
        r"usage_(keys|events) without org_id",
        "the keys and the last event of months that are dropped, of all organizations",
    ),
    Allowed("wallet_service/exports/store.py", "FROM exports WHERE exports.expires_at <=", WITHOUT, SWEEP),
    Allowed(
        "wallet_service/invoices/store.py", "FROM statement_cursors WHERE statement_cursors.due_at <=", WITHOUT, SWEEP
    ),
    Allowed("wallet_service/invoices/store.py", "statement_cursors.wallet_id IS NULL", WITHOUT, SWEEP),
    Allowed("wallet_service/invoices/store.py", "NOT EXISTS ( SELECT 1 FROM invoices i", WITHOUT, SWEEP),
    Allowed(
        "wallet_service/usage/query_store.py",
        "SELECT e.event_id, p.slug AS project, e.meter, m.unit,",
        WITHOUT,
        "the begin of statements that go on with their condition, and are seen whole when they are sent",
    ),
    Allowed(
        "wallet_service/migrate.py",
        "SELECT pg_advisory_",
        r"pg_advisory_(xact_)?lock: an advisory lock",
        "one migration waits for another, on the coordinator",
    ),
    Allowed(
        "wallet_service/usage/steps.py",
        "LOCK TABLE ONLY usage_events",
        "a statement of the kind LockStmt",
        "waits for whoever drops a month: Citus takes it on every node that plans, where a partition is dropped under it",
    ),
    Allowed(
        "ledger/link.py",
        "SET plan_cache_mode = force_generic_plan",
        "plans without values",
        "on one server only: the ledger leaves it out where tables are distributed",
    ),
)
