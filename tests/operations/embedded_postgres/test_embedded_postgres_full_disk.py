"""The embedded server out of space: on a full memory disk, and under a limit on the size of a file."""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from postgres_lab import Identity, Owner, can_mount, fill, identities, mount, query, server_pid, unmount

from wallet_service.embedded_postgres import Binaries


@dataclass(frozen=True)
class Scarcity:
    """A way to be out of space: a memory disk of its own, or a limit on the size of a file."""

    name: str
    identity: Identity
    is_disk: bool

    @property
    def file_bytes_max(self) -> int | None:
        return None if self.is_disk else 100_000


def scarcities() -> list[Scarcity]:
    limits = [Scarcity(f"limit-{one.name}", one, is_disk=False) for one in identities()]
    disks = [Scarcity("disk-root", identities()[0], is_disk=True)]
    return limits + (disks if can_mount() else [])


@pytest.fixture(params=scarcities(), ids=lambda scarcity: scarcity.name)
def scarcity(request: pytest.FixtureRequest) -> Scarcity:
    return request.param


@pytest.fixture
def disk(folder: Path, scarcity: Scarcity) -> Iterator[Path]:
    """A folder that is a memory disk of 20 MiB where the scarcity is one."""
    made = folder / "disk"
    made.mkdir()
    made.chmod(0o777)
    if scarcity.is_disk:
        assert mount(made, "size=20m")
    yield made
    if scarcity.is_disk:
        unmount(made)


def test_no_room_for_a_new_cluster_is_a_clear_error_that_leaves_nothing(
    binaries: Binaries, scarcity: Scarcity, disk: Path, start_owner: Callable[..., Owner]
) -> None:
    data = disk / "data"
    answer = start_owner(
        data, binaries.bin_dir, identity=scarcity.identity, file_bytes_max=scarcity.file_bytes_max
    ).answer()
    assert answer["error"] == "DiskFullError", answer
    assert "free some" in answer["message"]
    assert [path.name for path in data.iterdir() if path.is_dir()] == []
    if scarcity.is_disk:
        assert mount(disk, "remount,size=200m")
    roomy = start_owner(data, binaries.bin_dir, identity=scarcity.identity)
    assert query(roomy.socket_dir(), "SELECT 1") == 1


def test_no_room_for_the_next_start_is_a_clear_error_that_loses_nothing(
    binaries: Binaries, scarcity: Scarcity, disk: Path, start_owner: Callable[..., Owner]
) -> None:
    if scarcity.is_disk:
        assert mount(disk, "remount,size=200m")
    data = disk / "data"
    first = start_owner(data, binaries.bin_dir, identity=scarcity.identity)
    query(first.socket_dir(), "CREATE TABLE kept AS SELECT 42 AS answer")
    first.stop()
    if scarcity.is_disk:
        fill(disk / "filler")
    else:
        # A start after a clean end writes only small files; recovery writes far into the write-ahead log, where a server
        # without room panics and starts over, again and again.
        crashed = start_owner(data, binaries.bin_dir, identity=scarcity.identity)
        crashed.socket_dir()
        os.kill(server_pid(data), signal.SIGKILL)
        crashed.kill()
    answer = start_owner(
        data, binaries.bin_dir, identity=scarcity.identity, file_bytes_max=scarcity.file_bytes_max
    ).answer()
    assert answer["error"] == "DiskFullError", answer
    (disk / "filler").unlink(missing_ok=True)
    roomy = start_owner(data, binaries.bin_dir, identity=scarcity.identity)
    assert query(roomy.socket_dir(), "SELECT answer FROM kept") == 42
