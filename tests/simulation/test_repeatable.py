"""The same seed is the same run: the same entries in every journal, in the same order and at the same times."""

from collections.abc import Iterator

import pytest

from tests.conftest import TestServer
from tests.simulation.episode import run

STEPS = 60


@pytest.fixture
def database_urls(postgres_server: TestServer, template_database: str) -> Iterator[list[str]]:
    urls = [postgres_server.create_database(template=template_database) for _ in range(2)]
    yield urls
    for url in urls:
        postgres_server.drop_database(url)


async def test_a_seed_gives_one_run(database_urls: list[str]) -> None:
    first, second = [await run(url, 7, range(STEPS)) for url in database_urls]
    assert first.failure is None
    assert first.shapes == second.shapes
