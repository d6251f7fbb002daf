"""`wallet` as processes: a development instance in a folder of its own, and commands beside it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import asyncpg
import httpx

from wallet_service.embedded_postgres import EmbeddedPostgres

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
WALLET = Path(sys.executable).parent / "wallet"
SAMPLE = ROOT / "examples" / "data" / "focus_sample.csv"
SECONDS_MAX = 120
"""How long a test waits for anything before it fails; nothing is measured."""


def environment(**settings: str) -> dict[str, str]:
    """The environment of a `wallet` process, without the settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WALLET_", "DATABASE_URL"))}
    # What is installed has to be found without our help, also inside Envoy.
    kept.pop("PYTHONPATH", None)
    return {**kept, "COLUMNS": "200", "NO_COLOR": "1", **settings}


def wallet(*arguments: str, cwd: Path = ROOT, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run one command to its end."""
    return subprocess.run(
        [str(WALLET), *arguments],
        cwd=cwd,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
    )


def until(probe: Callable[[], T | None], what: str) -> T:
    """What `probe` answers once it is neither None nor False."""
    end = time.monotonic() + SECONDS_MAX
    while time.monotonic() < end:
        found = probe()
        if found is not None and found is not False:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def descendants(pid: int) -> dict[int, str]:
    """Process ids below `pid` with their command lines."""
    found: dict[int, str] = {}
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, listed.read_text().split()):
            found[child] = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ").strip()
            found |= descendants(child)
    return found


class Dev:
    """`wallet dev` on one data folder; started and ended any number of times."""

    def __init__(self, folder: Path, postgres: Path, **settings: str) -> None:
        """`folder` is the working directory of the process; `postgres` has the server binaries."""
        self.folder = folder
        self.data = folder / "data"
        self._settings = {
            "WALLET_LISTEN": "127.0.0.1:0",
            "WALLET_STRIPE_SIMULATOR_PORT": "0",
            "WALLET_COINBASE_SIMULATOR_PORT": "0",
            "WALLET_DATA_DIR": str(self.data),
            "WALLET_POSTGRES_BIN_DIR": str(postgres),
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "not started"
        return self._process

    def launch(self) -> None:
        """Start the process and return at once."""
        with (self.folder / "out").open("wb") as out, (self.folder / "err").open("wb") as err:
            # A session of its own, as a terminal gives: Ctrl-C goes to its foreground group.
            self._process = subprocess.Popen(
                [str(WALLET), "dev"],
                cwd=self.folder,
                env=environment(**self._settings),
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def start(self) -> None:
        """Start, and return when it is ready."""
        self.launch()

        def ready() -> bool:
            assert self.process.poll() is None, self.err
            return "Ctrl-C stops everything" in self.out

        until(ready, "the instance")

    @property
    def out(self) -> str:
        return (self.folder / "out").read_text()

    @property
    def err(self) -> str:
        return (self.folder / "err").read_text()

    @property
    def url(self) -> str:
        found = re.search(r"wallet is ready at (\S+)", self.out)
        assert found is not None
        return found.group(1)

    @property
    def api_key(self) -> str:
        return (self.data / "dev-api-key").read_text().strip()

    def descendants(self) -> dict[int, str]:
        return descendants(self.process.pid)

    def postgres_pid(self) -> int:
        [pid] = [pid for pid, command in self.descendants().items() if "/bin/postgres -D" in command]
        return pid

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal the process alone; its exit status."""
        self.process.send_signal(number)
        return self.process.wait(SECONDS_MAX)

    def interrupt(self) -> int:
        """Ctrl-C: SIGINT to the whole foreground group; the exit status."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(SECONDS_MAX)

    def kill(self) -> None:
        """kill -9, and wait until nothing of it is left."""
        below = self.descendants()
        self.process.kill()
        self.process.wait(SECONDS_MAX)
        until(lambda: not any(map(is_alive, below)), f"the end of {below}")

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop()

    def call(self, method: str, **body: object) -> dict[str, object]:
        """One call with the development key, by plain HTTP and JSON."""
        answer = self.call_as(self.api_key, method, **body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def call_as(self, key: str, method: str, **body: object) -> httpx.Response:
        headers = {"authorization": f"Bearer {key}"}
        return httpx.post(f"{self.url}/{method}", json=body, headers=headers, timeout=30, trust_env=False)

    def balance(self) -> tuple[int, str]:
        """The balance of the development wallet, and its carry."""
        answer = self.call("wallet.v1.WalletService/GetWalletBalance", name="organizations/my-org/wallets/default")
        return int(str(answer.get("balanceMinor", 0))), str(answer["carryMinorDecimal"])

    def wallet(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """A command beside the running instance, on its data."""
        return wallet(*arguments, **self._settings)

    def launch_wallet(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [str(WALLET), *arguments],
            cwd=ROOT,
            env=environment(**self._settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def database(self) -> EmbeddedPostgres:
        """To attach to the instance's database, as the owner of its tables; a context manager."""
        return EmbeddedPostgres(self.data / "postgres", Path(self._settings["WALLET_POSTGRES_BIN_DIR"]))


async def connect(server: EmbeddedPostgres) -> "asyncpg.Connection[asyncpg.Record]":
    info = server.start()
    return await asyncpg.connect(host=str(info.socket_dir), user=info.user, database=info.database)


def lines(text: str) -> Sequence[str]:
    return [line for line in text.splitlines() if line.strip()]
