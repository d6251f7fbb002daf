"""`python -m providers.simulators.coinbase`: the simulator as a process, until SIGINT or SIGTERM."""

import argparse
import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from providers.simulators.coinbase.server import running
from providers.simulators.coinbase.world import WEBHOOK_SECRET, Settings, random_ids
from providers.simulators.serving import arguments, run_until_stopped, system_time


def main() -> None:
    """Parse the arguments, serve, and write the state file on the way out."""
    parser = arguments("providers.simulators.coinbase", port=12112, webhook_secret=WEBHOOK_SECRET)
    asyncio.run(run_until_stopped("Coinbase simulator", _simulator(parser.parse_args())))


@asynccontextmanager
async def _simulator(given: argparse.Namespace) -> AsyncGenerator[str, None]:
    settings = Settings(
        webhook_url=given.webhook_url,
        webhook_secret=given.webhook_secret,
        state_file=given.state_file,
        followup_delay=given.followup_delay,
    )
    rng = random.Random(given.seed)
    async with running(
        settings, clock=system_time, ids=random_ids(rng), rng=rng, host=given.host, port=given.port
    ) as simulator:
        yield simulator.url


if __name__ == "__main__":
    main()
