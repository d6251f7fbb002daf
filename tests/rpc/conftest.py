"""The scripted application under each real server, on a real socket, as a process of its own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rpc.scripted_app import FOLDER_VARIABLE

ROOT = Path(__file__).parents[2]
TLS = Path(__file__).parent / "tls"
CERTIFICATE = TLS / "cert.pem"

SERVERS = ("pyvoy", "hypercorn")


class ServerProcess:
    """One running server. `url` has no trailing slash; `target` is host:port."""

    def __init__(
        self,
        kind: str,
        *,
        tls: bool = False,
        fail_startup: bool = False,
        port: int = 0,
        workers: int = 1,
        silence_seconds: int = 30,
    ) -> None:
        self.kind = kind
        self.folder = Path(tempfile.mkdtemp(prefix="scripted-"))
        if fail_startup:
            (self.folder / "fail-startup").touch()
        self._log = (self.folder / "log").open("w")
        arguments = [CERTIFICATE, TLS / "key.pem"] if tls else []
        path = os.pathsep.join([str(ROOT), str(ROOT / "gen/python/server")])
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.rpc.scripted_server",
                kind,
                str(port),
                str(workers),
                str(silence_seconds),
                *map(str, arguments),
            ],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, FOLDER_VARIABLE: str(self.folder), "PYTHONPATH": path},
        )
        assert self.process.stdout is not None
        # Ends with the address, or with the process.
        self.url = self.process.stdout.readline().strip()
        self.target = self.url.rpartition("/")[2]

    def log_text(self) -> str:
        return (self.folder / "log").read_text()

    def log_lines(self, **fields: object) -> list[dict[str, Any]]:
        """Structured lines whose fields have these values."""
        lines = [json.loads(line) for line in self.log_text().splitlines() if line.startswith("{")]
        return [line for line in lines if all(line.get(k) == v for k, v in fields.items())]

    def wait_for_log(self, **fields: object) -> dict[str, Any]:
        """The first such line, within five seconds: a call's line is written after its answer."""
        return wait_until(lambda: self.log_lines(**fields))[0]

    def wait_for_file(self, name: str) -> None:
        wait_until(lambda: (self.folder / name).exists())

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal the server and wait for its end; returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(30)
        self._log.close()
        return status

    def envoys(self) -> list[int]:
        """Process ids of the Envoys that this server's process has started."""
        return _children(self.process.pid)


def wait_until(probe: Any, seconds: float = 5.0) -> Any:
    """What `probe` returns once that is true; fails the test after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := probe():
            return result
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s")


def is_alive(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    """A server that the tests of a module share."""
    process = ServerProcess(request.param)
    yield process
    assert process.stop() == 0, process.log_text()


@pytest.fixture(scope="module", params=SERVERS)
def tls_server(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    process = ServerProcess(request.param, tls=True)
    yield process
    assert process.stop() == 0, process.log_text()


@pytest.fixture(params=SERVERS)
def own_server(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    """A server for one test, which may end it."""
    process = ServerProcess(request.param)
    yield process
    process.stop(signal.SIGKILL)
