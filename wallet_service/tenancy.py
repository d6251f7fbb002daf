"""Whose data the current work may touch: one organization's, everyone's, or nobody's.

Entered where work begins (a call after its authorization, a job, a command, a round of a loop) and narrowed, never
widened, on the way. `Database` tells PostgreSQL with the statement that opens each transaction: the role `wallet_tenant`
sees and writes rows of one organization only, whatever a statement forgets to ask for. What works for everyone acts as the
service's own role. Work that has entered nothing gets no transaction.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from typing import Final
from uuid import UUID

TENANT_ROLE: Final = "wallet_tenant"
"""Row-level security binds it to the organization of the setting `wallet.tenant`; it has all that `wallet_app` has."""


class Reach(Enum):
    """What is not one organization. NOBODY: tables without tenants only."""

    EVERYONE = "everyone"
    NOBODY = "nobody"


Tenants = UUID | Reach
"""An organization by its id, or one of `Reach`."""

_current: Final[ContextVar[Tenants | None]] = ContextVar("tenants", default=None)


class TenantsNotEntered(RuntimeError):
    """A transaction was begun by work that has not said whose data it is about."""


class BeyondTenants(RuntimeError):
    """Work for one organization, or for nobody, reached for another one's data."""


@contextmanager
def within(tenants: Tenants) -> Generator[None]:
    """Only these for the block. Raises BeyondTenants where they are more than what is around the block."""
    before = _current.get()
    _check(before, tenants)
    # Not by token: a stream's block may be left in another context than it was entered in.
    _current.set(tenants)
    try:
        yield
    finally:
        _current.set(before)


def narrow(tenants: Tenants) -> None:
    """`within` for the rest of the block around: for work that learns late whose it is. Raises BeyondTenants."""
    _check(_current.get(), tenants)
    _current.set(tenants)


def of(org_id: UUID | None) -> Tenants:
    """The organization, or everyone for None."""
    return Reach.EVERYONE if org_id is None else org_id


def settings() -> str:
    """What a transaction is opened with, as SQL, "" where there is nothing to tell.

    Literal and by SET LOCAL: so it ends with the transaction, and a coordinator of Citus passes it on. Raises
    TenantsNotEntered.
    """
    tenants = _current.get()
    if tenants is None:
        raise TenantsNotEntered("whose data is this work about? it has to enter wallet_service.tenancy first")
    if tenants is Reach.EVERYONE:
        return ""
    # A UUID is spelled by hex digits and dashes, so it needs no quoting.
    value = "" if isinstance(tenants, Reach) else str(tenants)
    return f"SET LOCAL ROLE {TENANT_ROLE}; SET LOCAL wallet.tenant = '{value}'"


def _check(around: Tenants | None, wanted: Tenants) -> None:
    if around is None or around is Reach.EVERYONE or wanted is Reach.NOBODY or around == wanted:
        return
    raise BeyondTenants(f"{wanted} within {around}")
