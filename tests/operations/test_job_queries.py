"""A job whose worker cannot put it back, because the database is away from it too."""

from datetime import timedelta
from uuid import uuid4

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.domain.types import QueueEntrypoint, QueueManagerId
from pgqueuer.ports.repository import EntrypointExecutionParameter
from sqlalchemy import make_url

from wallet_service.db import Database
from wallet_service.job_queries import PatientQueries
from wallet_service.job_queue import JobName, enqueue

HEARTBEAT = timedelta(seconds=30)


async def test_a_job_that_cannot_be_queued_again_is_not_given_up(db: Database, database_url: str):
    """It stays taken, and is taken again when its heartbeat has stopped."""
    await db.transact(lambda conn: enqueue(conn, JobName.TOPUP_SYNC, {"value": "one"}))
    url = make_url(database_url)
    connection = await asyncpg.connect(host=str(url.query["host"]), user=url.username, database=url.database)
    queries = PatientQueries(AsyncpgDriver(connection))
    names = {QueueEntrypoint(JobName.TOPUP_SYNC.value): EntrypointExecutionParameter(concurrency_limit=0)}
    [job] = await queries.dequeue(1, names, QueueManagerId(uuid4()), None, HEARTBEAT)
    connection.terminate()
    await queries.retry_job(job, timedelta(0), None)
    [row] = await db.fetch("SELECT status::text, attempts FROM pgqueuer")
    assert tuple(row) == ("picked", 0)
