"""Use cases of exports: write a file and hand out a link to it, and remove files whose time is over."""

import asyncio
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.ids import new_id
from wallet_service import names
from wallet_service.clock import Clock
from wallet_service.connections import no_share
from wallet_service.db import Database
from wallet_service.errors import Code, Reason, ServiceError
from wallet_service.events import steps as events
from wallet_service.events.model import EventType, NewEvent
from wallet_service.exports import rules, store
from wallet_service.exports.model import ExportedUsage, ExportFormat, FocusParties, NewExport, Selection
from wallet_service.exports.parquet import ParquetEncoder
from wallet_service.exports.statements import copy_statement
from wallet_service.files.object_store import FileStore
from wallet_service.files.operations import Downloads
from wallet_service.usage.steps import refuse_what_is_dropped

_CLEANED_MAX: Final = 500
_UNDO_SECONDS: Final = 10

_log: Final = structlog.get_logger("wallet.exports")


class Exports:
    """Files of usage. A few are written at a time, since each holds a connection and a snapshot; others wait."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        files: FileStore,
        downloads: Downloads,
        parties: FocusParties,
        *,
        machine_clock: Clock,
        row_max: int,
        kept_for: timedelta,
        concurrency: int,
    ) -> None:
        """`row_max`: rows of a file at most. `kept_for`: how long a file can be fetched, at least as long as its link."""
        self._db = db
        self._clock = clock
        self._machine_clock = machine_clock
        self._files = files
        self._downloads = downloads
        self._parties = parties
        self._row_max = row_max
        self._kept_for = kept_for
        self._turn = asyncio.Semaphore(concurrency)

    async def export(
        self,
        selection: Selection,
        export_format: ExportFormat,
        *,
        owner: str,
        org_slug: str,
        key_id: UUID,
        max_rows: int,
    ) -> ExportedUsage:
        """Write the selected usage to a file, as it was at one moment, and tell the organization's event log.

        `owner`: slug of the project or organization, for the file's name. `max_rows` 0: the service's limit. Raises
        EXPORT_TOO_LARGE before anything is written. When it is cancelled nothing is left of the file.
        """
        limit = min(max_rows or self._row_max, self._row_max)
        now = self._machine_clock.now()
        export_id = new_id(now)
        key = rules.object_key(selection.org_id, export_id, export_format)
        new = NewExport(export_id, key_id, export_format, selection, key, now, now + self._kept_for)
        async with self._turn:
            # Noted before the first byte: a process that dies leaves a trace to clean by.
            await self._db.transact(lambda conn: store.insert_export(conn, new))
            try:
                row_count = await self._write(new, limit)
                await self._complete(new, row_count, org_slug)
            except BaseException:
                await self._undo(new)
                raise
        link = self._downloads.link(
            selection.org_id,
            key,
            file_name=rules.file_name(owner, selection, export_format, now=self._clock.now()),
            content_type=rules.content_type(export_format),
        )
        return ExportedUsage(key, row_count, link)

    async def _write(self, new: NewExport, limit: int) -> int:
        """The rows of the file. Reading and writing go hand in hand, so the transaction lasts as long as the upload."""

        async def work(conn: AsyncConnection) -> int:
            await store.allow_long_reading(conn)
            await refuse_what_is_dropped(conn, new.selection.start)
            found = await store.count_rows(conn, new.selection, limit=limit)
            if found > limit:
                raise _too_large(limit)
            return await self._copy(conn, new)

        # As long as it takes, which other reads of the organization do not wait for.
        with no_share():
            return await self._db.read(work)

    async def _copy(self, conn: AsyncConnection, new: NewExport) -> int:
        statement = copy_statement(new.format, new.selection, self._parties)
        async with self._files.writing(new.object_key) as writer:
            if new.format is ExportFormat.PARQUET:
                encoder = ParquetEncoder(writer)
                row_count = await store.copy_rows(conn, statement, encoder.write)
                await encoder.finish()
                return row_count

            async def sink(rows: bytes) -> None:
                await writer.write(rows)

            return await store.copy_rows(conn, statement, sink)

    async def _complete(self, new: NewExport, row_count: int, org_slug: str) -> None:
        org_id = new.selection.org_id
        happened = NewEvent(
            EventType.USAGE_EXPORTED,
            names.organization(org_slug),
            {
                "format": new.format.value,
                "row_count": row_count,
                "object_key": new.object_key,
                "api_key": names.api_key(org_slug, str(new.key_id)),
            },
        )

        async def work(conn: AsyncConnection) -> None:
            await store.complete_export(conn, org_id, new.export_id, row_count=row_count)
            await events.append(conn, org_id, [happened], now=self._clock.now())

        await self._db.transact(work)

    async def _undo(self, new: NewExport) -> None:
        """Forget a file that is not complete. What cannot be removed now is removed by `clean`."""

        async def work() -> None:
            async with asyncio.timeout(_UNDO_SECONDS):
                await self._files.delete(new.object_key)
                await self._db.transact(lambda conn: store.delete_export(conn, new.selection.org_id, new.export_id))

        try:
            await asyncio.shield(work())
        except Exception:
            _log.warning("export_left_behind", object_key=new.object_key, exc_info=True)


class ExportCleaning:
    """Removes files whose time is over, with what processes that died have left."""

    def __init__(self, db: Database, machine_clock: Clock, files: FileStore) -> None:
        self._db = db
        self._clock = machine_clock
        self._files = files

    async def clean(self) -> int:
        """Remove files whose time is over, at most 500; how many. Safe to run at any time and by several processes."""
        now = self._clock.now()
        found = await self._db.read(lambda conn: store.expired_exports(conn, now=now, limit=_CLEANED_MAX))
        for _, _, key in found:
            await self._files.delete(key)
        ids = [(org_id, export_id) for org_id, export_id, _ in found]
        return await self._db.transact(lambda conn: store.delete_exports(conn, ids)) if ids else 0


def _too_large(limit: int) -> ServiceError:
    return ServiceError(
        Code.FAILED_PRECONDITION,
        Reason.EXPORT_TOO_LARGE,
        f"the export would have more than {limit} rows; ask for a shorter time, a project or a meter",
        metadata={"maximum_rows": str(limit)},
    )
