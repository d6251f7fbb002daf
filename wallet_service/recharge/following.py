"""What becomes of a recharge when its top-up changes, and of recharging when a payment is called back."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from wallet_service.accounts import steps as accounts
from wallet_service.clock import Clock
from wallet_service.events.model import NewEvent
from wallet_service.recharge import notices, rules, store
from wallet_service.recharge.model import Attempt, AttemptState, DisabledReason, RechargeConfig, SkipReason
from wallet_service.topups.model import ClaimKind, Origin, TakenBack, TopUp, TopUpFailure, TopUpState

_CALLED_BACK = {
    ClaimKind.DISPUTE: DisabledReason.DISPUTE,
    ClaimKind.FRAUD_WARNING: DisabledReason.FRAUD_WARNING,
}


class RechargeFollower:
    """A `TopUpFollower`: every way to learn of a payment ends here."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def topup_changed(self, conn: AsyncConnection, before: TopUp | None, after: TopUp) -> Sequence[NewEvent]:
        """A step. Frees the claim when the payment can no longer succeed, and draws the consequences once."""
        if before is None or after.origin is not Origin.AUTO:
            return ()
        config = await store.read_config(conn, after.org_id, after.wallet_id, lock=True)
        attempt = await store.attempt_of(conn, after.org_id, after.topup_id)
        if attempt is None or attempt.settled_at is not None:
            return ()
        slug = (await accounts.organization(conn, after.org_id)).slug
        if after.state is TopUpState.SUCCEEDED:
            return await self._succeeded(conn, slug, config, attempt, after)
        if after.action_required and not before.action_required:
            return await self._waits_for_customer(conn, slug, config, attempt, after)
        events: list[NewEvent] = []
        failure = _news_of_failure(before, after)
        if failure is not None and attempt.state is AttemptState.IN_FLIGHT:
            config, events = await self._failed(conn, slug, config, after, failure)
        if after.state is not TopUpState.PENDING:
            await self._freed(conn, config, attempt)
        return events

    async def claim_changed(
        self, conn: AsyncConnection, topup: TopUp, before: TakenBack | None, after: TakenBack
    ) -> Sequence[NewEvent]:
        """A step. A dispute or fraud warning about any payment of the wallet turns recharging off."""
        reason = _CALLED_BACK.get(after.kind)
        is_news = before is None or (after.is_away and not before.is_away)
        if reason is None or not is_news:
            return ()
        config = await store.read_config(conn, topup.org_id, topup.wallet_id, lock=True)
        if config is None or not config.is_enabled:
            return ()
        changed = rules.turned_off(config, reason, self._clock.now())
        await store.put_config(conn, changed)
        slug = (await accounts.organization(conn, topup.org_id)).slug
        return [notices.of_disabling(slug, changed)]

    async def _succeeded(
        self, conn: AsyncConnection, slug: str, config: RechargeConfig | None, attempt: Attempt, topup: TopUp
    ) -> Sequence[NewEvent]:
        now = self._clock.now()
        await store.update_attempt(
            conn, replace(attempt, state=AttemptState.SUCCEEDED, settled_at=now, next_check_at=None)
        )
        if config is not None:
            await store.put_config(conn, rules.succeeded(config, now))
        return [notices.of_success(slug, topup)]

    async def _waits_for_customer(
        self, conn: AsyncConnection, slug: str, config: RechargeConfig | None, attempt: Attempt, topup: TopUp
    ) -> Sequence[NewEvent]:
        """The claim stays until the payment is confirmed, abandoned, or given up for a new configuration."""
        now = self._clock.now()
        waiting = replace(attempt, state=AttemptState.ACTION_REQUIRED, next_check_at=None)
        if config is not None and config.is_enabled and not _concerns(config, topup):
            # Another card was named meanwhile: this payment is given up at once, as `enable` does with one that waits.
            await store.update_attempt(conn, replace(waiting, next_check_at=now))
            return ()
        await store.update_attempt(conn, waiting)
        events = [notices.of_required_action(slug, topup)]
        if config is not None and config.is_enabled:
            changed = rules.failed(config, rules.unconfirmed(), now)
            await store.put_config(conn, changed)
            events.append(notices.of_disabling(slug, changed))
        return events

    async def _failed(
        self, conn: AsyncConnection, slug: str, config: RechargeConfig | None, topup: TopUp, failure: TopUpFailure
    ) -> tuple[RechargeConfig | None, list[NewEvent]]:
        if config is None or not _concerns(config, topup):
            return config, [notices.of_failure(slug, topup, failure, None)]
        changed = rules.failed(config, failure, self._clock.now())
        await store.put_config(conn, changed)
        events = [notices.of_failure(slug, topup, failure, changed)]
        if not changed.is_enabled:
            events.append(notices.of_disabling(slug, changed))
        return changed, events

    async def _freed(self, conn: AsyncConnection, config: RechargeConfig | None, attempt: Attempt) -> None:
        now = self._clock.now()
        await store.update_attempt(
            conn, replace(attempt, state=AttemptState.FAILED, settled_at=now, next_check_at=None)
        )
        # Postings that came while the claim was held were answered with it, and no further one may come.
        if config is not None and config.is_enabled and config.last_skip is SkipReason.IN_FLIGHT:
            at = config.next_attempt_at or now
            await store.put_config(conn, replace(config, next_attempt_at=at, updated_at=now))


def _concerns(config: RechargeConfig, topup: TopUp) -> bool:
    """Whether what is said about this payment holds for the configuration as it is now."""
    return config.is_enabled and config.terms.payment_method_id == topup.payment_method_id


def _news_of_failure(before: TopUp, after: TopUp) -> TopUpFailure | None:
    """Why it fails, told when that is first known."""
    if after.failure is not None:
        return after.failure if before.failure is None else None
    return rules.ended_elsewhere() if after.state is TopUpState.CANCELED else None
