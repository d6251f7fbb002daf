"""The numbered log of events: no gap and no repeat, whatever writers and readers do."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.operations.journal_scene import journal_scene
from tests.operations.payments_lab import AUTHENTICATE, payments_lab
from wallet_service.accounts.operations import Organizations
from wallet_service.accounts.project_operations import Projects
from wallet_service.accounts.wallet_operations import Wallets
from wallet_service.apikeys.operations import ApiKeys
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.errors import ServiceError
from wallet_service.events import store
from wallet_service.events.model import Event, EventType, NewEvent
from wallet_service.events.steps import append
from wallet_service.principal import Principal, Role


async def organization(db: Database, clock: ManualClock, slug: str = "acme") -> UUID:
    return (await Organizations(db, clock).create(slug=slug)).org_id


def test_event(text: str) -> NewEvent:
    return NewEvent(EventType.WEBHOOK_ENDPOINT_TEST, "organizations/acme", {"text": text, "count": 2**60, "none": None})


test_event.__test__ = False  # pyright: ignore[reportFunctionMemberAccess]


async def events_after(db: Database, org_id: UUID, seq: int, *, limit: int = 10_000) -> list[Event]:
    return await db.read(lambda conn: store.after(conn, org_id, seq, limit=limit))


class Abandoned(Exception):
    """A change that is taken back after its events were written."""


async def test_numbers_have_no_gap_under_concurrent_writers_and_rollbacks(db: Database, clock: ManualClock):
    org_id = await organization(db, clock)
    start = await db.read(lambda conn: store.head(conn, org_id))
    kept: list[int] = []

    async def write(index: int) -> None:
        async def work(conn: AsyncConnection) -> None:
            batch = [test_event(f"{index}.{part}") for part in range(index % 3 + 1)]
            written = await append(conn, org_id, batch, now=clock.now())
            if index % 4 == 0:
                raise Abandoned
            kept.extend(event.seq for event in written)

        await db.transact(work)

    results = await asyncio.gather(*(write(index) for index in range(60)), return_exceptions=True)
    assert sum(isinstance(result, Abandoned) for result in results) == 15
    found = await events_after(db, org_id, start)
    assert [event.seq for event in found] == list(range(start + 1, start + 1 + len(kept)))
    assert sorted(kept) == [event.seq for event in found]
    # What one transaction wrote stands together, in its own order.
    texts = [str(event.data["text"]) for event in found]
    for index in range(60):
        own = [position for position, text in enumerate(texts) if text.startswith(f"{index}.")]
        assert own == list(range(own[0], own[0] + len(own))) if own else index % 4 == 0
        assert [texts[position] for position in own] == [f"{index}.{part}" for part in range(len(own))]
    assert (await db.read(lambda conn: store.head(conn, org_id))) == found[-1].seq


async def test_a_reader_never_sees_a_number_before_the_smaller_ones(db: Database, clock: ManualClock):
    org_id = await organization(db, clock)
    seen: list[int] = []
    done = asyncio.Event()

    async def follow() -> None:
        cursor = 0
        while True:
            last = done.is_set()
            read_after = cursor
            for event in await events_after(db, org_id, cursor, limit=7):
                seen.append(event.seq)
                cursor = event.seq
            if last and cursor == read_after:
                return

    async def write(index: int) -> None:
        async def work(conn: AsyncConnection) -> None:
            await append(conn, org_id, [test_event(str(index))], now=clock.now())
            await asyncio.sleep(0.001 * (index % 5))

        await db.transact(work)

    reader = asyncio.create_task(follow())
    await asyncio.gather(*(write(index) for index in range(50)))
    done.set()
    await reader
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) >= 50


async def test_nothing_to_write_takes_no_number(db: Database, clock: ManualClock):
    org_id = await organization(db, clock)
    before = await db.read(lambda conn: store.head(conn, org_id))
    assert await db.transact(lambda conn: append(conn, org_id, [], now=clock.now())) == ()
    assert await db.read(lambda conn: store.head(conn, org_id)) == before


async def test_facts_come_back_as_they_were_written(db: Database, clock: ManualClock):
    org_id = await organization(db, clock)
    (written,) = await db.transact(lambda conn: append(conn, org_id, [test_event("naïve ☃")], now=clock.now()))
    assert (await events_after(db, org_id, 0))[-1] == written
    assert written.created_at == clock.now()


async def test_changes_of_an_organization_leave_their_events(db: Database, clock: ManualClock):
    organizations, projects, wallets = Organizations(db, clock), Projects(db, clock), Wallets(db, clock)
    keys = ApiKeys(db, clock, live=False)
    org_id = (await organizations.create(slug="acme", display_name="Acme", currency="EUR", request_id="once")).org_id
    await organizations.create(slug="acme", display_name="Acme", currency="EUR", request_id="once")
    await organizations.update(org_id, display_name="Acme Inc.")
    await organizations.rename_billing_account(org_id, "Books")
    await projects.create(org_id, slug="site", display_name="", request_id="once")
    await projects.create(org_id, slug="site", display_name="", request_id="once")
    await projects.rename(org_id, slug="site", display_name="Site")
    await wallets.delete(org_id)
    await wallets.create(org_id, currency="", display_name="")
    issued = await keys.issue(org_id=org_id, role=Role.VIEWER, display_name="reader")
    operator = Principal(issued.key.key_id, None, None, Role.OPERATOR)
    for _ in range(2):
        await keys.revoke(operator, org_id, str(issued.key.key_id))
    wallet, key = "organizations/acme/wallets/default", f"organizations/acme/api-keys/{issued.key.key_id}"
    assert [(event.type, event.subject) for event in await events_after(db, org_id, 0)] == [
        ("organization.created", "organizations/acme"),
        ("wallet.created", wallet),
        ("organization.updated", "organizations/acme"),
        ("billing_account.updated", "organizations/acme/billing-accounts/default"),
        ("project.created", "projects/site"),
        ("project.updated", "projects/site"),
        ("wallet.closed", wallet),
        ("wallet.created", wallet),
        ("api_key.created", key),
        ("api_key.revoked", key),
    ]


async def test_a_change_that_is_refused_leaves_no_event(db: Database, clock: ManualClock):
    org_id = await organization(db, clock)
    before = await db.read(lambda conn: store.head(conn, org_id))
    with pytest.raises(ServiceError):
        await Wallets(db, clock).create(org_id, currency="", display_name="")
    assert await db.read(lambda conn: store.head(conn, org_id)) == before


async def test_cards_leave_their_events(db: Database, clock: ManualClock):
    async with payments_lab(db, clock) as lab:
        first = await lab.saved_card()
        second = await lab.saved_card(AUTHENTICATE)
        await lab.methods.set_default(lab.org_id, second)
        await lab.methods.set_default(lab.org_id, second)
        await lab.methods.detach(lab.org_id, first)
        await lab.methods.detach(lab.org_id, first)
        found = [event for event in await events_after(lab.db, lab.org_id, 0) if event.type.startswith("payment_")]
    assert [(event.type, event.subject.rpartition("/")[2]) for event in found] == [
        ("payment_method.attached", first),
        ("payment_method.default_changed", first),
        ("payment_method.attached", second),
        ("payment_method.default_changed", second),
        ("payment_method.detached", first),
    ]


async def test_a_deposit_leaves_its_event_once(db: Database, clock: ManualClock):
    async with journal_scene(db, clock) as scene:
        for _ in range(2):
            entry, _ = await scene.journal.deposit(
                scene.org_id, amount_minor=500, currency="", description="gift", key="one"
            )
        found = [event for event in await events_after(scene.db, scene.org_id, 0) if "deposit" in event.type]
    (event,) = found
    assert event.data["amount_minor"] == 500
    assert str(event.data["journal_entry"]).endswith(str(entry.entry_id))
