"""Delta debugging: fewer and fewer steps that still fail in the same way."""

import re
from collections.abc import Awaitable, Callable, Sequence

_NUMBERS = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+|_[A-Za-z0-9]{20,}")


def sort_of(failure: str | None) -> str | None:
    """A failure without its numbers and ids; two failures of one sort are taken for the same."""
    return None if failure is None else _NUMBERS.sub("#", failure)[:120]


async def shrink(
    steps: Sequence[int], fails: Callable[[Sequence[int]], Awaitable[bool]], *, runs_max: int = 200
) -> tuple[list[int], int]:
    """The smallest list of steps found that `fails`, and how many runs it took. `steps` themselves have to fail."""
    present, parts, runs = list(steps), 2, 0
    while len(present) > 1 and runs < runs_max:
        size = -(-len(present) // parts)
        pieces = [present[start : start + size] for start in range(0, len(present), size)]
        for place in range(len(pieces)):
            rest = [index for other, piece in enumerate(pieces) if other != place for index in piece]
            runs += 1
            if await fails(rest):
                present, parts = rest, max(parts - 1, 2)
                break
            if runs >= runs_max:
                break
        else:
            if size == 1:
                break
            parts = min(parts * 2, len(present))
    return present, runs
