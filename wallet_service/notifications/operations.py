"""Use cases of messages to people: who is told, what of, and one attempt to tell."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.ids import new_id
from wallet_service import names
from wallet_service.accounts import steps as accounts
from wallet_service.audit_log.pending import note_before
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.errors import invalid_field
from wallet_service.events import steps as events
from wallet_service.events.model import EventType, NewEvent
from wallet_service.job_queue import JobName, enqueue
from wallet_service.notifications import rules, store
from wallet_service.notifications.model import Delivery, DeliveryState, Message, Shown, Target, Wanted
from wallet_service.notifications.sending import Courier
from wallet_service.tenancy import within

_KEPT_FOR: Final = timedelta(days=30)
_DELETED_MAX: Final = 50_000
_ORGANIZATIONS_MAX: Final = 1_000
_EVENTS_MAX: Final = 500
_log: Final = structlog.get_logger("wallet.notifications")


class Notifications:
    """Settings, and the two halves of telling: finding out who wants an event, and telling one of them."""

    def __init__(self, db: Database, clock: Clock, courier: Courier) -> None:
        self._db = db
        self._clock = clock
        self._courier = courier

    async def get(self, org_id: UUID) -> list[Shown]:
        """Who is told, with masked addresses."""

        async def work(conn: AsyncConnection) -> list[Shown]:
            return _shown(await store.targets(conn, org_id))

        return await self._db.read(work)

    async def update(self, org_id: UUID, wanted: Sequence[Wanted]) -> list[Shown]:
        """Replace who is told, from the next event on. A masked address stands for the target that has it.

        Raises INVALID_FIELD for an address that nothing can be sent to, and for what `rules.merged` says.
        """
        now = self._clock.now()
        addresses = {want.address.strip() for want in wanted[: rules.TARGETS_MAX]}
        refusals = {address: await self._courier.refusal(address) for address in addresses}

        async def work(conn: AsyncConnection) -> list[Shown]:
            account = await accounts.billing_account(conn, org_id)
            await store.ensure_settings(conn, org_id, event_seq=await events.head(conn, org_id), now=now)
            await store.lock_settings(conn, org_id)
            existing = await store.targets(conn, org_id)
            made = rules.merged(existing, wanted, new_id=lambda: new_id(now), now=now)
            known = {target.address for target in existing}
            for index, target in enumerate(made):
                refusal = None if target.address in known else refusals[target.address]
                if refusal is not None:
                    raise invalid_field(f"targets[{index}].url", refusal)
            note_before(
                names.billing_account(account.org_slug),
                {"target_count": len(existing), "targets": ",".join(shown.address for shown in _shown(existing))},
            )
            await store.replace_targets(conn, org_id, made)
            await store.touch_settings(conn, org_id, now)
            changed = NewEvent(
                EventType.NOTIFICATION_SETTINGS_UPDATED,
                names.billing_account(account.org_slug),
                {"target_count": len(made)},
            )
            await events.append(conn, org_id, [changed], now=now)
            return _shown(made)

        return await self._db.transact(work)

    async def dispatch(self) -> int:
        """Look at new events of all organizations that have settings, and queue what is wanted; how many messages."""
        count = 0
        for org_id in await store.organizations_behind(self._db, limit=_ORGANIZATIONS_MAX):
            with within(org_id):
                count += await self.dispatch_one(org_id)
        return count

    async def dispatch_one(self, org_id: UUID) -> int:
        """Queue a message for each target that wants one of the next 500 events; how many."""
        now = self._clock.now()

        async def work(conn: AsyncConnection) -> int:
            cursor = await store.lock_settings(conn, org_id, wait=False)
            if cursor is None:
                return 0
            found = await events.events_after(conn, org_id, cursor, limit=_EVENTS_MAX)
            if not found:
                return 0
            made = [
                Delivery(org_id, event.seq, target.target_id, DeliveryState.PENDING, 0)
                for target in await store.targets(conn, org_id)
                for event in found
                if rules.wants(target.event_types, event.type)
            ]
            if made:
                await store.insert_deliveries(conn, made, now)
            for delivery in made:
                await _enqueue(conn, delivery, delay=timedelta(0))
            await store.move_cursor(conn, org_id, found[-1].seq)
            return len(made)

        return await self._db.transact(work)

    async def deliver(self, org_id: UUID, event_seq: int, target_id: UUID) -> DeliveryState | None:
        """Make one attempt; after a failure the next one is queued, up to five in all. None: no such message."""
        begun = await self._db.transact(lambda conn: self._begin(conn, org_id, event_seq, target_id))
        if begun is None or isinstance(begun, DeliveryState):
            return begun
        delivery, target, message = begun
        error = await self._courier.send(target.address, message)
        return await self._db.transact(lambda conn: self._note(conn, delivery, error))

    async def clean(self) -> int:
        """Forget messages that were settled 30 days ago; how many, a bounded number at a time."""
        before = self._clock.now() - _KEPT_FOR

        async def work(conn: AsyncConnection) -> int:
            return await store.delete_done(conn, before=before, limit=_DELETED_MAX)

        return await self._db.transact(work)

    async def _begin(
        self, conn: AsyncConnection, org_id: UUID, event_seq: int, target_id: UUID
    ) -> tuple[Delivery, Target, Message] | DeliveryState | None:
        """Count the attempt before it is made, so that a message that kills its worker is not tried for ever."""
        delivery = await store.lock_delivery(conn, org_id, event_seq, target_id)
        if delivery is None or delivery.state is not DeliveryState.PENDING:
            return None if delivery is None else delivery.state
        now = self._clock.now()
        target = await store.target(conn, org_id, target_id)
        if target is None:
            await store.update_delivery(conn, replace(delivery, state=DeliveryState.DROPPED), now, error=None)
            return DeliveryState.DROPPED
        if delivery.attempt_count >= rules.ATTEMPTS_MAX:
            await store.update_delivery(conn, replace(delivery, state=DeliveryState.FAILED), now, error="gave up")
            return DeliveryState.FAILED
        [event] = await events.events_after(conn, org_id, event_seq - 1, limit=1)
        delivery = replace(delivery, attempt_count=delivery.attempt_count + 1)
        await store.update_delivery(conn, delivery, now, error=None)
        return delivery, target, rules.message_of(event)

    async def _note(self, conn: AsyncConnection, delivery: Delivery, error: str | None) -> DeliveryState:
        now = self._clock.now()
        if error is None:
            await store.update_delivery(conn, replace(delivery, state=DeliveryState.SENT), now, error=None)
            return DeliveryState.SENT
        delay = rules.retry_after(delivery.attempt_count)
        state = DeliveryState.FAILED if delay is None else DeliveryState.PENDING
        await store.update_delivery(conn, replace(delivery, state=state), now, error=error)
        if delay is None:
            _log.warning(
                "notification_failed",
                org_id=str(delivery.org_id),
                event_seq=delivery.event_seq,
                target_id=str(delivery.target_id),
                error=error,
            )
        else:
            await _enqueue(conn, delivery, delay=delay)
        return state


async def _enqueue(conn: AsyncConnection, delivery: Delivery, *, delay: timedelta) -> None:
    await enqueue(
        conn,
        JobName.NOTIFICATION,
        {
            "org_id": str(delivery.org_id),
            "event_seq": str(delivery.event_seq),
            "target_id": str(delivery.target_id),
        },
        delay=delay,
    )


def _shown(targets: Sequence[Target]) -> list[Shown]:
    return [Shown(rules.shown_address(target), target.event_types) for target in targets]
