"""`python -m providers.simulators.stripe`: the simulator as a process, until SIGINT or SIGTERM."""

import argparse
import asyncio
import random
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from providers.simulators.stripe.server import running
from providers.simulators.stripe.world import WEBHOOK_SECRET, Settings, random_ids


def main() -> None:
    """Parse the arguments, serve, and write the state file on the way out."""
    parser = argparse.ArgumentParser(prog="python -m providers.simulators.stripe", description=main.__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=12111)
    parser.add_argument("--webhook-url", help="where events go; none are delivered without it")
    parser.add_argument("--webhook-secret", default=WEBHOOK_SECRET)
    parser.add_argument("--state-file", type=Path, help="keep the state here across restarts")
    parser.add_argument(
        "--followup-delay",
        type=int,
        default=1,
        help="seconds from a payment to its fee",
    )
    parser.add_argument("--seed", type=int, help="repeat ids and shuffles; not with a state file")
    asyncio.run(_serve(parser.parse_args()))


async def _serve(arguments: argparse.Namespace) -> None:
    settings = Settings(
        webhook_url=arguments.webhook_url,
        webhook_secret=arguments.webhook_secret,
        state_file=arguments.state_file,
        followup_delay=arguments.followup_delay,
    )
    rng = random.Random(arguments.seed)
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with running(
        settings,
        clock=_now,
        ids=random_ids(rng),
        rng=rng,
        host=arguments.host,
        port=arguments.port,
    ) as simulator:
        print(f"Stripe simulator on {simulator.url}", flush=True)
        await stop.wait()


def _now() -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time.time_ns() // 1_000)


if __name__ == "__main__":
    main()
