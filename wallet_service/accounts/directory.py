"""Whose is this slug? Asked on every call, so answers are kept.

Slugs are never changed and never freed, so an answer that was committed once stays right. What is not found is asked again.
"""

import uuid
from typing import Final, NamedTuple, TypeVar

from wallet_service.db import Database

V = TypeVar("V")

_ENTRIES_MAX: Final = 100_000
_ORGANIZATION: Final = "SELECT org_id FROM organization_directory WHERE slug = $1"
_PROJECT: Final = """
    SELECT p.org_id, o.slug, p.project_id
    FROM project_directory p JOIN organization_directory o ON o.org_id = p.org_id
    WHERE p.slug = $1
"""


class ProjectOwner(NamedTuple):
    """A project and the organization that owns it."""

    org_id: uuid.UUID
    org_slug: str
    project_id: uuid.UUID


class Directory:
    """Resolves slugs of organizations and projects; the oldest of 100,000 answers is forgotten first."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._organizations: dict[str, uuid.UUID] = {}
        self._projects: dict[str, ProjectOwner] = {}

    async def resolve_organization(self, slug: str) -> uuid.UUID | None:
        """The id of an organization, or None."""
        known = self._organizations.get(slug)
        if known is None and (rows := await self._db.fetch(_ORGANIZATION, slug)):
            known = rows[0]["org_id"]
            _keep(self._organizations, slug, known)
        return known

    async def resolve_project(self, slug: str) -> ProjectOwner | None:
        """A project with its owner, or None."""
        known = self._projects.get(slug)
        if known is None and (rows := await self._db.fetch(_PROJECT, slug)):
            known = ProjectOwner(*rows[0])
            _keep(self._projects, slug, known)
        return known


def _keep(entries: dict[str, V], slug: str, value: V) -> None:
    if len(entries) >= _ENTRIES_MAX:
        del entries[next(iter(entries))]
    entries[slug] = value
