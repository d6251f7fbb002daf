"""What the tests of the embedded server share: identities, owners in processes of their own, questions, small disks."""

import asyncio
import json
import os
import pwd
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from wallet_service.embedded_postgres import Binaries, find_binaries
from wallet_service.embedded_postgres.server_user import ServerUser, copy_binaries

IS_ROOT = os.geteuid() == 0


@dataclass(frozen=True)
class Identity:
    """As whom a service process runs in a test; None is the user of the test run."""

    name: str
    uid: int | None
    gid: int | None


def identities() -> list[Identity]:
    mine = Identity("root" if IS_ROOT else "user", None, None)
    if not IS_ROOT:
        return [mine]
    nobody = pwd.getpwnam("nobody")
    return [mine, Identity("nobody", nobody.pw_uid, nobody.pw_gid)]


def both_kinds() -> list[Binaries]:
    """The first binaries found on this machine and the wheel's, which are the same where there is only the wheel."""
    return list(dict.fromkeys([next(find_binaries()), next(find_binaries("wheel"))]))


def for_every_user(found: Binaries, public_folder: Path) -> Binaries:
    """`found`, or a copy where only its owner may run it: a checkout in a private folder hides the wheel from others."""
    stranger = identities()[-1]
    if stranger.uid is None or stranger.gid is None:
        return found
    user = ServerUser(stranger.uid, stranger.gid, switch=True)
    if user.runs(found):
        return found
    return copy_binaries(found, public_folder / f"binaries-{found.major}")


class Owner:
    """A started `postgres_owner.py`."""

    def __init__(
        self, data_dir: Path, bin_dir: Path | None, *, identity: Identity, file_bytes_max: int | None = None
    ) -> None:
        request = {
            "data_dir": str(data_dir),
            "bin_dir": None if bin_dir is None else str(bin_dir),
            "uid": identity.uid,
            "gid": identity.gid,
            "file_bytes_max": file_bytes_max,
        }
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("postgres_owner.py")), json.dumps(request)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def answer(self) -> dict[str, Any]:
        """What it printed; blocks until its start has ended."""
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def socket_dir(self) -> str:
        """Where its server listens."""
        answer = self.answer()
        assert "error" not in answer, answer
        return answer["socket_dir"]

    def kill(self) -> None:
        self.process.kill()
        self._close()

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self._close()

    def _close(self) -> None:
        self.process.wait(60)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


def query(socket_dir: Path | str, statement: str) -> Any:
    """The first column of the first row that `statement` returns in the service's database."""

    async def ask() -> Any:
        connection = await asyncpg.connect(host=str(socket_dir), user="wallet", database="wallet", timeout=10)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(ask())


def server_pid(data_dir: Path) -> int:
    return int((data_dir / "cluster/postmaster.pid").read_text().split()[0])


def is_alive(pid: int) -> bool:
    """Whether a process runs; an ended one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def eventually(condition: Callable[[], bool], *, seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def can_mount() -> bool:
    """Whether this test run may mount a memory disk; root of a container often may not."""
    with tempfile.TemporaryDirectory() as folder:
        is_mounted = IS_ROOT and mount(Path(folder), "size=1m")
        if is_mounted:
            unmount(Path(folder))
        return is_mounted


def mount(folder: Path, options: str) -> bool:
    run = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"mode=755,{options}", "tmpfs", folder], check=False, capture_output=True
    )
    return run.returncode == 0


def unmount(folder: Path) -> None:
    subprocess.run(["umount", folder], check=True)


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(65536))
