"""What a run did, as a line, as a record that can be read again, and in sum."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.simulation.coverage import WANTED

_COUNTERS: Final = ("calls", "refusals", "struck", "events", "seen")
_UNRECORDED: Final = ("shapes", "trace")


@dataclass
class Report:
    """One seed. `calls`: of operations by kind of step, each repetition counted; one with 60 usage events is one call.

    refusals: definite refusals by reason. struck: faults that found something to strike, and restarts. events: of the
    service, by type. seen: what happened, by `coverage.WANTED`. failed_at: the number of the step.
    """

    seed: int
    steps: int = 0
    calls: Counter[str] = field(default_factory=Counter[str])
    refusals: Counter[str] = field(default_factory=Counter[str])
    struck: Counter[str] = field(default_factory=Counter[str])
    events: Counter[str] = field(default_factory=Counter[str])
    seen: Counter[str] = field(default_factory=Counter[str])
    entries: int = 0
    recharges: int = 0
    seconds: float = 0.0
    failure: str | None = None
    failed_at: int | None = None
    commit: str = ""
    shapes: tuple[str, ...] = ()
    trace: str = ""

    @property
    def call_count(self) -> int:
        return sum(self.calls.values())

    @property
    def fault_count(self) -> int:
        return sum(count for name, count in self.struck.items() if name != "restart")

    def line(self) -> str:
        return (
            f"seed {self.seed}: {self.steps} steps, {self.call_count} calls, {self.fault_count} faults,"
            f" {self.struck['restart']} restarts, {self.entries} entries, {self.seen['usage event']} usage events,"
            f" {self.call_count / self.seconds:.0f} calls/s{'' if self.failure is None else ', FAILED: ' + self.failure}"
        )

    def record(self) -> str:
        """One line of JSON, without what is only of use at once."""
        return json.dumps({name: value for name, value in vars(self).items() if name not in _UNRECORDED})


def read(path: Path) -> list[Report]:
    """The records of a file, none when it is not there."""
    if not path.exists():
        return []
    return [_report(json.loads(line)) for line in path.read_text().splitlines()]


def _report(values: dict[str, Any]) -> Report:
    made = Report(values["seed"])
    for name, value in values.items():
        setattr(made, name, Counter(value) if name in _COUNTERS else value)
    return made


def sum_up(reports: Sequence[Report], seconds: float) -> str:
    """Counts of everything, what was wanted and not seen, and which seeds failed."""
    lines: list[str] = []
    for what in _COUNTERS:
        total: Counter[str] = Counter()
        for report in reports:
            total.update(getattr(report, what))
        lines.append(f"{what}: {', '.join(f'{name} {count}' for name, count in total.most_common())}")
    seen = {name for report in reports for name, count in {**report.seen, **report.struck}.items() if count}
    lines.append(f"wanted and not seen: {', '.join(sorted(WANTED - seen)) or 'nothing'}")
    calls, failed = sum(report.call_count for report in reports), [one.seed for one in reports if one.failure]
    lines.append(
        f"{len(reports)} seeds, {sum(one.steps for one in reports)} steps, {calls} calls,"
        f" {sum(one.seen['usage event'] for one in reports)} usage events, {sum(one.entries for one in reports)} entries,"
        f" {sum(one.fault_count for one in reports)} faults, {sum(one.struck['restart'] for one in reports)} restarts"
        f" in {seconds:.0f} s ({calls / max(seconds, 0.001):.0f} calls/s); commits {_commits(reports)};"
        f" failed: {failed or 'none'}"
    )
    return "\n".join(lines)


def _commits(reports: Iterable[Report]) -> str:
    return ", ".join(dict.fromkeys(report.commit for report in reports))


def present_commit() -> str:
    """The commit that is checked out, with a + when files differ from it; empty outside of a repository."""
    try:
        head = subprocess.run(("git", "rev-parse", "--short=10", "HEAD"), capture_output=True, text=True, check=True)
        state = subprocess.run(("git", "status", "--porcelain", "-uno"), capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head.stdout.strip() + ("+" if state.stdout.strip() else "")
