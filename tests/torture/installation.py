"""A whole installation as production runs it: PostgreSQL, `wallet serve`, `wallet worker`, and Stripe's simulator.

Whoever holds it is the supervisor: what was killed is started again at once, without waiting for what it needs. Nothing
here is gentle with the database: it writes durably.
"""

import os
import random
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from providers.simulators.stripe.world import WEBHOOK_SECRET
from tests.system.instance import ROOT, WALLET, descendants, environment, is_alive, until
from tests.torture.breakages import BREAKAGES
from tests.torture.database import READY
from wallet_service.embedded_postgres import Binaries

STRIPE_KEY: Final = "sk_test_torture"
READY_SECONDS_MAX: Final = 60


class Ended(AssertionError):
    """A part of the installation ended although nobody had killed it."""


class Program:
    """A process that says a word when it is ready, and is started again as often as its database is not there yet."""

    def __init__(self, name: str, command: list[str], ready: str, folder: Path, settings: Mapping[str, str]) -> None:
        self.name = name
        self.start_count = 0
        self.failed_start_count = 0
        self._has_been_ready = False
        self._command, self._ready, self._settings = command, ready, settings
        self._out, self._err = folder / f"{name}.out", folder / f"{name}.err"
        self._process: subprocess.Popen[bytes] | None = None
        self._dying: list[int] = []

    @property
    def pid(self) -> int:
        assert self._process is not None, "start comes first"
        return self._process.pid

    def start(self) -> None:
        """Start, and return at once."""
        self.start_count += 1
        self._has_been_ready = False
        with self._out.open("wb") as out, self._err.open("ab") as err:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=environment(**self._settings),
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def is_ready(self) -> bool:
        """Whether it has said so; one that has ended before is started again. Raises Ended for one that had been ready."""
        if self._has_been_ready:
            if self.has_ended():
                raise Ended(f"{self.name} has ended by itself: {self.errors()[-2000:]}")
            return True
        if self.has_ended():
            self.failed_start_count += 1
            self.start()
        self._has_been_ready = self._ready in self._out.read_text()
        return self._has_been_ready

    def has_ended(self) -> bool:
        assert self._process is not None, "start comes first"
        return self._process.poll() is not None

    def said(self) -> str:
        """The rest of the line with its word."""
        found = re.search(rf"{self._ready} (\S+)", self._out.read_text())
        assert found is not None, self._out.read_text()
        return found[1]

    def errors(self) -> str:
        return self._err.read_text(errors="replace")

    def strike(self, chance: random.Random) -> None:
        """kill -9 of the process, or of what it has started, whose end ends it too."""
        self._dying = [self.pid, *descendants(self.pid)]
        _kill(chance.choice(self._dying))

    def bury(self) -> None:
        """Wait until nothing is left of what was struck."""
        until(self.has_ended, f"the end of {self.name}")
        until(lambda: not any(map(is_alive, self._dying)), f"the end of what {self.name} had started")

    def terminate(self) -> None:
        """Ask it to end, and wait for that."""
        if self._process is None or self.has_ended():
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(READY_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Database:
    """PostgreSQL with fsync, under a supervisor that starts it again whenever it has ended."""

    def __init__(self, folder: Path, binaries: Binaries, settings: Mapping[str, str]) -> None:
        self._cluster = folder / "postgres" / "cluster"
        self._out = folder / "database.out"
        command = [sys.executable, "-m", "tests.torture.database", str(folder / "postgres"), str(binaries.bin_dir)]
        command += [f"{name}={value}" for name, value in settings.items()]
        with self._out.open("wb") as out:
            self._supervisor = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment(PYTHONPATH=str(ROOT)),
                stdin=subprocess.PIPE,
                stdout=out,
                start_new_session=True,
            )
        self._start_count = 0
        self._ends = False
        self._await_start()
        self.url = self._out.read_text().split()[-1]

    def strike(self, chance: random.Random) -> None:
        """kill -9 of the server, of the server with all its processes, or of one that works for a client."""
        pid = int((self._cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        below = descendants(pid)
        sessions = [child for child, command in below.items() if "[local]" in command]
        self._ends = not sessions or chance.random() < 0.7
        for victim in (pid, *(below if chance.random() < 0.5 else ())) if self._ends else (chance.choice(sessions),):
            _kill(victim)

    def await_return(self) -> None:
        """Wait until what was struck is there again: a server that has lost a process restarts by itself."""
        if self._ends:
            self._await_start()

    def restart(self) -> None:
        """As somebody does who changes a setting of it."""
        assert self._supervisor.stdin is not None
        self._supervisor.stdin.write(b"restart\n")
        self._supervisor.stdin.flush()
        self._await_start()

    def close(self) -> None:
        """End it."""
        assert self._supervisor.stdin is not None
        self._supervisor.stdin.close()
        self._supervisor.wait(READY_SECONDS_MAX)

    def _await_start(self) -> None:
        self._start_count += 1
        until(lambda: self._said_count() >= self._start_count, "the database")

    def _said_count(self) -> int:
        assert self._supervisor.poll() is None, f"the supervisor of the database has ended, see {self._cluster.parent}"
        return self._out.read_text().count(READY)


class Programs:
    """The service, the worker and Stripe's simulator, on ports that are theirs alone while this object lives.

    Only the simulator is started at once. `broken`: a breakage of service and worker by its name, "" for none.
    """

    def __init__(self, folder: Path, database_url: str, *, broken: str) -> None:
        # Bound and never listened on: the kernel gives the port to nobody who asks for any, and the service takes it.
        self._place = socket.socket()
        self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._place.bind(("127.0.0.1", 0))
        self.target = f"127.0.0.1:{self._place.getsockname()[1]}"
        self.stripe = Program("stripe", self._stripe_command(), "Stripe simulator on", folder, {})
        self.stripe.start()
        until(self.stripe.is_ready, "Stripe's simulator")
        self.stripe_url = self.stripe.said()
        self.settings = {
            "DATABASE_URL": database_url,
            "WALLET_ENVIRONMENT": "test",
            "WALLET_LISTEN": self.target,
            "WALLET_DATA_DIR": str(folder / "data"),
            "WALLET_LOG_LEVEL": "warning",
            "WALLET_STRIPE_API_KEY": STRIPE_KEY,
            "WALLET_STRIPE_API_BASE": self.stripe_url,
            "WALLET_STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "WALLET_RECONCILE_AFTER_SECONDS": "5",
            "WALLET_RECHARGE_DAILY_CHARGES": "1000",
            "WALLET_RECHARGE_MONTHLY_CHARGES": "10000",
        }
        wallet = [sys.executable, "-m", "tests.torture.broken", broken] if broken else [str(WALLET)]
        self.api = Program("service", [*wallet, "serve"], "serving on", folder, self.settings)
        self.worker = Program("worker", [*wallet, "worker"], "working", folder, self.settings)

    @property
    def programs(self) -> tuple[Program, ...]:
        return (self.api, self.worker)

    def wait_until_ready(self, *programs: Program) -> None:
        """Wait for these."""
        for program in programs:
            until(program.is_ready, f"{program.name} to be ready; it said {program.errors()[-2000:]}")

    def supervise(self) -> None:
        """Start again what has ended before it was ready. Raises Ended for what has ended after that."""
        for program in (*self.programs, self.stripe):
            program.is_ready()

    def close(self) -> None:
        """End all of it."""
        for program in (*self.programs, self.stripe):
            program.terminate()
        self._place.close()

    def _stripe_command(self) -> list[str]:
        command = [sys.executable, "-m", "providers.simulators.stripe", "--port", "0", "--followup-delay", "0"]
        return [*command, "--webhook-url", f"http://{self.target}/webhooks/stripe"]


class Installation(Programs):
    """All parts, in one folder."""

    def __init__(self, folder: Path, binaries: Binaries, *, broken: str) -> None:
        self.database = Database(folder, binaries, BREAKAGES[broken].postgres if broken else {})
        super().__init__(folder, self.database.url, broken=broken)

    def close(self) -> None:
        super().close()
        self.database.close()


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
