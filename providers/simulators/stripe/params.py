"""Stripe's bracketed form bodies and query strings, read parameter by parameter so that an unknown one is refused."""

from collections.abc import Iterable
from typing import Any, cast
from urllib.parse import parse_qsl

from providers.simulators.stripe.errors import ApiError, Json, malformed


def decode(text: str) -> Json:
    """`a[b]=1&c[0]=2&d[]=3` as nested dicts; lists stay dicts of index to value."""
    tree: Json = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        keys = name.replace("]", "").split("[")
        node = tree
        for key in keys[:-1]:
            child = node.setdefault(key, {})
            if not isinstance(child, dict):
                raise malformed(f"Invalid request: {name} is used twice", param=keys[0])
            node = cast(Json, child)
        last = keys[-1] or str(len(node))
        node[last] = value
    return tree


class Params:
    """Typed access to one level of parameters. `finish` refuses what nobody read."""

    def __init__(self, tree: Json, prefix: str = "") -> None:
        self._tree = tree
        self._prefix = prefix
        self._read: set[str] = set()
        self._children: list[Params] = []

    def text(self, name: str, *, required: bool = False, choices: Iterable[str] = ()) -> str | None:
        """A string; '' counts as not given. Raises for a missing required one or one not among `choices`."""
        value = self._take(name)
        if isinstance(value, dict):
            raise malformed(f"Invalid string: {self._named(name)}", param=self._named(name))
        if not value:
            if required:
                raise self._missing(name)
            return None
        allowed = tuple(choices)
        if allowed and value not in allowed:
            raise malformed(
                f"Invalid {name}: must be one of {', '.join(allowed)}",
                param=self._named(name),
            )
        return value

    def required_text(self, name: str) -> str:
        value = self.text(name, required=True)
        assert value is not None
        return value

    def integer(self, name: str) -> int | None:
        value = self.text(name)
        if value is None:
            return None
        if not value.removeprefix("-").isdecimal():
            raise malformed(
                f"Invalid integer: {value}",
                param=self._named(name),
                code="parameter_invalid_integer",
            )
        return int(value)

    def required_integer(self, name: str) -> int:
        value = self.integer(name)
        if value is None:
            raise self._missing(name)
        return value

    def flag(self, name: str) -> bool | None:
        value = self.text(name, choices=("true", "false"))
        return None if value is None else value == "true"

    def texts(self, name: str) -> list[str]:
        """A list of strings, in order of its indexes."""
        value = self._take(name)
        if value is None or value == "":
            return []
        if not isinstance(value, dict):
            raise malformed(f"Invalid array: {self._named(name)}", param=self._named(name))
        return [str(item) for item in value.values()]

    def mapping(self, name: str) -> dict[str, str]:
        """A flat map of strings, as metadata is; '' as a value means unset."""
        value = self._take(name)
        if not isinstance(value, dict):
            return {}
        return {key: str(item) for key, item in value.items()}

    def child(self, name: str) -> "Params | None":
        """The parameters nested below this name, None when there are none."""
        value = self._take(name)
        if not isinstance(value, dict):
            return None
        child = Params(value, self._named(name))
        self._children.append(child)
        return child

    def ignore(self, *names: str) -> None:
        """Known to Stripe, accepted, and without effect in this simulator."""
        for name in names:
            self._take(name)

    def finish(self) -> None:
        """Refuse parameters that nobody read. Call before the first effect."""
        for name in self._tree:
            if name not in self._read:
                shown = self._named(name)
                raise malformed(
                    f"Received unknown parameter: {shown}",
                    param=shown,
                    code="parameter_unknown",
                )
        for child in self._children:
            child.finish()

    def _take(self, name: str) -> str | Json | None:
        self._read.add(name)
        return cast(str | Json | None, self._tree.get(name))

    def _named(self, name: str) -> str:
        return f"{self._prefix}[{name}]" if self._prefix else name

    def _missing(self, name: str) -> ApiError:
        shown = self._named(name)
        return malformed(f"Missing required param: {shown}.", param=shown, code="parameter_missing")


def merged_metadata(current: dict[str, str], changes: dict[str, str]) -> dict[str, str]:
    """Metadata after an update; an empty value removes its key."""
    result: dict[str, Any] = {**current, **changes}
    return {key: value for key, value in result.items() if value != ""}
