"""Tables of webhook endpoints and of what was sent to them."""

from typing import Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)

from wallet_service.accounts.tables import organizations
from wallet_service.db import metadata

_TIME: Final = DateTime(timezone=True)

webhook_endpoints: Final = Table(
    "webhook_endpoints",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("endpoint_id", Uuid, nullable=False),
    Column("url", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("event_types", ARRAY(Text), nullable=False),
    Column("state", Text, nullable=False),
    Column("paused_reason", Text),
    Column("secret", Text, nullable=False),
    Column("previous_secret", Text),
    Column("previous_secret_expires_at", _TIME),
    Column("handled_seq", BigInteger, nullable=False),
    Column("failure_count", Integer, nullable=False),
    Column("next_attempt_at", _TIME),
    Column("revision", Integer, nullable=False),
    Column("lease_id", Uuid),
    Column("lease_expires_at", _TIME, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    PrimaryKeyConstraint("org_id", "endpoint_id"),
    ForeignKeyConstraint(["org_id"], [organizations.c.org_id]),
    CheckConstraint("state IN ('active', 'paused')", name="state"),
    CheckConstraint("paused_reason IN ('manual', 'failing', 'gone')", name="paused_reason"),
    CheckConstraint("(state = 'paused') = (paused_reason IS NOT NULL)", name="paused"),
    CheckConstraint("(previous_secret IS NULL) = (previous_secret_expires_at IS NULL)", name="previous_secret"),
    Index("ix_webhook_endpoints_active", "org_id", postgresql_where=text("state = 'active'")),
    info={"scope": "tenant"},
)
"""event_types: exact or with a trailing `.*`; none means all. handled_seq: every event up to it was delivered, filtered out
or skipped. failure_count: of the event after it, so far; next_attempt_at NULL: at once. revision
counts the changes that people made. The lease is of the worker that
sends or sent last, in the time of the machines; whoever waits longest is served first."""

webhook_deliveries: Final = Table(
    "webhook_deliveries",
    metadata,
    Column("org_id", Uuid, nullable=False),
    Column("endpoint_id", Uuid, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempt_count", Integer, nullable=False),
    Column("status_code", Integer),
    Column("error", Text, nullable=False),
    Column("response_snippet", Text, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("last_attempt_at", _TIME, nullable=False),
    Column("next_attempt_at", _TIME),
    Column("delivered_at", _TIME),
    PrimaryKeyConstraint("org_id", "endpoint_id", "seq"),
    ForeignKeyConstraint(["org_id", "endpoint_id"], [webhook_endpoints.c.org_id, webhook_endpoints.c.endpoint_id]),
    CheckConstraint("state IN ('pending', 'delivered', 'failed')", name="state"),
    CheckConstraint("(state = 'delivered') = (delivered_at IS NOT NULL)", name="delivered"),
    info={"scope": "tenant"},
)
"""One row for each event and endpoint, the newest ones only. status_code NULL: no answer, `error` says why.
response_snippet: the start of the answer's body. pending: another attempt follows."""
