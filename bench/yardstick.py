"""pgbench's TPC-B, which every figure of the ledger stands beside."""

import asyncio
import re
from typing import Final

import asyncpg
from sqlalchemy.engine import make_url

from wallet_service.embedded_postgres import find_binaries

YARDSTICK_SECONDS: Final = 4
YARDSTICK_SCALE: Final = 64


class Yardstick:
    """TPC-B with prepared statements and 64 clients, on the same server."""

    description: Final = f"pgbench TPC-B -M prepared -c 64 -j 2, scale {YARDSTICK_SCALE}"

    def __init__(self, url: str) -> None:
        """`url`: of any database of the embedded server; the yardstick makes one of its own."""
        self._url = url
        self._server = make_url(url)
        self._program = next(find_binaries()).bin_dir / "pgbench"

    async def prepare(self) -> None:
        """Make and fill its database."""
        await execute(self._url, "CREATE DATABASE tpcb")
        await self._run("-i", "-q", "-s", str(YARDSTICK_SCALE))

    async def rate(self) -> float:
        """Transactions a second, measured now."""
        output = await self._run("-n", "-M", "prepared", "-c", "64", "-j", "2", "-T", str(YARDSTICK_SECONDS))
        found = re.search(r"tps = ([0-9.]+)", output)
        if found is None:
            raise RuntimeError(f"pgbench did not say how fast it was: {output}")
        return float(found.group(1))

    async def _run(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            self._program,
            *("-h", str(self._server.query["host"]), "-U", str(self._server.username), *arguments, "tpcb"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"pgbench failed: {output.decode()}")
        return output.decode()


async def execute(url: str, statement: str) -> None:
    """Run one statement as the server's owner."""
    conn = await asyncpg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))
    try:
        await conn.execute(statement)
    finally:
        await conn.close()
