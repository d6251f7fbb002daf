"""`python -m providers.simulators.stripe`: the simulator as a process, until SIGINT or SIGTERM."""

import argparse
import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from providers.simulators.serving import arguments, run_until_stopped, system_time
from providers.simulators.stripe.server import running
from providers.simulators.stripe.world import WEBHOOK_SECRET, Settings, random_ids


def main() -> None:
    """Parse the arguments, serve, and write the state file on the way out."""
    parser = arguments("providers.simulators.stripe", port=12111, webhook_secret=WEBHOOK_SECRET)
    asyncio.run(run_until_stopped("Stripe simulator", _simulator(parser.parse_args())))


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
