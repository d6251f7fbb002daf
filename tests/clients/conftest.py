"""The service that the tests of clients call: one for each test process, started and ended by serve.py."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
END_SECONDS = 60


@pytest.fixture(scope="session")
def service() -> Iterator[dict[str, str]]:
    """Where it listens, an operator's key, and the moments that the table counts from."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.clients.serve"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"the service did not start: status {process.wait(END_SECONDS)}"
    yield json.loads(line)
    process.stdin.close()
    assert process.wait(END_SECONDS) == 0
