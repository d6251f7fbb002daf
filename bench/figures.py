"""What a figure is, how it is printed, and the page that a whole run leaves: bench/RESULTS.md."""

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from wallet_service.clock import SystemClock

RESULTS: Final = Path(__file__).parent / "RESULTS.md"

_HEAD: Final = """# Figures of a run

Written by `make bench`; the last run replaces this page. Ratios are to be read, not absolute numbers: machines differ, and
one machine differs from hour to hour, so every figure stands beside its yardstick of the same run.

{machine}

| figure | value | unit | target | met | yardstick |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """`target` is the least value, or with `at_most` the greatest; None where there is none."""

    name: str
    value: float
    unit: str
    yardstick: str
    target: float | None
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the value reaches the target; None where there is none."""
        if self.target is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target


_printed: Final[list[Figure]] = []


def print_figure(
    name: str, value: float, unit: str, yardstick: str, target: float | None, *, at_most: bool = False
) -> None:
    """One JSON line on standard output, kept for the page."""
    figure = Figure(name, round(value, 3), unit, yardstick, target, at_most)
    _printed.append(figure)
    print(json.dumps({**asdict(figure), "met": figure.met}), flush=True)


def write_results(database: str) -> None:
    """Write the page of all figures printed so far; `database` says what server they were measured on."""
    machine = (
        f"{SystemClock().now():%Y-%m-%d}, {os.cpu_count()} cores ({platform.machine()}), Python"
        f" {platform.python_version()}, {database}; database, server and load on the same machine."
    )
    rows = [f"| {' | '.join(_cells(figure))} |" for figure in _printed]
    RESULTS.write_text(_HEAD.format(machine=machine) + "\n".join(rows) + "\n")


def _cells(figure: Figure) -> tuple[str, ...]:
    target = "" if figure.target is None else f"{'at most ' if figure.at_most else ''}{figure.target:g}"
    met = {None: "", True: "yes", False: "**no**"}[figure.met]
    return figure.name, f"{figure.value:g}", figure.unit, target, met, figure.yardstick
