"""Every RPC that the server publishes, fuzzed from its descriptor: as messages, and as damaged bytes."""

from typing import Final

import pytest

from tests.fuzz import campaign
from tests.fuzz.world import SERVERS, World

pytestmark = pytest.mark.timeout(7200)


MESSAGES: Final = {"pyvoy": 0.5, "hypercorn": 0.1}
DAMAGED: Final = {"pyvoy": 0.25, "hypercorn": 0.1}
"""Shares of the requests; the rest is of the other tests. Most go to the server that is used in production."""


@pytest.mark.parametrize("kind", SERVERS)
def test_messages(world: World, kind: str, requests_wanted: int) -> None:
    campaign.messages(world, world.servers[kind], int(requests_wanted * MESSAGES[kind]))


@pytest.mark.parametrize("kind", SERVERS)
def test_damaged_bytes(world: World, kind: str, requests_wanted: int) -> None:
    campaign.damaged_bytes(world, world.servers[kind], int(requests_wanted * DAMAGED[kind]))
