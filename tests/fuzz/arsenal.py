"""Shots in bulk: requests put together from values that hypothesis drew, field by field.

Drawing whole requests takes ten times as long as sending them. Here each field of each message has a few dozen values, and
a request takes some of them by a seeded choice.
"""

import random
from collections.abc import Sequence
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from tests.fuzz.scene import TEMPLATES
from tests.fuzz.shots import CALLERS, CONTENT_TYPES, MEGABYTES, MUTATIONS, PROTOCOLS, Method, Shot, of_field

VALUES: Final = 40
"""Of each kind of field."""
_GOOD_BUT_FOR_A_FIELD: Final = 0.67
_ANOTHER_TYPE: Final = 0.4
_MEGABYTES: Final = 0.01
_DRAWN: Final[dict[tuple[object, ...], list[Any]]] = {}
"""Values by seed and kind of field."""


class Arsenal:
    """Makes shots at `methods`; the same ones for the same seed."""

    def __init__(self, methods: Sequence[Method], *, seeded: int) -> None:
        self._methods = methods
        self._seed = seeded
        self._chance = random.Random(seeded)

    def messages(self, count: int) -> list[Shot]:
        """Requests that are messages: some good but for a field or two, some of random fields."""
        return [self._message() for _ in range(count)]

    def damaged(self, count: int) -> list[Shot]:
        """Requests whose bytes were changed, or whose content type is another."""
        return [self._damaged(self._message()) for _ in range(count)]

    def _message(self) -> Shot:
        # One method, then its request: every method gets as many.
        method = self._chance.choice(self._methods)
        templates = TEMPLATES.get(method.name, [])
        if templates and self._chance.random() < _GOOD_BUT_FOR_A_FIELD:
            tree = self._changed(method, self._chance.choice(templates))
        else:
            some = self._chance.choice((0.2, 0.5, 0.9))
            tree = {f.json_name: self._value(f) for f in method.input.fields if self._chance.random() < some}
        protocol = self._chance.choice([p for p in PROTOCOLS if p != "get" or method.is_read])
        return Shot(method, tree, protocol, self._chance.choice(CALLERS))

    def _changed(self, method: Method, template: Any) -> Any:
        """`template` with up to two fields replaced, left out or added."""
        tree, fields = dict(template), list(method.input.fields)
        for field in self._chance.sample(fields, k=min(len(fields), self._chance.randrange(3))):
            if self._chance.random() < 0.1:
                tree.pop(field.json_name, None)
            else:
                tree[field.json_name] = self._value(field)
        return tree

    def _damaged(self, shot: Shot) -> Shot:
        chance = self._chance
        kinds = [chance.choice(MUTATIONS) for _ in range(chance.randint(1, 3))]
        if chance.random() < _MEGABYTES:
            kinds.append(chance.choice(MEGABYTES))
        mutations = tuple((kind, chance.random(), chance.random()) for kind in kinds)
        content_type = chance.choice(CONTENT_TYPES) if chance.random() < _ANOTHER_TYPE else None
        return Shot(shot.method, shot.tree, shot.protocol, shot.caller, mutations, content_type)

    def _value(self, field: FieldDescriptor) -> Any:
        kind = field.message_type or field.enum_type
        name = kind.full_name if kind else field.name.rpartition("_")[2]
        key = (self._seed, field.cpp_type, field.is_repeated, name)
        if key not in _DRAWN:
            _DRAWN[key] = draw(of_field(field), VALUES, seeded=self._seed)
        return self._chance.choice(_DRAWN[key])


def draw(strategy: SearchStrategy[Any], count: int, *, seeded: int) -> list[Any]:
    """At least one and up to `count` values; the same ones for the same seed."""
    drawn: list[Any] = []

    @seed(seeded)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value: Any) -> None:
        drawn.append(value)

    collect()
    return drawn
