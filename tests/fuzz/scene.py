"""What the table of clients (tests/clients/calls) knows of good requests: by method, and the names that they use."""

import json
import re
from collections import defaultdict
from typing import Any, Final

from tests.clients.table import CALLS


def _templates() -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for step in CALLS:
        if "call" in step:
            found[step["call"].removeprefix("aes.")].append(step["with"])
    return dict(found)


TEMPLATES: Final = _templates()
"""Requests by `package.Service/Method`, with `${name}` where a name of something that exists goes."""

PLACEHOLDERS: Final = tuple(sorted(set(re.findall(r"\$\{(\w+)\}", json.dumps(TEMPLATES)))))

UNKNOWN_NAMES: Final = {name: f"organizations/nobody/{name.replace('_', '-')}/1" for name in PLACEHOLDERS}
"""Stand for what could not be made."""
