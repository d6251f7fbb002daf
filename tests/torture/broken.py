"""`python -m tests.torture.broken BREAKAGE ...`: the `wallet` command with a breakage in force, also inside Envoy."""

import asyncio
import os
import sys
from contextlib import ExitStack
from typing import Final

from starlette.types import ASGIApp

from tests.simulation.edits import Edit, edited
from tests.torture.breakages import BREAKAGES
from wallet_service import app, cli
from wallet_service.serving.envoy import EnvoyServer

_VARIABLE: Final = "TORTURE_BROKEN"
_FOR_GOOD: Final = ExitStack()
SERVED_HERE: Final = Edit(
    EnvoyServer._environment,  # pyright: ignore[reportPrivateUsage]
    "FACTORY_VARIABLE: self._options.factory",
    "FACTORY_VARIABLE: 'tests.torture.broken:create_app'",
)
"""So that Envoy, too, runs the application of this module."""


def create_app(draining: asyncio.Event) -> ASGIApp:
    """The application of a process that was started with a breakage, which stays."""
    _FOR_GOOD.enter_context(edited(BREAKAGES[os.environ[_VARIABLE]].edits))
    return app.create_app(draining)


def main() -> None:
    """Break, and do what the command does."""
    name = os.environ[_VARIABLE] = sys.argv.pop(1)
    with edited([*BREAKAGES[name].edits, SERVED_HERE]):
        cli.main()


if __name__ == "__main__":
    main()
