"""Every source of chance that the service has, drawn from one seed; and its waits before a repetition, cut short.

The service takes its clock as an argument, and its chance from a few places of the standard library. Ids and marks have to
be unique and need no secrecy, so a seeded generator stands for all of them here.
"""

import asyncio
import random
import secrets
import uuid
from collections.abc import Awaitable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any
from unittest.mock import patch

import httpx
import httpx._transports.default as default
import stripe

from ledger import ids, lane
from wallet_service import service
from wallet_service.promotions import operations as promotions

_RETRY_SECONDS_MAX = 0.001


@contextmanager
def seeded(seed: int) -> Generator[None]:
    """Within the block the same seed gives the same ids, marks, codes and nonces, in the order in which they are drawn."""
    chance = random.Random(seed)
    generator = ids._Generator()  # pyright: ignore[reportPrivateUsage]
    generator._random = random.Random(chance.getrandbits(64))  # pyright: ignore[reportPrivateUsage]
    before = random.getstate()
    random.seed(chance.getrandbits(64))
    with ExitStack() as stack:
        for target, name, drawn in (
            (ids, "_generator", generator),
            (uuid, "uuid4", lambda: uuid.UUID(int=chance.getrandbits(128), version=4)),
            (secrets, "token_bytes", lambda size=32: chance.randbytes(size)),
            (secrets, "token_hex", lambda size=32: chance.randbytes(size).hex()),
            (promotions.Promotions.__init__, "__defaults__", (chance.randbytes,)),
        ):
            stack.enter_context(patch.object(target, name, drawn))
        try:
            yield
        finally:
            random.setstate(before)


@contextmanager
def without_waits() -> Generator[None]:
    """Within the block a repetition follows at once, and the trust store of TLS, which nobody here uses, is read once."""

    def at_once(client: stripe.HTTPXClient, seconds: float) -> Awaitable[None]:
        del client, seconds
        return asyncio.sleep(0)

    make_coinbase = service._coinbase  # pyright: ignore[reportPrivateUsage]

    def coinbase(*arguments: Any) -> Any:
        made = make_coinbase(*arguments)
        if made is not None:
            checkouts = made._client  # pyright: ignore[reportPrivateUsage]
            patient = checkouts._settings  # pyright: ignore[reportPrivateUsage]
            checkouts._settings = replace(patient, retry_delay=timedelta(0))  # pyright: ignore[reportPrivateUsage]
        return made

    with (
        patch.object(lane, "_RETRY_SECONDS_MAX", _RETRY_SECONDS_MAX),
        patch.object(stripe.HTTPXClient, "sleep_async", at_once),
        patch.object(service, "_coinbase", coinbase),
        patch.object(default, "create_ssl_context", cache(httpx.create_ssl_context)),
    ):
        yield
