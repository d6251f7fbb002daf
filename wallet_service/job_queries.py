"""PgQueuer's statements, where they need care when the database goes away in the middle of work."""

from datetime import timedelta
from typing import Final

import structlog
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.models import Job, TracebackRecord

from wallet_service.db import DRIVER_FAILURES

_log: Final = structlog.get_logger("wallet.jobs")


class PatientQueries(Queries):
    """A job that cannot be put back into the queue stays taken, and is taken again once its heartbeat has stopped.

    PgQueuer would park it as failed, whatever attempts it had left, when the database is away both from the job and from
    what follows: nobody would ever do its work.
    """

    async def retry_job(self, job: Job, delay: timedelta, traceback_record: TracebackRecord | None) -> None:
        """Queue it again after `delay`, if the database can be reached."""
        try:
            await super().retry_job(job, delay, traceback_record)
        except DRIVER_FAILURES as error:
            _log.warning("job_left_taken", job=job.entrypoint, error=repr(error))
