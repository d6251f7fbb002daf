"""Use cases of API keys: create, issue, get, list, revoke."""

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.ids import new_id
from wallet_service import names
from wallet_service.accounts import steps as accounts
from wallet_service.apikeys import store
from wallet_service.apikeys.rules import (
    SECRET_BYTES,
    ApiKey,
    check_new_key,
    check_revocation,
    hash_of,
    prefix_of,
    secret_of,
)
from wallet_service.audit_log.pending import note_event
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.errors import not_found
from wallet_service.events.model import EventType, NewEvent
from wallet_service.events.steps import append
from wallet_service.pages import Page, decode_id, page_of, page_size, query_digest
from wallet_service.principal import Principal, Role
from wallet_service.requests.operations import PLATFORM, claim


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key with the one showing of its secret; empty where the key was issued before."""

    key: ApiKey
    secret: str


class ApiKeys:
    """Use cases. `live` chooses between `wk_live_` and `wk_test_` secrets."""

    def __init__(self, db: Database, clock: Clock, *, live: bool) -> None:
        self._db = db
        self._clock = clock
        self._live = live

    async def create(
        self,
        principal: Principal,
        *,
        org_id: uuid.UUID | None,
        role: Role,
        display_name: str,
        expires_at: datetime | None,
        request_id: str,
    ) -> IssuedKey:
        """Make a key on behalf of `principal`, for an organization or (`org_id` None) for the platform.

        Raises ROLE_TOO_LOW, INVALID_FIELD (see `rules.check_new_key`) and IDEMPOTENCY_KEY_REUSED.
        """
        check_new_key(
            creator=principal.role,
            role=role,
            platform=org_id is None,
            expires_at=expires_at,
            now=self._clock.now(),
        )
        return await self._make(
            org_id=org_id,
            role=role,
            display_name=display_name,
            expires_at=expires_at,
            request_id=request_id,
        )

    async def issue(self, *, org_id: uuid.UUID | None, role: Role, display_name: str) -> IssuedKey:
        """Make a key for whoever runs the service, who needs none: the command line, and the first start in dev mode."""
        return await self._make(
            org_id=org_id,
            role=role,
            display_name=display_name,
            expires_at=None,
            request_id="",
        )

    async def get(self, org_id: uuid.UUID | None, key_id: str) -> ApiKey:
        """A key of an organization, or of the platform. Raises RESOURCE_NOT_FOUND."""

        async def work(conn: AsyncConnection) -> ApiKey:
            return await _key(conn, org_id, key_id)

        return await self._db.read(work)

    async def list(self, org_id: uuid.UUID | None, *, size: int, token: str) -> Page[ApiKey]:
        """Keys of an organization, or of the platform; newest first."""
        limit, digest = page_size(size), query_digest("api-keys", org_id)
        before = decode_id(token, digest)

        async def work(conn: AsyncConnection) -> Page[ApiKey]:
            rows = await store.list_keys(
                conn,
                org_id,
                before=before,
                limit=limit + 1,
            )
            return page_of(rows, size=limit, digest=digest, key=lambda key: (str(key.key_id),))

        return await self._db.read(work)

    async def revoke(self, principal: Principal, org_id: uuid.UUID | None, key_id: str) -> ApiKey:
        """Revoke a key for good; a revoked one stays as it is. Raises RESOURCE_NOT_FOUND and LAST_ADMIN_KEY."""

        async def work(conn: AsyncConnection) -> ApiKey:
            now = self._clock.now()
            admins: Sequence[uuid.UUID] = ()
            if org_id is not None:
                admins = await store.lock_live_admins(conn, org_id, now)
            key = await _key(conn, org_id, key_id)
            check_revocation(
                revoker=principal.role,
                key=key,
                other_live_admins=sum(admin != key.key_id for admin in admins),
                now=now,
            )
            await store.revoke(conn, key.key_id, now)
            if key.revoked_at is None:
                await _tell(conn, key, EventType.API_KEY_REVOKED, now)
            return await _key(conn, org_id, key_id)

        return await self._db.transact(work)

    async def _make(
        self,
        *,
        org_id: uuid.UUID | None,
        role: Role,
        display_name: str,
        expires_at: datetime | None,
        request_id: str,
    ) -> IssuedKey:
        secret = secret_of(secrets.token_bytes(SECRET_BYTES), live=self._live)
        now = self._clock.now()
        key_id = new_id(now)

        async def work(conn: AsyncConnection) -> IssuedKey:
            org_slug = None
            if org_id is not None:
                org_slug = (await accounts.organization(conn, org_id)).slug
            first = await claim(
                conn,
                org_id=org_id or PLATFORM,
                method="CreateApiKey",
                request_id=request_id,
                content={
                    "role": role.name,
                    "display_name": display_name,
                    "expires_at": expires_at and expires_at.isoformat(),
                },
                resource=str(key_id),
                now=now,
            )
            if first is not None:
                return IssuedKey(await _key(conn, org_id, first), "")
            made = ApiKey(
                key_id=key_id,
                org_id=org_id,
                org_slug=org_slug,
                role=role,
                prefix=prefix_of(secret),
                display_name=display_name,
                created_at=now,
                expires_at=expires_at,
                revoked_at=None,
                last_used_at=None,
            )
            await store.insert_key(conn, made, hash_of(secret))
            await _tell(conn, made, EventType.API_KEY_CREATED, now)
            return IssuedKey(made, secret)

        return await self._db.transact(work)


async def _tell(conn: AsyncConnection, key: ApiKey, happened: EventType, now: datetime) -> None:
    """Write the event of an organization's key; the platform has no events, only its audit log."""
    facts = {"display_name": key.display_name, "role": key.role.name.lower(), "prefix": key.prefix}
    subject = names.api_key(key.org_slug, str(key.key_id))
    if key.org_id is None:
        note_event(happened.value, subject, facts)
    else:
        await append(conn, key.org_id, [NewEvent(happened, subject, facts)], now=now)


async def _key(conn: AsyncConnection, org_id: uuid.UUID | None, key_id: str) -> ApiKey:
    try:
        found = await store.key(conn, org_id, uuid.UUID(key_id))
    except ValueError:
        found = None
    if found is None:
        slug = None
        if org_id is not None:
            slug = (await accounts.organization(conn, org_id)).slug
        raise not_found("API key", names.api_key(slug, key_id))
    return found
