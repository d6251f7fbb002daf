"""One world for all fuzzing of a test process, and the figures of the run at its end."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.campaign import FIGURES
from tests.fuzz.world import World


@pytest.fixture(scope="session")
def requests_wanted() -> int:
    """How many requests the whole run makes, about; `make fuzz REQUESTS=...` sets it."""
    return int(os.environ.get("FUZZ_REQUESTS", "4000"))


@pytest.fixture(scope="session")
def world(postgres_server: Any, template_database: str) -> Iterator[World]:
    """A running service with both servers."""
    folder = Path(tempfile.mkdtemp(prefix="wallet-fuzz-"))
    url = postgres_server.create_database(template=template_database)
    made = World(url, folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        postgres_server.drop_database(url)
        shutil.rmtree(folder, ignore_errors=True)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for line in FIGURES.lines():
        terminalreporter.write_line(line)
