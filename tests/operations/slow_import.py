"""A process that imports a file in small transactions and prints a line after each: made to be killed."""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from ledger.batcher import Ledger
from wallet_service.catalog.operations import CatalogOperations
from wallet_service.clock import SystemClock
from wallet_service.db import Database, engine_for
from wallet_service.tenancy import Reach, within
from wallet_service.usage import importing
from wallet_service.usage.operations import UsageRecorder


async def main(url: str, org_id: str, file: str) -> None:
    importing.EVENTS_MAX = 50
    engine, clock = engine_for(url, pool_size=4), SystemClock()
    db = Database(engine, statement_timeout=timedelta(seconds=20))
    async with (
        Ledger(engine, clock) as ledger,
        UsageRecorder(
            db, ledger, clock, usage_age_max=timedelta(days=35), usage_ahead_max=timedelta(minutes=5)
        ) as recorder,
    ):
        with within(Reach.EVERYONE):
            await importing.UsageImport(CatalogOperations(db, clock), recorder).run(
                Path(file),
                file_format=importing.ImportFormat.FOCUS,
                org_id=UUID(org_id),
                project="my-app",
                progress=lambda done, total: print(done, total, flush=True),
            )


asyncio.run(main(*sys.argv[1:]))
