"""The table of calls (calls/*.json): read it, fill it in, run it through a client, compare the answers.

Go and TypeScript do the same with the same files (go/table_test.go, ts/src/table.ts); README.md describes them.
"""

import json
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import httpx
import pytest

Json = Any

FOLDER: Final = Path(__file__).parent
CALLS: Final[list[dict[str, Json]]] = [
    step for path in sorted(FOLDER.glob("calls/*.json")) for step in json.loads(path.read_text())
]
RAW: Final[list[dict[str, Json]]] = json.loads((FOLDER / "raw.json").read_text())
PAUSE_SECONDS: Final = 0.05
HTTP_SECONDS_MAX: Final = 30
_PLACEHOLDER: Final = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class Refusal:
    """An error as a client shows it: `reason` and `metadata` of ErrorInfo, `fields` of BadRequest."""

    code: str
    message: str
    reason: str = ""
    fields: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


class Client(Protocol):
    """A client of the service: `service.Name/Method`, proto JSON in and out, and an API key or none."""

    name: str

    def call(self, method: str, request: dict[str, Json], key: str | None) -> dict[str, Json] | Refusal: ...


class RawClient(Client, Protocol):
    """A client that can send bytes that are no message."""

    def send(self, method: str, body: bytes, key: str | None) -> Refusal | None: ...


def fewer_refusals(steps: Sequence[dict[str, Json]]) -> list[dict[str, Json]]:
    """Of each kind of refusal the first step only; a later step needs nothing of the others."""
    kinds: set[tuple[str, str]] = set()
    chosen: list[dict[str, Json]] = []
    for step in steps:
        if "refused" in step:
            kind = (step["refused"]["code"], step["refused"]["reason"])
            if kind in kinds:
                continue
            kinds.add(kind)
        chosen.append(step)
    return chosen


class Subtests(Protocol):
    """What makes a test of each step: pytest's subtests, or something stricter."""

    def test(self, name: str, /) -> AbstractContextManager[None]: ...


def run(
    client: Client,
    service: Mapping[str, str],
    subtests: Subtests,
    *,
    steps: Sequence[dict[str, Json]] = CALLS,
) -> dict[str, str]:
    """The steps in order, each a subtest, in an organization of its own; the values that were kept."""
    run_name = f"{client.name.replace(' ', '-')}-{secrets.token_hex(4)}"
    values = {**service, "run": run_name}
    for step in steps:
        with subtests.test(step["name"]):
            if "post" in step:
                url = fill(step["post"], values)
                httpx.post(url, json=fill(step["with"], values), timeout=HTTP_SECONDS_MAX).raise_for_status()
            elif "get" in step:
                assert differences(fill(step["gives"], values), _got(step, values), "") == []
            else:
                _take(client, step, values)
    return values


def run_raw(client: RawClient, values: Mapping[str, str], subtests: pytest.Subtests) -> None:
    """Every body of the table that is no message."""
    for step in RAW:
        with subtests.test(step["name"]):
            answer = client.send(step["call"], bytes.fromhex(step["hex"]), key_of(step, values))
            assert faults(step, answer, values) == []


def _got(step: dict[str, Json], values: Mapping[str, str]) -> dict[str, Json]:
    """What a plain GET answers; of the content as much as the step expects."""
    answer = httpx.get(fill(step["get"], values), timeout=HTTP_SECONDS_MAX)
    media_type = answer.headers.get("content-type", "").partition(";")[0]
    begins = answer.content[: len(step["gives"].get("begins", ""))].decode("latin-1")
    return {"status": answer.status_code, "type": media_type, "begins": begins}


def _take(client: Client, step: dict[str, Json], values: dict[str, str]) -> None:
    request = fill(step["with"], values)
    end = time.monotonic() + step.get("within", 0)
    while True:
        answer = client.call(step["call"], request, key_of(step, values))
        found = faults(step, answer, values)
        if not found or time.monotonic() >= end:
            break
        time.sleep(PAUSE_SECONDS)
    assert found == [], f"{answer}"
    for name, path in step.get("keep", {}).items():
        values[name] = at(answer, path)


def key_of(step: Mapping[str, Json], values: Mapping[str, str]) -> str | None:
    return None if step["as"] == "none" else values[step["as"]]


def fill(template: Json, values: Mapping[str, str]) -> Json:
    """`template` with `${name}` replaced, and `{"$times": n, "$of": x}` written out: a longer text, or a list."""
    if isinstance(template, str):
        return _PLACEHOLDER.sub(lambda found: values[found[1]], template)
    if isinstance(template, list):
        return [fill(item, values) for item in template]
    if isinstance(template, dict):
        if "$times" in template:
            one = fill(template["$of"], values)
            return (one if isinstance(one, str) else [one]) * template["$times"]
        return {name: fill(value, values) for name, value in template.items()}
    return template


def faults(step: Mapping[str, Json], answer: Json, values: Mapping[str, str]) -> list[str]:
    """What is not as the step expects it; an answer may have more than is expected."""
    if "gives" in step:
        if isinstance(answer, Refusal):
            return ["refused"]
        return differences(fill(step["gives"], values), answer, "")
    if not isinstance(answer, Refusal):
        return ["not refused"]
    expected = fill(step["refused"], values)
    found = [
        f"{name} is {getattr(answer, name)!r} instead of {expected[name]!r}"
        for name in ("code", "reason", "message")
        if name in expected and getattr(answer, name) != expected[name]
    ]
    if "field" in expected and expected["field"] not in answer.fields:
        found.append(f"{expected['field']} is not among the fields {answer.fields}")
    return found + differences(expected.get("metadata", {}), dict(answer.metadata), "metadata")


def differences(expected: Json, actual: Json, path: str) -> list[str]:
    """`"*"` stands for anything that is there, null for what is not; lists have the same length."""
    if expected is None:
        return [] if actual is None else [f"{path} is there: {actual!r}"]
    if expected == "*":
        return [f"{path} is missing"] if actual is None or actual == "" else []
    if isinstance(expected, dict) and isinstance(actual, dict):
        return [
            found
            for name, value in expected.items()
            for found in differences(value, actual.get(name), f"{path}.{name}")
        ]
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        pairs = zip(expected, actual, strict=True)
        return [found for i, (e, a) in enumerate(pairs) for found in differences(e, a, f"{path}.{i}")]
    return [] if expected == actual else [f"{path} is {actual!r} instead of {expected!r}"]


def at(answer: Json, path: str) -> str:
    """The text at `results.0.usageEventName`."""
    for part in path.split("."):
        answer = answer[int(part)] if isinstance(answer, list) else answer[part]
    return answer
