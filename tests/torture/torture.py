"""The run: load, a kill at a random moment, recovery, and everything read back; again and again, then all books in full."""

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from math import inf
from pathlib import Path
from typing import Final

from tests.conftest import chosen_binaries
from tests.simulation.books import Broken
from tests.system.instance import ROOT, until, wallet
from tests.torture.calling import Client
from tests.torture.installation import Database, Installation, Program
from tests.torture.journal import Journal
from tests.torture.load import clients_of
from tests.torture.opening import fill, save_cards
from tests.torture.payer import Stripe
from tests.torture.reading_back import ReadingBack
from tests.torture.scene import Scene
from tests.torture.settling import Arrivals, Settled, reconcile, settle

KINDS: Final = (
    "service",
    "worker",
    "database",
    "service+worker",
    "service+database",
    "worker+database",
    "service+worker+database",
)
_WEIGHTS: Final = (4, 5, 6, 1, 1, 3, 2)
RESTARTED_EVERY: Final = 40
"""So many kills lie between two restarts of the database that are none."""

ANSWERED_SECONDS_MAX: Final = 60
"""How long it may take, after all is started again, until every write has its answer."""

_AGAIN: Final = 0.45
_STARTING_SECONDS: Final = (0.05, 1.5)
"""When something is killed that is starting, and how often, of all times that something starts."""

_WRITES_MIN: Final = 20
_LOAD_SECONDS: Final = (0.0, 1.0)
_AFTER_SECONDS: Final = 0.3


@dataclass
class Figures:
    """What came of a run. slowest: seconds from a kill to the last answer that it had delayed, by kind."""

    seed: int
    kills: Counter[str] = field(default_factory=Counter[str])
    restarts: int = 0
    failed_starts: int = 0
    audits: int = 0
    slowest: dict[str, float] = field(default_factory=dict[str, float])
    seconds: float = 0


def run(seed: int, kills: int, folder: Path, *, seconds_max: float = inf, broken: str = "") -> str:
    """The closing line of a run in an empty folder, of fewer kills where the time is over. Raises what was found wrong.

    `broken`: the name of a breakage.
    """
    figures, begun_seconds = Figures(seed), time.monotonic()
    with _installed(folder, broken) as installation:
        journal = Journal(folder / "journal.jsonl")
        stripe = Stripe(installation.stripe_url)
        operator_key, tenants = asyncio.run(fill(installation.database.url, installation.stripe_url))
        scene = Scene(seed, installation.target, operator_key, tenants, journal, stripe)
        torturer = Torturer(installation, scene, figures)
        threads = clients_of(scene)
        try:
            torturer.begin()
            for thread in threads:
                thread.start()
            torturer.torture(kills, until_seconds=begun_seconds + seconds_max)
            settled = torturer.end()
        except BaseException as error:
            done = f"{figures.kills.total()} kills, {journal.acknowledged.total()} acknowledged writes"
            error.add_note(f"after {done} and {time.monotonic() - begun_seconds:.0f} s")
            raise
        finally:
            scene.stopping.set()
            for thread in threads:
                if thread.is_alive():
                    thread.join()
            stripe.close()
            journal.close()
        figures.seconds = time.monotonic() - begun_seconds
        figures.failed_starts = sum(program.failed_start_count for program in installation.programs)
        return closing_line(figures, journal, torturer.reading, settled)


class Torturer:
    """Kills, starts again, and looks at what is left."""

    def __init__(self, installation: Installation, scene: Scene, figures: Figures) -> None:
        self._installation, self._scene, self._figures = installation, scene, figures
        self._chance = random.Random(f"torture/{figures.seed}")
        self._client: Client = scene.client()
        self._arrivals = Arrivals(scene.stripe)
        self.reading = ReadingBack(scene, installation.database.url)

    def begin(self) -> None:
        for program in self._installation.programs:
            program.start()
        self._installation.wait_until_ready(*self._installation.programs)
        self._scene.outages.end()
        save_cards(self._scene, self._client)

    def torture(self, kills: int, *, until_seconds: float) -> None:
        """Kill so many times, or as often as there is time."""
        killed = self._figures.kills
        for number in count():
            if number % RESTARTED_EVERY == 0:
                self._load()
                self._settle_down("restart", self._restart_database())
            if killed.total() >= kills or time.monotonic() > until_seconds:
                return
            [kind] = self._chance.choices(KINDS, _WEIGHTS)
            self._load()
            self._settle_down(kind, self._kill(kind))
            done = f"{killed.total()} kills, {self._scene.journal.acknowledged.total()} writes acknowledged"
            print(done, file=sys.stderr)

    def end(self) -> Settled:
        """When the last webhook is through or made good: ledger, journal and Stripe's books are one."""
        self._scene.stripe.deliver("normal")
        return asyncio.run(self._end())

    def _load(self) -> None:
        """Let the clients work for a while."""
        self._scene.stripe.deliver_somehow(self._chance)
        journal = self._scene.journal
        enough = journal.acknowledged.total() + _WRITES_MIN
        self._scene.gate.open()
        until(lambda: journal.acknowledged.total() >= enough or self._scene.stopping.is_set(), "some writes")
        time.sleep(self._chance.uniform(*_LOAD_SECONDS))
        self._scene.check()
        self._installation.supervise()

    def _kill(self, kind: str) -> float:
        """kill -9 of each part, and all of it started again at once, or killed again while it starts; when it was struck."""
        installation, outages = self._installation, self._scene.outages
        parts = kind.split("+")
        programs = [program for program in installation.programs if program.name in parts]
        if installation.api in programs:
            outages.begin()
        struck_seconds, hinted_before = time.monotonic(), self._scene.journal.hinted_count
        self._strike(kind, [*programs, installation.database] if "database" in parts else programs)
        while programs and self._chance.random() < _AGAIN:
            time.sleep(self._chance.uniform(*_STARTING_SECONDS))
            self._strike(f"{'+'.join(program.name for program in programs)} while starting", programs)
        if "database" in parts:
            self._away(installation.database.await_return, hinted_before)
        installation.wait_until_ready(installation.api)
        outages.end()
        return struck_seconds

    def _strike(self, kind: str, victims: Sequence[Program | Database]) -> None:
        self._scene.journal.mark(f"kill {kind}")
        for victim in self._chance.sample(victims, len(victims)):
            victim.strike(self._chance)
        self._figures.kills[kind] += 1
        for program in self._installation.programs:
            if program in victims:
                program.bury()
                program.start()

    def _restart_database(self) -> float:
        """As somebody does who changes a setting of it; when it began."""
        begun_seconds = time.monotonic()
        self._scene.journal.mark("restart")
        self._away(self._installation.database.restart, self._scene.journal.hinted_count)
        self._figures.restarts += 1
        return begun_seconds

    def _away(self, bring_back: Callable[[], None], hinted_before: int) -> None:
        """The database is away, and comes back by `bring_back`: whoever the API can answer is told when to come back,
        and what runs goes on without being started again."""
        journal, programs = self._scene.journal, self._installation.programs
        begun = [(program, program.start_count) for program in programs if program.is_ready()]
        bring_back()
        if self._scene.outages.is_away:
            return
        until(
            lambda: journal.hinted_count > hinted_before or self._scene.stopping.is_set(), "a call to be told to wait"
        )
        self._scene.check()
        if any(program.start_count != started for program, started in begun):
            raise Broken("the service had to be started again, because the database had been")

    def _settle_down(self, kind: str, struck_seconds: float) -> None:
        """Wait until every write has its answer, and look whether all of it is so."""
        journal = self._scene.journal
        ready_seconds = time.monotonic()
        until(lambda: journal.last_answer_seconds > ready_seconds or self._scene.stopping.is_set(), "an answer")
        time.sleep(_AFTER_SECONDS)
        if not self._scene.gate.close(ANSWERED_SECONDS_MAX):
            self._scene.check()
            waiting = [(write.kind, write.key, write.attempt_count) for write in journal.pending.values()]
            raise Broken(f"{kind}: no answer {ANSWERED_SECONDS_MAX} s after everything was back: {waiting}")
        self._scene.check()
        delay = max(0.0, journal.last_resolved_seconds - struck_seconds)
        self._figures.slowest[kind] = max(self._figures.slowest.get(kind, 0.0), delay)
        journal.mark("quiet")
        asyncio.run(self.reading.check(self._client))
        journal.mark("checked")
        self._arrivals.check(self.reading.books)
        self.reading.audit(self._client)
        self._figures.audits += 1
        journal.mark("audited")
        self._installation.supervise()

    async def _end(self) -> Settled:
        self._installation.wait_until_ready(*self._installation.programs)
        async with self.reading.connection() as conn:
            await settle(conn, self._scene.stripe)
            await self.reading.check(self._client)
            answered = {topup: intent for tenant in self._scene.tenants for topup, intent in tenant.topups.items()}
            settled = await reconcile(conn, self._scene.stripe, self.reading.books, answered)
        self._client.close()
        audit = wallet("audit", cwd=ROOT, **self._installation.settings)
        if audit.returncode != 0 or not audit.stdout.startswith("audit ok: "):
            raise Broken(f"wallet audit: {audit.stdout}{audit.stderr}")
        self._figures.audits += 1
        return settled


def closing_line(figures: Figures, journal: Journal, reading: ReadingBack, settled: Settled) -> str:
    """What was done to the service, and what it has kept."""
    kills = ", ".join(f"{kind} {count}" for kind, count in sorted(figures.kills.items()))
    acknowledged, refused = journal.acknowledged.total(), journal.refused.total()
    explained = ", ".join(f"{count} {why}" for why, count in sorted(settled.explained.items())) or "none"
    slowest = max(figures.slowest, key=lambda kind: figures.slowest[kind])
    database = max(seconds for kind, seconds in figures.slowest.items() if kind in ("database", "restart"))
    return (
        f"torture ok: seed {figures.seed}, {figures.kills.total()} kills in {figures.seconds:.0f} s ({kills}), "
        f"{figures.restarts} restarts of the database, {figures.failed_starts} starts too early for it; "
        f"{journal.sent.total()} writes: {acknowledged} acknowledged and all there, {refused} refused, "
        f"{journal.unknown_count} attempts of unknown outcome ({journal.hinted_count} told when to come back), "
        f"{journal.resent_count} sent again, {journal.repeated_count} repeated after their answer; "
        f"{reading.entry_count} ledger entries; top-ups: {settled.settled} settled ({settled.recharges} automatic), "
        f"unsettled: {explained}; {settled.refunds} refunds at Stripe; {figures.audits} audits ok; "
        f"longest recovery {figures.slowest[slowest]:.1f} s ({slowest}), without a restart of the service {database:.1f} s"
    )


@contextmanager
def _installed(folder: Path, broken: str) -> Generator[Installation]:
    installation = Installation(folder, chosen_binaries(), broken=broken)
    try:
        yield installation
    finally:
        installation.close()
