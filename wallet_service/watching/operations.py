"""The loop that finds balances that moved, and shows them to the watchers."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.batcher import one_lane
from ledger.ids import NIL
from wallet_service import background
from wallet_service.clock import Clock
from wallet_service.db import DATABASE_FAILURES, Database
from wallet_service.errors import ServiceError
from wallet_service.events.model import NewEvent
from wallet_service.events.steps import append
from wallet_service.tenancy import Reach, within
from wallet_service.testclocks.model import TimeOf
from wallet_service.watching import store
from wallet_service.watching.model import Observation, Standing, Watcher

ENTRIES_MAX: Final = 5_000
"""Entries that one transaction shows at most; what is left is shown by the next one."""

_FOUND_MAX: Final = 10_000
_TOGETHER_MAX: Final = 500
"""Organizations that one transaction passes over at most."""
_AT_ONCE_MAX: Final = 4
_PAUSE: Final = timedelta(milliseconds=250)
_PAUSE_OF_OTHERS: Final = timedelta(seconds=1)
_LATELY: Final = timedelta(seconds=10)
_EVERYTHING_EVERY: Final = timedelta(seconds=15)
_PAUSE_MAX: Final = timedelta(seconds=15)
_PUT_OFF_MIN: Final = timedelta(seconds=1)
_PUT_OFF_MAX: Final = timedelta(minutes=1)
_log: Final = structlog.get_logger("wallet.watching")


@dataclass(frozen=True, slots=True)
class _PutOff:
    """An organization that failed is left alone until then, by the loop's clock."""

    delay: timedelta
    until_seconds: float


class BalanceWatch:
    """Shows each move of each open wallet to all watchers, once and in order. Any number of these may run."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        watchers: Sequence[Watcher],
        *,
        time_of: TimeOf,
        lane_of: Callable[[UUID], int] = one_lane,
    ) -> None:
        """`lane_of` is the ledger's: cursors of organizations of one lane can be locked together."""
        self._db = db
        self._clock = clock
        self._watchers = tuple(watchers)
        self._time_of = time_of
        self._lane_of = lane_of
        self._after = NIL
        self._put_off: dict[UUID, _PutOff] = {}
        self._stopping = asyncio.Event()

    async def run(self, is_first: Callable[[], bool] = lambda: True) -> None:
        """Look again and again until `stop`; a database that goes away is waited for.

        Four times a second at what was recorded lately, which is cheap, and now and then at everything: an entry may be
        recorded long before its transaction ends, or by a machine whose clock is wrong. Of several processes the one that
        `is_first` says so of does this. The others would find the same, so they look at what is recent once a second: the
        end of the first one holds nothing up, and what it does after its time has passed is shown once all the same.
        """
        loop = asyncio.get_running_loop()
        pause, everything_at_seconds = _PAUSE, loop.time()
        while not self._stopping.is_set():
            try:
                first = is_first()
                if first and loop.time() >= everything_at_seconds:
                    await self.run_due(None)
                    everything_at_seconds = loop.time() + _EVERYTHING_EVERY.total_seconds()
                else:
                    await self._show_lately()
                pause = _PAUSE if first else _PAUSE_OF_OTHERS
            except (ServiceError, *DATABASE_FAILURES) as error:
                pause = min(2 * pause, _PAUSE_MAX)
                _log.warning("watch_round_failed", error=repr(error))
            await background.pause(pause, unless=self._stopping)

    async def stop(self) -> None:
        """End `run` after the round that it is in."""
        self._stopping.set()

    async def next_due(self, org_ids: Sequence[UUID]) -> Mapping[UUID, datetime]:
        """Now for each of the organizations that has moves to show."""
        now = self._clock.now()
        return dict.fromkeys(await self._db.read(lambda conn: store.behind(conn, org_ids)), now)

    async def run_due(self, org_id: UUID | None) -> int:
        """Show what there is to show, of one organization or of all of them; how many entries were looked at.

        Moves are shown when they have happened, so None means those with a clock of their own too. With None, an
        organization that fails is logged and put off, and one that another worker has is left to it.
        """
        if org_id is not None:
            return await self._show_all(org_id, wait=True)
        found = await store.organizations_behind(self._db, after=self._after, limit=_FOUND_MAX)
        self._after = found[-1] if len(found) == _FOUND_MAX else NIL
        return await self._show_these(found)

    async def process(self, org_id: UUID, *, wait: bool = True) -> int:
        """Show the next moves of one organization in one transaction, at most those of `ENTRIES_MAX` entries.

        How many entries the cursor went on; without `wait`, 0 also when another worker has it.
        """
        async with self._time_of(org_id):
            return await self._db.transact(lambda conn: self._show(conn, org_id, wait=wait))

    async def _show_lately(self) -> int:
        since = self._clock.now() - _LATELY
        return await self._show_these(await store.organizations_behind_lately(self._db, since=since, limit=_FOUND_MAX))

    async def _show_these(self, org_ids: Sequence[UUID]) -> int:
        passed = await self._pass_over(org_ids)
        left = [org_id for org_id in org_ids if org_id not in passed]
        waiting = iter(left)
        counts = await asyncio.gather(*(self._show_each(waiting) for _ in range(min(_AT_ONCE_MAX, len(left)))))
        return sum(passed.values()) + sum(counts)

    async def _pass_over(self, org_ids: Sequence[UUID]) -> Mapping[UUID, int]:
        """Move the cursors of organizations on whose moves nothing follows, hundreds in a transaction: most are like that,
        and a transaction for each costs more than the entries did. How many entries, of those that are done with."""
        lanes: defaultdict[int, list[UUID]] = defaultdict(list)
        for org_id in org_ids:
            lanes[self._lane_of(org_id)].append(org_id)
        passed: dict[UUID, int] = {}
        for lane in lanes.values():
            for start in range(0, len(lane), _TOGETHER_MAX):
                together = lane[start : start + _TOGETHER_MAX]
                if len(together) == 1 or self._stopping.is_set():
                    continue
                try:
                    with within(Reach.EVERYONE):
                        passed |= await self._db.transact(lambda conn, ids=together: self._pass_over_these(conn, ids))
                except Exception as error:
                    # Each of them is looked at alone then, and the one that is to blame is found.
                    _log.warning("watch_not_passed_over", error=repr(error))
        return passed

    async def _pass_over_these(self, conn: AsyncConnection, org_ids: Sequence[UUID]) -> dict[UUID, int]:
        cursors = await store.lock_cursors(conn, org_ids)
        # Statements of their own, begun when the locks were held: what somebody has just begun to watch for is seen.
        found = [s for s in await store.standings(conn, list(cursors)) if s.entry_seq > cursors[s.org_id]]
        shown = [standing for standing in found if standing.wallet is not None]
        for watcher in self._watchers:
            indifferent = await watcher.indifferent_to(conn, shown)
            shown = [standing for standing in shown if standing.org_id in indifferent]
        to = {s.org_id: s.entry_seq for s in (*shown, *(s for s in found if s.wallet is None))}
        await store.move_cursors(conn, to)
        return {org_id: entry_seq - cursors[org_id] for org_id, entry_seq in to.items()}

    async def _show_each(self, waiting: Iterator[UUID]) -> int:
        count = 0
        for org_id in waiting:
            if self._stopping.is_set():
                break
            count += await self._show_or_put_off(org_id)
        return count

    async def _show_or_put_off(self, org_id: UUID) -> int:
        loop = asyncio.get_running_loop()
        put_off = self._put_off.get(org_id)
        if put_off is not None and loop.time() < put_off.until_seconds:
            return 0
        try:
            count = await self._show_all(org_id, wait=False)
        except Exception as error:
            # Whatever is wrong with one organization, the others are watched.
            _log.exception("watch_failed", org_id=str(org_id), error=repr(error))
            delay = _PUT_OFF_MIN if put_off is None else min(2 * put_off.delay, _PUT_OFF_MAX)
            self._put_off[org_id] = _PutOff(delay, until_seconds=loop.time() + delay.total_seconds())
            return 0
        self._put_off.pop(org_id, None)
        return count

    async def _show_all(self, org_id: UUID, *, wait: bool) -> int:
        count = 0
        while shown := await self.process(org_id, wait=wait):
            count += shown
            if shown < ENTRIES_MAX:
                break
        return count

    async def _show(self, conn: AsyncConnection, org_id: UUID, *, wait: bool) -> int:
        cursor = await store.lock_cursor(conn, org_id, wait=wait)
        if cursor is None:
            return 0
        standing = await store.standing(conn, org_id)
        if standing is None or standing.entry_seq <= cursor:
            return 0
        last = min(standing.entry_seq, cursor + ENTRIES_MAX)
        events = await self._observed(conn, standing, after=cursor, last=last)
        await store.move_cursor(conn, org_id, last)
        if events:
            await append(conn, org_id, events, now=self._clock.now())
        return last - cursor

    async def _observed(self, conn: AsyncConnection, standing: Standing, *, after: int, last: int) -> list[NewEvent]:
        wallet, balance = standing.wallet, standing.balance
        if wallet is None or balance is None:
            return []
        moves = await store.moves(conn, wallet, after=after, last=last)
        if not moves:
            return []
        observation = Observation(standing.org_id, wallet.org_slug, wallet, moves, balance, self._clock.now())
        return [event for watcher in self._watchers for event in await watcher.observe(conn, observation)]
