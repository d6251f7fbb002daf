"""Many shots at one server: sent in batches, judged, and what was refused sent again to see that nothing changes."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.fuzz.arsenal import Arsenal
from tests.fuzz.judging import faults, is_refused
from tests.fuzz.sending import Gun
from tests.fuzz.shots import Shot, published
from tests.fuzz.wire import Request, render
from tests.fuzz.world import ApiProcess, World

BATCH: Final = 250
SCENE_LASTS: Final = 10_000
"""Shots until new organizations are made, since operators close and suspend the old ones, and new values are drawn."""
GROWTH_BYTES_MAX: Final = 300 * 1024 * 1024
_REPLAYS: Final = 4


@dataclass
class Figures:
    """Of all campaigns of this process."""

    requests: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """For people, and empty when nothing was fuzzed."""
        total = sum(self.requests.values())
        if not total:
            return []
        rate = total / self.seconds if self.seconds else 0.0
        return [
            f"fuzz: {total} requests in {self.seconds:.0f} s, {rate:.0f}/s",
            *(f"fuzz: {count} {name}" for name, count in sorted(self.requests.items())),
            f"fuzz: answers {dict(self.codes.most_common())}",
            f"fuzz: {len(self.accepted)} methods accepted a request at least once",
            *self.notes,
        ]


FIGURES: Final = Figures()


def messages(world: World, server: ApiProcess, count: int) -> None:
    """Valid and invalid messages to every method."""
    _campaign(world, server, count, Arsenal.messages, "messages")


def damaged_bytes(world: World, server: ApiProcess, count: int) -> None:
    """Bodies and headers that were changed on their way."""
    _campaign(world, server, count, Arsenal.damaged, "damaged")


def _campaign(
    world: World, server: ApiProcess, count: int, make: Callable[[Arsenal, int], list[Shot]], kind: str
) -> None:
    methods = published(f"{server.host}:{server.port}")
    assert len(methods) > 100, "reflection tells the methods"
    gun = world.run(_gun(server.url))
    before = server.resident_bytes()
    done, scene_count, arsenal = 0, 0, Arsenal(methods, seeded=0)
    found: dict[str, str] = {}
    while done < count:
        if done // SCENE_LASTS > scene_count:
            scene_count += 1
            world.new_scene()
            arsenal = Arsenal(methods, seeded=scene_count)
        began = time.monotonic()
        sent, bad = fire(world, gun, make(arsenal, min(BATCH, count - done)))
        found |= bad
        FIGURES.seconds += time.monotonic() - began
        FIGURES.requests[f"{kind} to {server.kind}"] += sent
        assert server.is_alive(), server.log[-3000:]
        done += sent
    assert not found, "\n".join([*list(found.values())[:30], server.log[-6000:]])
    after = server.resident_bytes()
    FIGURES.notes.append(
        f"fuzz: memory of {server.kind} {before / 2**20:.0f} MiB before {done} {kind}, {after / 2**20:.0f} MiB after"
    )
    assert after - before < GROWTH_BYTES_MAX, f"{server.kind} grew by {after - before} bytes"
    assert "unhandled_exception" not in server.log, server.log[-3000:]


async def _gun(url: str) -> Gun:
    return Gun(url)


def fire(world: World, gun: Gun, drawn: Sequence[Shot]) -> tuple[int, dict[str, str]]:
    """Send and judge; then send what was refused again, alone, and compare the database.

    How many requests that took, and what is wrong by method and kind.
    """
    requests = [render(shot, world.values, world.keys) for shot in drawn]
    answers = world.run(gun.fire(requests))
    found: dict[str, str] = {}
    for shot, request, answer in zip(drawn, requests, answers, strict=True):
        FIGURES.codes[answer.code] += 1
        FIGURES.accepted.update([shot.method.name] if answer.code == "ok" else [])
        said = request.path + (request.body or b"")[:200_000].decode(errors="replace") + str(shot)
        if bad := faults(answer, sent=said, caller=shot.caller, secrets=world.secrets):
            found[f"{shot.method.name} {bad}"] = f"{bad} {answer.reason}: {shot}\n    {answer.text[:600]}"
    refused = [
        (shot, request) for shot, request, answer in zip(drawn, requests, answers, strict=True) if is_refused(answer)
    ]
    sent, changes = _replay(world, gun, refused)
    return len(drawn) + sent, found | changes


def _replay(world: World, gun: Gun, refused: list[tuple[Shot, Request]]) -> tuple[int, dict[str, str]]:
    """Refused calls change nothing: alone, before and after. One that is no longer refused is left out, and again."""
    sent = 0
    for _ in range(_REPLAYS):
        before = world.fingerprint()
        answers = world.run(gun.fire([request for _, request in refused]))
        sent += len(answers)
        still = [pair for pair, answer in zip(refused, answers, strict=True) if is_refused(answer)]
        if len(still) == len(refused):
            after = world.fingerprint()
            changed = {table: (before[table], after[table]) for table in before if before[table] != after[table]}
            return sent, {str(sorted(changed)): _blame(world, gun, refused, changed)} if changed else {}
        refused = still
    return sent, {}


def _blame(world: World, gun: Gun, refused: list[tuple[Shot, Request]], changed: object) -> str:
    """Which of the calls changes something, for whoever reads the failure."""
    for shot, request in refused:
        before = world.fingerprint()
        [answer] = world.run(gun.fire([request]))
        if world.fingerprint() != before:
            return f"{shot} was refused with {answer.code} {answer.reason} and changed {changed}"
    return f"refused calls changed {changed}"
