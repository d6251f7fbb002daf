"""Breakages of the installation, each of which a run has to find: of the database's settings, or of the service's code."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ledger import holds
from tests.simulation.edits import Edit
from tests.simulation.mutations import MUTATIONS
from wallet_service import db
from wallet_service.journal.hold_operations import Holds
from wallet_service.topups.operations import TopUps
from wallet_service.usage.lanes import _Lane as UsageLane  # pyright: ignore[reportPrivateUsage]
from wallet_service.usage.operations import UsageRecorder


@dataclass(frozen=True, slots=True)
class Breakage:
    """What is broken, and how the finding begins. `postgres`: settings of the server. `kills`: so many have to do."""

    found_as: str
    edits: tuple[Edit, ...] = ()
    postgres: Mapping[str, str] = field(default_factory=dict[str, str])
    kills: int = 30


_LOST: Final = (
    "Broken: (tenant-.*(by what was done|head of the)|acknowledged and not there|.* were acknowledged"
    "|.* was answered .* when it was repeated|.* was refused)"
)

BREAKAGES: Final[Mapping[str, Breakage]] = {
    "database-answers-early": Breakage(
        _LOST,
        postgres={
            "synchronous_commit": "off",
            # What is not yet written is what the killed server loses: a fifth of a second, if it is not told otherwise.
            "wal_writer_delay": "10s",
            "wal_writer_flush_after": "1GB",
        },
    ),
    "service-answers-early": Breakage(
        _LOST,
        (
            Edit(
                UsageLane._settle,  # pyright: ignore[reportPrivateUsage]
                "results = await self._commit(",
                "self._commit.__self__.asked = batch; results = await self._commit(",
            ),
            Edit(
                UsageRecorder._record_in,  # pyright: ignore[reportPrivateUsage]
                "return together.results",
                "[one.future.done() or one.future.set_result(its) for one, its in zip(self.asked, together.results)];"
                "await __import__('asyncio').sleep(0.1); return together.results",
            ),
        ),
    ),
    "holds-are-forgotten": Breakage(
        "Broken: (tenant-.* held: |(capture|release) .* was refused: HOLD_NOT_OPEN)",
        (
            Edit(Holds.run_due, "conn, now=now,", "conn, now=now + HOLD_LASTS_MAX,"),
            Edit(holds.expire_hold, "hold.expires_at > now", "False"),
        ),
    ),
    "keys-are-ignored": Breakage(
        "Broken: .*( when it was repeated|was refused again|were acknowledged|by what was done)",
        MUTATIONS["a key is ignored"].edits,
    ),
    "top-ups-are-settled-twice": Breakage(
        "Broken: (.* were credited for|audit: )", MUTATIONS["a top-up is settled more than once"].edits
    ),
    "stripe-is-never-asked": Breakage(
        "Broken: not settled after",
        (Edit(TopUps.run_due, "now = self._clock.now()", "return 0"),),
        kills=12,
    ),
    "a-lost-database-is-a-defect": Breakage(
        "(Broken: .*INTERNAL|Ended: )",
        (
            Edit(
                db.is_connection_lost,
                "if isinstance(error, DBAPIError) and",
                "return False\n    if isinstance(error, DBAPIError) and",
            ),
        ),
    ),
}
