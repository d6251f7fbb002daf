"""A run as data: step n of a seed is always the same, whichever other steps are taken."""

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens. Whatever is left open by its kind is drawn from `salt` and from what there is by then."""

    index: int
    kind: str
    salt: int

    def chance(self) -> random.Random:
        return random.Random(self.salt)

    def __str__(self) -> str:
        return f"{self.index}:{self.kind}"


def steps_of(seed: int, indexes: Iterable[int], weights: Mapping[str, int]) -> Iterator[Step]:
    """The steps of these numbers. `weights`: how often each kind comes."""
    kinds, shares = list(weights), list(weights.values())
    for index in indexes:
        chance = random.Random(f"{seed}/{index}")
        yield Step(index, chance.choices(kinds, shares)[0], chance.getrandbits(64))
