"""The wall between tenants: what a row-level policy lets through of a table whose rows belong to organizations."""

from typing import Final

from alembic import op

from wallet_service.migrations.grants import SERVICE_ROLE

TENANT_ROLE: Final = "wallet_tenant"

_OWN: Final = "org_id = nullif(current_setting('wallet.tenant', true), '')::uuid"
"""Stable and without a sub-select, which Citus refuses in a policy. Beside `org_id = $1`, as every statement of ours says,
it becomes one comparison before the scan; unset, it is true for no row."""


def create_tenant_role() -> None:
    """Make the role that sees one organization, where missing, and let the migrating role and the service act as it.

    It has what the service's role has, now and later.
    """
    op.execute(
        f"""
        DO $$ BEGIN
            CREATE ROLE {TENANT_ROLE} NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END $$
        """
    )
    op.execute(f"GRANT {SERVICE_ROLE} TO {TENANT_ROLE}")
    op.execute(f"GRANT {TENANT_ROLE} TO CURRENT_USER")


def wall(*tables: str) -> None:
    """The service's role keeps to what it asks for; the tenant role is held to its organization besides.

    The owner of the tables is not bound: migrations, backups and foreign keys see all rows.
    """
    for table in tables:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY everyone ON {table} TO {SERVICE_ROLE} USING (true) WITH CHECK (true)")
        op.execute(f"CREATE POLICY own ON {table} AS RESTRICTIVE TO {TENANT_ROLE} USING ({_OWN}) WITH CHECK ({_OWN})")
