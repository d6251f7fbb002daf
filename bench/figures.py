"""How a figure is printed: one JSON line."""

import json


def print_figure(name: str, value: float, unit: str, yardstick: str, target: float | None) -> None:
    """`met` says whether the value reaches the target; None where there is no target."""
    figure = {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "yardstick": yardstick,
        "target": target,
        "met": None if target is None else value >= target,
    }
    print(json.dumps(figure), flush=True)
