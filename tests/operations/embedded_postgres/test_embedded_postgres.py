"""The embedded server starts, stops, outlives nothing that it should not, and is shared, as root and not."""

import asyncio
import fcntl
import os
import signal
import stat
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from postgres_lab import IS_ROOT, Identity, Owner, eventually, identities, is_alive, query, server_pid

from wallet_service.embedded_postgres import Binaries, EmbeddedPostgres, FolderBusyError

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
    assert sorted(path.name for path in data.iterdir()) == ["cluster", "lock", "server.log", "socket"]


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
    each_binaries: Binaries, identity: Identity, folder: Path, start_owner: Callable[..., Owner]
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
    binaries: Binaries, identity: Identity, folder: Path, start_owner: Callable[..., Owner]
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
    bystander = subprocess.Popen(["sleep", "600"], **({"user": owner.st_uid, "group": owner.st_gid} if IS_ROOT else {}))
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
    each_binaries: Binaries, identity: Identity, folder: Path, start_owner: Callable[..., Owner]
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
