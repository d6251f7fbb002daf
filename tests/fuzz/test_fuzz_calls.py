"""Every RPC that the server publishes, fuzzed from its descriptor: as messages, and as damaged bytes."""

import pytest

from tests.fuzz import campaign
from tests.fuzz.world import SERVERS, World

pytestmark = pytest.mark.timeout(7200)


@pytest.mark.parametrize("kind", SERVERS)
def test_messages(world: World, kind: str, requests_wanted: int) -> None:
    campaign.messages(world, world.servers[kind], requests_wanted * 3 // 10)


@pytest.mark.parametrize("kind", SERVERS)
def test_damaged_bytes(world: World, kind: str, requests_wanted: int) -> None:
    campaign.damaged_bytes(world, world.servers[kind], requests_wanted * 2 // 10)
