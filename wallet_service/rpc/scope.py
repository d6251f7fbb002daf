"""Whose data the current call is about, as ids: what authorization found, resolved for the operations."""

import uuid
from datetime import datetime
from typing import NamedTuple

from wallet_service import names
from wallet_service.accounts.directory import Directory, ProjectOwner
from wallet_service.clock import enter
from wallet_service.errors import not_found
from wallet_service.principal import Principal, Role
from wallet_service.rpc.call import current_call
from wallet_service.tenancy import narrow
from wallet_service.testclocks.times import MomentOf, real_time


class Owner(NamedTuple):
    """The organization that a call is about."""

    org_id: uuid.UUID
    slug: str


class Scope:
    """Resolves what the current, authorized call names."""

    def __init__(self, directory: Directory, moment_of: MomentOf = real_time) -> None:
        self._directory = directory
        self._moment_of = moment_of

    async def moment(self) -> datetime | None:
        """The present of the organization that the current call is about; None if it tells none, and for real time."""
        org_id = current_call().org_id = await self._known_organization()
        return None if org_id is None else await self._moment_of(org_id)

    async def owner(self, kind: str, name: str) -> Owner:
        """The organization of the current call.

        Raises RESOURCE_NOT_FOUND in the words of what the request named: its `kind` and `name`.
        """
        call = current_call()
        slug = call.organization
        if slug is None:
            raise not_found(kind, name)
        org_id = await self._known_organization()
        if org_id is None:
            raise not_found(kind, name)
        return Owner(org_id, slug)

    async def project(self, name: str, field: str) -> ProjectOwner:
        """The project `name`, if the principal may know of it and it is of the organization that the request names too.

        Raises RESOURCE_NOT_FOUND, and INVALID_RESOURCE_NAME for a malformed name in `field`.
        """
        found = await self._directory.resolve_project(names.parse_project(name, field))
        call = current_call()
        expected = call.organization
        if found is None or (expected is not None and found.org_slug != expected):
            raise not_found("project", name)
        if expected is None:
            # An operator's call that names nothing but the project: it is known only now whose call, time and data it is.
            call.org_id = found.org_id
            narrow(found.org_id)
            enter(await self._moment_of(found.org_id))
        return found

    async def _known_organization(self) -> uuid.UUID | None:
        call = current_call()
        slug, principal = call.organization, call.principal
        if slug is None:
            return None
        if principal is not None and principal.org_id is not None and principal.org_slug == slug:
            return principal.org_id
        return await self._directory.resolve_organization(slug)


def caller() -> Principal:
    """The principal of the current call, which authentication has put there."""
    principal = current_call().principal
    assert principal is not None, "only methods that need a key ask who calls"
    return principal


def visible_organization() -> uuid.UUID | None:
    """The organization that a list is limited to; None for an operator, who sees all of them."""
    principal = caller()
    if principal.role is Role.OPERATOR and principal.org_id is None:
        return None
    return principal.org_id
