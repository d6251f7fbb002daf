"""GetWalletBalance over gRPC beside a method of the same server that answers a constant.

The constant is the health check: it runs behind the same port, gateway and protocol, without a key, a policy or a statement.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Final

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from wallet.v1 import wallet_service_pb2, wallet_service_pb2_grpc

from bench.figures import print_figure
from wallet_service.development import Instance

CALLERS: Final = 64
PASSES: Final = 3
PASS_SECONDS: Final = 4.0
TARGET: Final = 0.8

Call = Callable[[], Awaitable[object]]


async def run(instance: Instance) -> None:
    """Alternate the two methods, and print the median of the fractions."""
    async with grpc.aio.insecure_channel(instance.url.removeprefix("http://")) as channel:
        wallet = wallet_service_pb2_grpc.WalletServiceStub(channel)
        health = health_pb2_grpc.HealthStub(channel)
        request = wallet_service_pb2.GetWalletBalanceRequest(name="organizations/my-org/wallets/default")
        metadata = (("authorization", f"Bearer {instance.api_key}"),)
        check = health_pb2.HealthCheckRequest()
        balances: list[float] = []
        constants: list[float] = []
        for _ in range(PASSES):
            constants.append(await _rate(lambda: health.Check(check)))
            balances.append(await _rate(lambda: wallet.GetWalletBalance(request, metadata=metadata)))
    fraction = statistics.median(b / c for b, c in zip(balances, constants, strict=True))
    yardstick = f"grpc.health.v1.Health/Check: {statistics.median(constants):.0f} calls/s"
    print_figure("get_wallet_balance_grpc_64", statistics.median(balances), "calls/s", yardstick, None)
    print_figure("get_wallet_balance_grpc_64_fraction", fraction, "of yardstick", yardstick, TARGET)


async def _rate(call: Call) -> float:
    """Calls per second of 64 callers that each wait for their answer."""
    done = 0

    async def caller() -> None:
        nonlocal done
        while time.monotonic() < end:
            await call()
            done += 1

    await asyncio.gather(*(call() for _ in range(CALLERS)))
    begin = time.monotonic()
    end = begin + PASS_SECONDS
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return done / (time.monotonic() - begin)
