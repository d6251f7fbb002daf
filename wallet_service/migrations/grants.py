"""What the service's role may do to a table: append-only tables can be read and added to, nothing else."""

from typing import Final

from alembic import op

SERVICE_ROLE: Final = "wallet_app"


def create_service_role() -> None:
    """Make the role the service acts as, where missing, and let the migrating role act as it.

    Roles belong to the whole server: another database may have made it, even at this very moment.
    """
    op.execute(
        f"""
        DO $$ BEGIN
            CREATE ROLE {SERVICE_ROLE} NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END $$
        """
    )
    op.execute(f"GRANT {SERVICE_ROLE} TO CURRENT_USER")
    op.execute(f"GRANT USAGE ON SCHEMA public TO {SERVICE_ROLE}")


def grant(*tables: str) -> None:
    """Ordinary tables."""
    _grant("SELECT, INSERT, UPDATE, DELETE", tables)


def grant_append_only(*tables: str) -> None:
    """Tables whose rows are facts."""
    _grant("SELECT, INSERT", tables)


def _grant(privileges: str, tables: tuple[str, ...]) -> None:
    op.execute(f"GRANT {privileges} ON {', '.join(tables)} TO {SERVICE_ROLE}")
