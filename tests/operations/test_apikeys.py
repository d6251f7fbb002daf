"""API keys: making, revoking, and authenticating with them."""

import asyncio
import uuid
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from wallet_service.accounts.model import Organization
from wallet_service.accounts.operations import Organizations
from wallet_service.apikeys import authentication
from wallet_service.apikeys.authentication import Authenticator
from wallet_service.apikeys.operations import ApiKeys, IssuedKey
from wallet_service.apikeys.rules import hash_of, prefix_of, secret_of
from wallet_service.clock import ManualClock
from wallet_service.db import Database, unavailable
from wallet_service.errors import Code, Reason, ServiceError
from wallet_service.principal import Principal, Role

OPERATOR = Principal(uuid.uuid4(), None, None, Role.OPERATOR)


@pytest.fixture
def keys(db: Database, clock: ManualClock) -> ApiKeys:
    return ApiKeys(db, clock, live=True)


@pytest.fixture
async def acme(db: Database, clock: ManualClock) -> Organization:
    return await Organizations(db, clock).create(slug="acme")


async def make(
    keys: ApiKeys,
    organization: Organization | None,
    role: Role,
    *,
    principal: Principal = OPERATOR,
    expires_at: datetime | None = None,
    request_id: str = "",
) -> IssuedKey:
    return await keys.create(
        principal,
        org_id=organization and organization.org_id,
        role=role,
        display_name="a key",
        expires_at=expires_at,
        request_id=request_id,
    )


def principal_of(issued: IssuedKey) -> Principal:
    key = issued.key
    return Principal(key.key_id, key.org_id, key.org_slug, key.role)


class TestSecrets:
    @pytest.mark.parametrize(("live", "prefix"), [(True, "wk_live_"), (False, "wk_test_")])
    def test_a_secret_spells_256_bits(self, live, prefix):
        zero, top = (secret_of(bytes([n]) * 32, live=live) for n in (0, 255))
        assert zero == prefix + "0" * 43
        assert len(top) == len(prefix) + 43
        assert top.removeprefix(prefix).isalnum()
        one = secret_of(bytes(31) + b"\x01", live=live)
        assert one == prefix + "0" * 42 + "1"
        assert prefix_of(top) == top[:12]

    def test_a_secret_of_another_size_is_a_defect(self):
        with pytest.raises(ValueError, match="32 bytes"):
            secret_of(bytes(31), live=True)

    async def test_only_the_hash_is_stored(self, db, keys, acme):
        issued = await make(keys, acme, Role.VIEWER)

        async def work(conn):
            found = await conn.execute(text("SELECT k::text, key_hash FROM api_keys k"))
            return found.one()

        everything, digest = await db.read(work)
        assert bytes(digest) == hash_of(issued.secret)
        assert issued.secret[12:] not in everything
        assert issued.key.prefix == issued.secret[:12]


class TestMaking:
    async def test_a_key_is_not_mightier_than_its_creator(self, keys, acme):
        admin = principal_of(await make(keys, acme, Role.ADMIN))
        for role in (Role.VIEWER, Role.EDITOR, Role.ADMIN):
            await make(keys, acme, role, principal=admin)
        with pytest.raises(ServiceError) as refused:
            await make(keys, None, Role.OPERATOR, principal=admin)
        assert (refused.value.code, refused.value.reason) == (
            Code.PERMISSION_DENIED,
            Reason.ROLE_TOO_LOW,
        )

    async def test_operators_belong_to_no_organization_and_others_to_one(self, keys, acme, clock):
        for organization, role, expires_at in (
            (acme, Role.OPERATOR, None),
            (None, Role.ADMIN, None),
            (acme, Role.VIEWER, clock.now()),
        ):
            with pytest.raises(ServiceError) as refused:
                await make(keys, organization, role, expires_at=expires_at)
            assert refused.value.reason is Reason.INVALID_FIELD
        made = await make(keys, None, Role.OPERATOR)
        assert (made.key.org_id, made.key.org_slug) == (None, None)

    async def test_a_repeated_request_does_not_show_the_secret(self, keys, acme):
        first = await make(keys, acme, Role.EDITOR, request_id="r")
        again = await make(keys, acme, Role.EDITOR, request_id="r")
        assert (again.key, again.secret) == (first.key, "")
        assert first.secret.startswith("wk_live_")
        with pytest.raises(ServiceError) as refused:
            await make(keys, acme, Role.ADMIN, request_id="r")
        assert refused.value.reason is Reason.IDEMPOTENCY_KEY_REUSED

    async def test_keys_are_found_by_their_owner_only(self, keys, acme):
        mine = (await make(keys, acme, Role.VIEWER)).key
        platform = (await make(keys, None, Role.OPERATOR)).key
        assert await keys.get(acme.org_id, str(mine.key_id)) == mine
        assert await keys.get(None, str(platform.key_id)) == platform
        for owner, name in (
            (acme.org_id, str(platform.key_id)),
            (None, str(mine.key_id)),
            (acme.org_id, "not-an-id"),
        ):
            with pytest.raises(ServiceError) as refused:
                await keys.get(owner, name)
            assert refused.value.reason is Reason.RESOURCE_NOT_FOUND

    async def test_lists_are_newest_first(self, keys, acme):
        made = [(await make(keys, acme, Role.VIEWER)).key for _ in range(3)]
        await make(keys, None, Role.OPERATOR)
        first = await keys.list(acme.org_id, size=2, token="")
        rest = await keys.list(acme.org_id, size=2, token=first.next_page_token)
        assert [*first.rows, *rest.rows] == made[::-1]
        assert rest.next_page_token == ""
        assert len((await keys.list(None, size=0, token="")).rows) == 1


class TestRevoking:
    async def test_the_last_admin_key_cannot_revoke_itself(self, keys, acme, clock):
        issued = await make(keys, acme, Role.ADMIN)
        admin = principal_of(issued)
        soon = clock.now() + timedelta(hours=1)
        expiring = await make(keys, acme, Role.ADMIN, expires_at=soon)
        await make(keys, acme, Role.EDITOR)
        clock.advance(timedelta(hours=1))
        with pytest.raises(ServiceError) as refused:
            await keys.revoke(admin, acme.org_id, str(admin.key_id))
        assert (refused.value.code, refused.value.reason) == (
            Code.FAILED_PRECONDITION,
            Reason.LAST_ADMIN_KEY,
        )
        gone = await keys.revoke(admin, acme.org_id, str(expiring.key.key_id))
        assert gone.revoked_at == clock.now()
        second = await make(keys, acme, Role.ADMIN)
        assert (await keys.revoke(admin, acme.org_id, str(admin.key_id))).revoked_at
        with pytest.raises(ServiceError) as last:
            await keys.revoke(principal_of(second), acme.org_id, str(second.key.key_id))
        assert last.value.reason is Reason.LAST_ADMIN_KEY
        by_operator = await keys.revoke(OPERATOR, acme.org_id, str(second.key.key_id))
        assert by_operator.revoked_at == clock.now()

    async def test_two_admins_cannot_lock_each_other_out(self, keys, acme):
        pair = [await make(keys, acme, Role.ADMIN) for _ in range(2)]
        outcomes = await asyncio.gather(
            keys.revoke(principal_of(pair[0]), acme.org_id, str(pair[1].key.key_id)),
            keys.revoke(principal_of(pair[1]), acme.org_id, str(pair[0].key.key_id)),
            return_exceptions=True,
        )
        refusals = [one for one in outcomes if isinstance(one, ServiceError)]
        assert [one.reason for one in refusals] == [Reason.LAST_ADMIN_KEY]

    async def test_the_first_revocation_stands(self, keys, acme, clock):
        issued = await make(keys, acme, Role.VIEWER)
        first = await keys.revoke(OPERATOR, acme.org_id, str(issued.key.key_id))
        clock.advance(timedelta(days=1))
        again = await keys.revoke(OPERATOR, acme.org_id, str(issued.key.key_id))
        assert again == first


class TestAuthenticating:
    async def test_a_key_tells_who_calls(self, db, keys, acme, clock):
        mine = await make(keys, acme, Role.EDITOR)
        platform = await make(keys, None, Role.OPERATOR)
        async with Authenticator(db, clock) as authenticator:
            assert await authenticator.authenticate(mine.secret) == principal_of(mine)
            operator = await authenticator.authenticate(platform.secret)
            assert operator == principal_of(platform)

    async def test_every_refusal_has_the_same_words(self, db, keys, acme, clock):
        revoked = await make(keys, acme, Role.ADMIN)
        await keys.revoke(OPERATOR, acme.org_id, str(revoked.key.key_id))
        expired = await make(keys, acme, Role.VIEWER, expires_at=clock.now() + timedelta(minutes=1))
        refusals: list[ServiceError] = []
        async with Authenticator(db, clock) as authenticator:
            assert await authenticator.authenticate(expired.secret)
            clock.advance(timedelta(minutes=1))
            for secret in (
                revoked.secret,
                expired.secret,
                secret_of(bytes(32), live=True),
                "wk_live_",
                "\udcff ä",
            ):
                with pytest.raises(ServiceError) as refused:
                    await authenticator.authenticate(secret)
                refusals.append(refused.value)
        assert {one.reason for one in refusals} == {Reason.UNAUTHENTICATED}
        assert len({(one.message, str(one.metadata)) for one in refusals}) == 1

    async def test_a_revoked_key_works_no_longer_than_a_second(self, db, keys, acme, clock, monkeypatch):
        seconds = 100.0
        monkeypatch.setattr(authentication.time, "monotonic", lambda: seconds)
        issued = await make(keys, acme, Role.VIEWER)
        async with Authenticator(db, clock) as authenticator:
            await authenticator.authenticate(issued.secret)
            await keys.revoke(OPERATOR, acme.org_id, str(issued.key.key_id))
            seconds = 100.99
            await authenticator.authenticate(issued.secret)
            seconds = 101.0
            with pytest.raises(ServiceError):
                await authenticator.authenticate(issued.secret)

    async def test_the_last_use_is_noted_to_the_minute_and_once(self, db, keys, acme, clock, monkeypatch):
        issued = await make(keys, acme, Role.VIEWER)
        name = str(issued.key.key_id)
        written: list[dict[uuid.UUID, datetime]] = []
        note_uses = authentication.store.note_uses

        async def counted(conn, uses):
            written.append(dict(uses))
            await note_uses(conn, uses)

        monkeypatch.setattr(authentication.store, "note_uses", counted)
        async with Authenticator(db, clock) as authenticator:
            await authenticator.authenticate(issued.secret)
            assert (await keys.get(acme.org_id, name)).last_used_at is None
            await authenticator.flush()
            minute = clock.now().replace(second=0)
            assert (await keys.get(acme.org_id, name)).last_used_at == minute
            authenticator._cache.clear()
            for _ in range(3):
                await authenticator.authenticate(issued.secret)
                await authenticator.flush()
            assert len(written) == 1
            clock.advance(timedelta(seconds=30))
            await authenticator.authenticate(issued.secret)
        assert (await keys.get(acme.org_id, name)).last_used_at == clock.now()
        assert len(written) == 2

    async def test_uses_are_kept_while_the_database_is_away(self, db, keys, acme, clock, monkeypatch):
        issued = await make(keys, acme, Role.VIEWER)

        async def away(work):
            raise unavailable()

        async with Authenticator(db, clock) as authenticator:
            await authenticator.authenticate(issued.secret)
            with monkeypatch.context() as patched:
                patched.setattr(db, "transact", away)
                with pytest.raises(ServiceError):
                    await authenticator.flush()
        key = await keys.get(acme.org_id, str(issued.key.key_id))
        assert key.last_used_at == clock.now().replace(second=0)

    async def test_a_closed_authenticator_refuses(self, db, clock):
        async with Authenticator(db, clock) as authenticator:
            pass
        with pytest.raises(ServiceError) as refused:
            await authenticator.authenticate("wk_live_x")
        assert refused.value.code is Code.UNAVAILABLE
