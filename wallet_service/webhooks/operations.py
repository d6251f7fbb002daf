"""Use cases of the inbox: receive a delivery, work an event, forget old ones."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from providers.protocol import EventKind, PaymentProvider
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.job_queue import JobName, enqueue
from wallet_service.tenancy import Reach, within
from wallet_service.topups.asking import TopUpSync
from wallet_service.webhooks import store

KEPT_FOR: Final = timedelta(days=30)
"""How long a processed event is remembered; Stripe delivers again for three days. A later repeat would change nothing."""

_DELETED_MAX: Final = 10_000
_ABOUT_PAYMENTS: Final = frozenset({EventKind.PAYMENT, EventKind.REFUND, EventKind.DISPUTE, EventKind.FRAUD_WARNING})
_log: Final = structlog.get_logger("wallet.webhooks")


class WebhookInbox:
    """Events of all providers, by the provider's name."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        providers: Mapping[str, PaymentProvider],
        topup_sync: TopUpSync,
    ) -> None:
        self._db = db
        self._clock = clock
        self._providers = providers
        self._topup_sync = topup_sync

    @property
    def provider_names(self) -> tuple[str, ...]:
        """Providers whose deliveries are taken."""
        return tuple(self._providers)

    async def receive(self, provider: str, raw: bytes, headers: Mapping[str, str]) -> int:
        """Note the events of a delivery, each with its job, in one transaction; how many were new.

        Raises `providers.protocol.WebhookRejected` for a delivery that must not be trusted.
        """
        events = self._providers[provider].verify_webhook(raw, headers)
        now = self._clock.now()

        async def work(conn: AsyncConnection) -> int:
            new_count = 0
            for event in events:
                if await store.insert_event(conn, event, now):
                    new_count += 1
                    payload = {"provider": event.provider, "event_id": event.event_id}
                    await enqueue(conn, JobName.PROVIDER_EVENT, payload)
            return new_count

        with within(Reach.NOBODY):
            return await self._db.transact(work)

    async def work(self, provider: str, event_id: str) -> None:
        """The job of an event: settle the payment that it is about, as the provider has it now.

        Raises `ProviderError` when the provider does not answer: try again.
        """
        event = await self._db.read(lambda conn: store.read_event(conn, provider=provider, event_id=event_id))
        if event is None or event.is_processed:
            return
        if event.kind in _ABOUT_PAYMENTS and event.payment_external_id is not None:
            topup = await self._topup_sync.sync_payment(provider, event.payment_external_id)
            if topup is not None and event.kind is EventKind.FRAUD_WARNING:
                await self._topup_sync.warn_of_fraud(topup, reference=event.object_id)
        else:
            _log.info("provider_event_without_effect", event_type=event.event_type)
        await self._db.transact(
            lambda conn: store.mark_processed(conn, provider=provider, event_id=event_id, at=self._clock.now())
        )

    async def clean(self) -> int:
        """Forget events that were processed more than 30 days ago; how many."""
        before = self._clock.now() - KEPT_FOR
        return await self._db.transact(lambda conn: store.delete_processed(conn, before=before, limit=_DELETED_MAX))
