"""Entries by the thousand over gRPC (RecordJournalEntries), over the wallets of 10,000 organizations, beside TPC-B."""

import asyncio
import statistics
import sys
import time
from collections.abc import Iterator
from itertools import count
from typing import Final

import grpc
import grpc.aio
from wallet_api.billing.v1.ledger_service_pb import RecordJournalEntriesRequest, RecordJournalEntriesResponse
from wallet_api.wallet.v1.journal_pb import LedgerPosting, PostingDirection
from wallet_api.wallet.v1.operator_messages_pb import RecordJournalEntryRequest

from bench.customers import open_customers
from bench.figures import print_figure
from bench.yardstick import Yardstick
from ledger.ids import new_id
from wallet_service.clock import SystemClock
from wallet_service.development import Instance

METHOD: Final = "/billing.v1.LedgerService/RecordJournalEntries"
WALLETS: Final = 10_000
BATCH: Final = 1000
CALLERS: Final = 4
PASSES: Final = 3
PASS_SECONDS: Final = 4.0
TARGET: Final = 25.0

_MARKER: Final = "k" * 32
_SIDES: Final = (
    ("CUSTOMER_PREPAY_LIABILITY", PostingDirection.DEBIT),
    ("USAGE_REVENUE", PostingDirection.CREDIT),
)


async def run(instance: Instance) -> None:
    """Alternate with the yardstick, on the service's own server, and print the median of the multiples."""
    service = instance.service
    yardstick = Yardstick(instance.settings.required_database_url)
    await yardstick.prepare()
    slugs = await service.db.transact(
        lambda conn: open_customers(conn, service.clock.now(), count=WALLETS, prefix="bench-journal")
    )
    bodies = _bodies(slugs)
    options = [("grpc.max_receive_message_length", -1)]
    async with grpc.aio.insecure_channel(instance.url.removeprefix("http://"), options) as channel:
        call = channel.unary_unary(METHOD)
        metadata = (("authorization", f"Bearer {instance.operator_key}"),)
        multiples: list[float] = []
        rates: list[float] = []
        before = await yardstick.rate()
        for _ in range(PASSES):
            ours = await _rate(call, metadata, bodies)
            after = await yardstick.rate()
            multiples.append(ours / ((before + after) / 2))
            rates.append(ours)
            print(f"journal entries: {ours:.0f}/s; TPC-B {before:.0f}, {after:.0f}", file=sys.stderr, flush=True)
            before = after
    beside = f"{yardstick.description}; ours: {statistics.median(rates):.0f} entries/s, {CALLERS} callers"
    print_figure("journal_entries_1000_a_call_10k_wallets", statistics.median(multiples), "x TPC-B", beside, TARGET)


def _bodies(slugs: list[str]) -> Iterator[bytes]:
    """Requests with fresh keys: each message is encoded once, and the run of its keys replaced."""
    messages = [
        RecordJournalEntriesRequest(
            entries=[
                RecordJournalEntryRequest(
                    wallet_name=f"organizations/{slug}/wallets/default",
                    idempotency_key=_MARKER,
                    postings=[
                        LedgerPosting(account_code=code, amount_minor=1, direction=side) for code, side in _SIDES
                    ],
                )
                for slug in slugs[start : start + BATCH]
            ]
        ).to_binary()
        for start in range(0, len(slugs), BATCH)
    ]
    for number in count():
        yield messages[number % len(messages)].replace(_MARKER.encode(), new_id(SystemClock().now()).hex.encode())


async def _rate(
    call: "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]",
    metadata: tuple[tuple[str, str], ...],
    bodies: Iterator[bytes],
) -> float:
    """Entries a second of callers that each wait for their answer."""
    done = 0

    async def caller() -> None:
        nonlocal done
        while time.perf_counter() < until:
            answer = await call(next(bodies), metadata=metadata)
            assert RecordJournalEntriesResponse.from_binary(answer).recorded_count == BATCH
            done += BATCH

    await asyncio.gather(*(call(next(bodies), metadata=metadata) for _ in range(CALLERS)))
    began = time.perf_counter()
    until = began + PASS_SECONDS
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return done / (time.perf_counter() - began)
