"""How a figure is printed: one JSON line."""

import json


def print_figure(
    name: str, value: float, unit: str, yardstick: str, target: float | None, *, at_most: bool = False
) -> None:
    """`met` says whether the value reaches the target, or with `at_most` stays within it; None where there is none."""
    figure = {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "yardstick": yardstick,
        "target": target,
        "met": None if target is None else value <= target if at_most else value >= target,
    }
    print(json.dumps(figure), flush=True)
