"""Use cases of standings, and what moves them: balances, time, disputes."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.queries import balance
from wallet_service import names
from wallet_service.account_states import notices, rules, store
from wallet_service.account_states.model import AccountStanding, Funds, Policy, PolicyChoice
from wallet_service.accounts import steps as accounts
from wallet_service.accounts.model import BillingAccount, BillingAccountState, WalletBalance
from wallet_service.audit_log.pending import Facts, note_before
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.events.model import NewEvent
from wallet_service.events.steps import append
from wallet_service.forecast.steps import depletion
from wallet_service.tenancy import within
from wallet_service.topups.model import ClaimKind, TakenBack, TopUp, TopUpState
from wallet_service.topups.steps import has_open_dispute
from wallet_service.watching.model import Observation, Standing

DUE_MAX: Final = 500
"""Accounts that one run looks at; the rest waits for the next run."""

_log: Final = structlog.get_logger("wallet.account_states")


class AccountStates:
    """Suspends, resumes and closes billing accounts: as an operator's tool, a watcher of balances, a follower of top-ups,
    and in a sweep for what time alone brings."""

    def __init__(self, db: Database, clock: Clock, defaults: Policy) -> None:
        self._db = db
        self._clock = clock
        self._defaults = defaults

    async def suspend(self, org_id: UUID) -> BillingAccount:
        """Suspend by hand; repeating it changes nothing. Raises RESOURCE_NOT_FOUND, BILLING_ACCOUNT_CLOSED."""
        return await self._act(org_id, lambda standing: replace(standing, is_manual=True))

    async def resume(self, org_id: UUID) -> BillingAccount:
        """End every suspension; without money the grace begins anew.

        Raises RESOURCE_NOT_FOUND, BILLING_ACCOUNT_CLOSED.
        """
        now = self._clock.now()
        return await self._act(
            org_id,
            lambda standing: (
                rules.resumed(standing, now)
                if rules.state_of(standing)[0] is BillingAccountState.SUSPENDED
                else standing
            ),
        )

    async def close(self, org_id: UUID) -> BillingAccount:
        """Close for good; repeating it changes nothing.

        Raises RESOURCE_NOT_FOUND, WALLET_NOT_EMPTY while a wallet is open.
        """
        now = self._clock.now()

        async def work(conn: AsyncConnection) -> BillingAccount:
            account = await accounts.billing_account(conn, org_id, lock=True)
            if account.state is BillingAccountState.CLOSED:
                return account
            if await accounts.has_open_wallet(conn, org_id):
                raise rules.wallet_open(names.billing_account(account.org_slug))
            note_before(names.billing_account(account.org_slug), _facts_of(account, PolicyChoice()))
            await accounts.set_billing_account_state(conn, org_id, BillingAccountState.CLOSED, None)
            await append(conn, org_id, [notices.of_closing(account.org_slug)], now=now)
            return await accounts.billing_account(conn, org_id)

        return await self._db.transact(work)

    async def policy(self, org_id: UUID) -> Policy:
        """What is in force for the account."""

        async def work(conn: AsyncConnection) -> Policy:
            found = await store.read(conn, org_id)
            return rules.policy_of(PolicyChoice() if found is None else found.choice, self._defaults)

        return await self._db.read(work)

    async def choose_policy(self, org_id: UUID, choice: PolicyChoice) -> Policy:
        """Replace the account's policy; what follows from the balance by it follows at once.

        Raises INVALID_FIELD, RESOURCE_NOT_FOUND, BILLING_ACCOUNT_CLOSED.
        """
        rules.check_choice(choice)
        now = self._clock.now()
        await self._act(org_id, lambda standing: rules.with_choice(standing, choice, now))
        return rules.policy_of(choice, self._defaults)

    async def indifferent_to(self, conn: AsyncConnection, standings: Sequence[Standing]) -> Set[UUID]:
        """Those with money for which nothing follows from how much it is. Without money, the time has a say, too."""
        now = self._clock.now()
        known = await store.read_many(conn, [standing.org_id for standing in standings])
        found: set[UUID] = set()
        for standing in standings:
            before = known.get(standing.org_id)
            if before is None or standing.balance is None or standing.balance.balance_minor <= 0:
                continue
            if self._seen(before, _funds_of(standing.balance), now) == before:
                found.add(standing.org_id)
        return found

    async def observe(self, conn: AsyncConnection, observation: Observation) -> Sequence[NewEvent]:
        """A step of the watch: the grace begins and ends with the balance, and the forecast is asked soon where needed."""
        org_id, now = observation.org_id, observation.now
        found = await store.read(conn, org_id) or AccountStanding(org_id=org_id)
        funds = _funds_of(observation.balance)
        if self._seen(found, funds, now) == found:
            return []
        return await self._changed(conn, org_id, lambda standing: standing)

    async def topup_changed(self, conn: AsyncConnection, before: TopUp | None, after: TopUp) -> Sequence[NewEvent]:
        """A step of the settlement: money that arrives resumes in the transaction that credits it."""
        if after.state is not TopUpState.SUCCEEDED:
            return []
        found = await store.read(conn, after.org_id)
        if found is None or not (found.is_out_of_money or found.suspend_at):
            return []
        return await self._changed(conn, after.org_id, lambda standing: standing)

    async def claim_changed(
        self, conn: AsyncConnection, topup: TopUp, before: TakenBack | None, after: TakenBack
    ) -> Sequence[NewEvent]:
        """A step of the settlement: a dispute that takes money suspends until it is won."""
        if after.kind is not ClaimKind.DISPUTE:
            return []
        # Locked first: of two disputes that change at once, the second sees what became of the first.
        found = await store.lock(conn, topup.org_id, self._clock.now())
        is_disputed = await has_open_dispute(conn, topup.org_id, since=found.resumed_at)
        if is_disputed == found.is_disputed:
            return []
        return await self._changed(conn, topup.org_id, lambda standing: replace(standing, is_disputed=is_disputed))

    async def next_due(self, org_ids: Sequence[UUID]) -> Mapping[UUID, datetime]:
        """When the grace ends or the forecast is asked, whichever is first."""
        return await self._db.read(lambda conn: store.next_due(conn, org_ids))

    async def run_due(self, org_id: UUID | None) -> int:
        """End graces and ask forecasts that are due; how many accounts were looked at. See `DueWork`."""
        now = self._clock.now()
        count = 0
        for found in await self._db.read(lambda conn: store.due(conn, org_id, now=now, limit=DUE_MAX)):
            try:
                with within(found):
                    await self._look(found)
                count += 1
            except Exception as error:
                if org_id is not None:
                    raise
                # Whatever is wrong with one account, the others are looked at.
                _log.exception("account_state_failed", org_id=str(found), error=repr(error))
        return count

    async def _act(self, org_id: UUID, change: Callable[[AccountStanding], AccountStanding]) -> BillingAccount:
        async def work(conn: AsyncConnection) -> BillingAccount:
            standing = await store.lock(conn, org_id, self._clock.now())
            account = await accounts.billing_account(conn, org_id, lock=True)
            if account.state is BillingAccountState.CLOSED:
                raise rules.closed(names.billing_account(account.org_slug))
            note_before(names.billing_account(account.org_slug), _facts_of(account, standing.choice))
            events = await self._changed(conn, org_id, change)
            await append(conn, org_id, events, now=self._clock.now())
            return await accounts.billing_account(conn, org_id)

        return await self._db.transact(work)

    async def _look(self, org_id: UUID) -> None:
        async def work(conn: AsyncConnection) -> None:
            events = await self._changed(conn, org_id, lambda standing: standing, asks_forecast=True)
            await append(conn, org_id, events, now=self._clock.now())

        await self._db.transact(work)

    async def _changed(
        self,
        conn: AsyncConnection,
        org_id: UUID,
        change: Callable[[AccountStanding], AccountStanding],
        *,
        asks_forecast: bool = False,
    ) -> list[NewEvent]:
        """Lock the standing, change it, let the balance have its say, and store what follows; the events of it."""
        now = self._clock.now()
        before = await store.lock(conn, org_id, now)
        account = await accounts.billing_account(conn, org_id, lock=True)
        # Read when the standing is locked: whoever posts after this waits for it, and is seen by the next look.
        funds = await _funds(conn, org_id)
        after = self._seen(change(before), funds, now)
        warnings: list[NewEvent] = []
        if account.state is BillingAccountState.CLOSED or funds is None:
            after = replace(after, grace_started_at=None, suspend_at=None, next_check_at=None)
        elif asks_forecast and after.next_check_at is not None and after.next_check_at <= now:
            after, warnings = await self._forecast(conn, account, after, funds, now)
        if after != before:
            await store.save(conn, after, now)
        if account.state is BillingAccountState.CLOSED:
            return []
        state, reason = rules.state_of(after)
        if (state, reason) != (account.state, account.suspended_reason):
            await accounts.set_billing_account_state(conn, org_id, state, reason)
        return [*notices.of_change(account.org_slug, before, after, funds), *warnings]

    def _seen(self, standing: AccountStanding, funds: Funds | None, now: datetime) -> AccountStanding:
        if funds is None:
            return standing
        policy = rules.policy_of(standing.choice, self._defaults)
        seen = rules.with_balance(standing, policy, funds.balance_minor, now)
        if rules.wants_forecast(seen, available_minor=funds.available_minor, balance_minor=funds.balance_minor):
            return replace(seen, next_check_at=now)
        return seen

    async def _forecast(
        self, conn: AsyncConnection, account: BillingAccount, standing: AccountStanding, funds: Funds, now: datetime
    ) -> tuple[AccountStanding, list[NewEvent]]:
        empty_at = (await depletion(conn, account.org_id, now)).expected
        standing, hours = rules.with_forecast(
            standing,
            rules.policy_of(standing.choice, self._defaults),
            empty_at=empty_at,
            available_minor=funds.available_minor,
            now=now,
        )
        if hours is None or empty_at is None:
            return standing, []
        return standing, [notices.of_warning(account.org_slug, hours, empty_at=empty_at, funds=funds)]


def _funds_of(balance: WalletBalance) -> Funds:
    return Funds(balance.available_minor, balance.balance_minor, balance.currency)


def _facts_of(account: BillingAccount, choice: PolicyChoice) -> Facts:
    """State and chosen policy, as the audit log keeps them; what was not chosen is left out."""
    facts: dict[str, str | int | bool | None] = {
        "state": account.state.value,
        "suspended_reason": account.suspended_reason,
        "warn_hours": ",".join(map(str, choice.warn_hours)) or None,
        "grace_hours": choice.grace_hours,
        "suspends": choice.suspends,
    }
    return {name: value for name, value in facts.items() if value is not None}


async def _funds(conn: AsyncConnection, org_id: UUID) -> Funds | None:
    """What the open wallet has; None without one, or while nothing has ever moved in it."""
    if not await accounts.has_open_wallet(conn, org_id):
        return None
    wallet = await accounts.open_wallet(conn, org_id)
    found = await balance(conn, org_id, wallet.account_id)
    assert found is not None, "every wallet has a ledger account"
    if found.last_entry_at is None:
        return None
    return Funds(found.available_minor, found.balance_minor, wallet.currency)
