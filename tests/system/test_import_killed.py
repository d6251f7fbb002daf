"""A usage import that dies half-way, with the whole service or alone: run again, it ends in the same figures."""

import subprocess
from pathlib import Path

import pytest

from tests.system.instance import SAMPLE, SECONDS_MAX, Dev, connect, lines, until
from wallet_service.embedded_postgres import EmbeddedPostgres

COST = "2300.4351956668488"
CARRY = "0.4351956668488"
ROWS = 997


def import_arguments(file: Path = SAMPLE) -> list[str]:
    return ["usage", "import", str(file), "--format", "focus"]


class Stopper:
    """Holds a table, so that whoever records usage waits in the middle of its transaction."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server

    async def __aenter__(self) -> "Stopper":
        self._connection = await connect(self._server)
        self._transaction = self._connection.transaction()
        await self._transaction.start()
        await self._connection.execute("LOCK TABLE usage_hourly IN ACCESS EXCLUSIVE MODE")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._connection.terminate()
        self._server.stop()

    async def wait_for_somebody(self, process: "subprocess.Popen[str]") -> None:
        while not await self._connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            assert process.poll() is None, process.communicate()


def check_figures(dev: Dev) -> None:
    assert dev.balance() == (-2300, CARRY)
    audit = dev.wallet("audit")
    assert audit.returncode == 0, audit.stdout
    assert audit.stdout.startswith("audit ok: ")


def check_import(dev: Dev, *, recorded: int, file: Path = SAMPLE) -> None:
    done = dev.wallet(*import_arguments(file))
    assert done.returncode == 0, done.stderr
    assert f"{ROWS} rows of usage: {recorded} recorded, {ROWS - recorded} recorded before, 0 refused" in done.stdout
    assert f"exact cost {COST} minor units" in done.stdout


async def test_the_whole_service_is_killed(own_dev: Dev):
    own_dev.start()
    process = own_dev.launch_wallet(*import_arguments())
    async with Stopper(own_dev.database()) as stopper:
        await stopper.wait_for_somebody(process)
        own_dev.kill()
    _, err = process.communicate(timeout=SECONDS_MAX)
    assert process.returncode == 1
    assert lines(err)[-1].startswith("wallet: "), err
    assert "Traceback" not in err
    own_dev.start()
    assert own_dev.balance() == (0, "0")
    check_import(own_dev, recorded=ROWS)
    check_figures(own_dev)
    check_import(own_dev, recorded=0)
    check_figures(own_dev)


@pytest.mark.parametrize(("part_lines", "part_rows"), [(0, 0), (501, 499)])
async def test_the_import_alone_is_killed(own_dev: Dev, tmp_path: Path, part_lines: int, part_rows: int):
    """Alone, and after a part of the file that ended well."""
    own_dev.start()
    if part_lines:
        part = tmp_path / "part.csv"
        part.write_text("".join(SAMPLE.read_text().splitlines(keepends=True)[:part_lines]))
        done = own_dev.wallet(*import_arguments(part))
        assert f"{part_rows} recorded" in done.stdout, done
    process = own_dev.launch_wallet(*import_arguments())
    async with Stopper(own_dev.database()) as stopper:
        await stopper.wait_for_somebody(process)
        process.kill()
        process.communicate(timeout=SECONDS_MAX)
    check_import(own_dev, recorded=ROWS - part_rows)
    check_figures(own_dev)


async def test_an_interrupted_import_says_nothing_but_ends(own_dev: Dev):
    own_dev.start()
    process = own_dev.launch_wallet(*import_arguments())
    async with Stopper(own_dev.database()) as stopper:
        await stopper.wait_for_somebody(process)
        process.terminate()
        _, err = process.communicate(timeout=SECONDS_MAX)
    assert process.returncode == 143
    assert "Traceback" not in err
    check_import(own_dev, recorded=ROWS)
    check_figures(own_dev)
    until(lambda: own_dev.process.poll() is None, "the instance, which goes on")
