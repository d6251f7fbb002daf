"""The worker: takes jobs and schedules from PgQueuer's tables and runs them, a bounded number at a time.

Any number of workers may run. A worker that dies loses nothing: what it had taken is taken again by another one when its
heartbeat has stopped for 30 seconds. One that is stopped finishes what it has begun, and gives back what takes too long.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

import asyncpg
import structlog
from pgqueuer import PgQueuer
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.core.executors import DatabaseRetryEntrypointExecutor, EntrypointExecutorParameters
from pgqueuer.domain.errors import FailingListenerError, RetryRequested
from pgqueuer.domain.models import Job as QueuedJob
from pgqueuer.domain.models import Schedule as QueuedSchedule
from sqlalchemy.engine import make_url

from wallet_service.background import pause
from wallet_service.db import DRIVER_FAILURES, SERVICE_ROLE
from wallet_service.job_queries import PatientQueries
from wallet_service.jobs import Job, RetryPolicy, Schedule, payload_of
from wallet_service.silence import SESSION_SETTINGS, notice_silence

CONCURRENCY_DEFAULT: Final = 8
_POOL_SIZE: Final = 4
_POLL: Final = timedelta(seconds=2)
_RESTART_SECONDS_MAX: Final = 15
_log: Final = structlog.get_logger("wallet.jobs")


class JobWorker:
    """Runs `jobs` and `schedules` between `run` and `stop`, with connections of its own."""

    def __init__(
        self,
        database_url: str,
        jobs: Sequence[Job],
        schedules: Sequence[Schedule],
        *,
        concurrency: int = CONCURRENCY_DEFAULT,
        role: str | None = SERVICE_ROLE,
    ) -> None:
        """`concurrency` is at least 2. The role has to own or be granted PgQueuer's tables."""
        if concurrency < 2:
            raise ValueError("a worker runs at least two jobs at a time")
        self._database_url = database_url
        self._jobs = tuple(jobs)
        self._schedules = tuple(schedules)
        self._concurrency = concurrency
        self._role = role
        self._stopping = asyncio.Event()
        self._stopped = asyncio.Event()
        self._stopped.set()
        self._running: set[asyncio.Task[object]] = set()
        self._gives_back = False

    async def run(self) -> None:
        """Work until `stop`; a database that goes away is waited for. Cancelling gives the running jobs back at once."""
        self._stopped.clear()
        self._gives_back = False
        failure_count = 0
        try:
            while not self._stopping.is_set():
                try:
                    await self._work_until_stopped()
                    failure_count = 0
                except (*DRIVER_FAILURES, FailingListenerError) as error:
                    failure_count += 1
                    _log.warning("job_worker_lost_database", error=repr(error))
                    await pause(timedelta(seconds=min(2**failure_count, _RESTART_SECONDS_MAX)), unless=self._stopping)
        finally:
            self._stopped.set()

    async def stop(self, within: timedelta) -> None:
        """Take nothing new, wait for what is running, and give back what has not ended in time: it runs again elsewhere."""
        self._stopping.set()
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self._stopped.wait()
        except TimeoutError:
            self._give_back()
            await self._stopped.wait()

    def _give_back(self) -> None:
        # A query for jobs may be on its way; what it takes is given back as soon as it begins.
        self._gives_back = True
        for task in self._running:
            task.cancel()

    async def _run(self, work: Callable[[], Awaitable[object]], seconds_max: int) -> None:
        """Raises TimeoutError, and CancelledError when it is given back."""
        if self._gives_back:
            raise asyncio.CancelledError
        task = asyncio.current_task()
        assert task is not None, "PgQueuer runs each job and schedule in a task of its own"
        self._running.add(task)
        try:
            async with asyncio.timeout(seconds_max):
                await work()
        finally:
            self._running.discard(task)

    async def _work_until_stopped(self) -> None:
        settings = {**SESSION_SETTINGS, "application_name": "wallet-worker", "timezone": "UTC"}
        if self._role is not None:
            settings["role"] = self._role
        dsn = make_url(self._database_url).set(drivername="postgresql").render_as_string(hide_password=False)
        async with asyncpg.create_pool(
            dsn, min_size=2, max_size=_POOL_SIZE, server_settings=settings, timeout=10, init=_connected
        ) as pool:
            driver = AsyncpgPoolDriver(pool)
            queue = PgQueuer(driver, queries=PatientQueries(driver))
            for job in self._jobs:
                self._register_job(queue, job)
            for schedule in self._schedules:
                self._register_schedule(queue, schedule)
            await self._run_queue(queue)

    async def _run_queue(self, queue: PgQueuer) -> None:
        async def stop_queue() -> None:
            await self._stopping.wait()
            queue.shutdown.set()

        stopper = asyncio.create_task(stop_queue(), name="job-worker-stopper")
        work = asyncio.create_task(
            queue.run(
                dequeue_timeout=_POLL,
                batch_size=max(1, self._concurrency // 2),
                max_concurrent_tasks=self._concurrency,
                shutdown_on_listener_failure=True,
            ),
            name="job-worker-queue",
        )
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            # Cancelled, PgQueuer would wait for its jobs all the same; stopped, it puts the cancelled ones back.
            queue.shutdown.set()
            self._give_back()
            await work
            raise
        finally:
            stopper.cancel()

    def _register_job(self, queue: PgQueuer, job: Job) -> None:
        async def attempt(queued: QueuedJob) -> None:
            try:
                await self._run(lambda: job.work(payload_of(queued.payload)), job.seconds_max)
            except asyncio.CancelledError as stopped:
                # PgQueuer would forget a job that was cancelled.
                raise RetryRequested(timedelta(0), "the worker was stopped") from stopped
            except Exception as error:
                _log.warning("job_failed", job=job.name.value, attempt=queued.attempts, error=repr(error))
                raise

        queue.entrypoint(
            job.name.value, accepts_context=False, on_failure="hold", executor_factory=_retrying(job.retry)
        )(attempt)

    def _register_schedule(self, queue: PgQueuer, schedule: Schedule) -> None:
        async def run(_: QueuedSchedule) -> None:
            await self._run(schedule.work, schedule.seconds_max)

        queue.schedule(schedule.name, schedule.expression, accepts_context=False)(run)


async def _connected(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    notice_silence(connection)


def _retrying(
    policy: RetryPolicy,
) -> Callable[[EntrypointExecutorParameters], DatabaseRetryEntrypointExecutor]:
    def executor(parameters: EntrypointExecutorParameters) -> DatabaseRetryEntrypointExecutor:
        return DatabaseRetryEntrypointExecutor(
            parameters=parameters,
            max_attempts=policy.attempts_max,
            initial_delay=policy.delay_min,
            max_delay=policy.delay_max,
        )

    return executor
