"""Parquet from the CSV that PostgreSQL writes, a row group at a time.

pyarrow parses and compresses without holding the interpreter's lock, so a thread of this process is enough. It is loaded
with the first file, not with the service.
"""

import asyncio
import importlib
from typing import Any, Final

from wallet_service.exports.statements import COST_SCALE
from wallet_service.files.object_store import Writer
from wallet_service.rating.rules import PRICE_SCALE, PRICE_WHOLE_DIGITS, QUANTITY_SCALE, QUANTITY_WHOLE_DIGITS

_GROUP_BYTES: Final = 16 * 1024 * 1024
"""CSV of one row group: some 60,000 rows."""

_DECIMALS: Final = {
    "quantity": (QUANTITY_WHOLE_DIGITS + QUANTITY_SCALE, QUANTITY_SCALE),
    "unit_price_minor": (PRICE_WHOLE_DIGITS + PRICE_SCALE, PRICE_SCALE),
    "list_cost_minor": (38, COST_SCALE),
    "discount_minor": (38, COST_SCALE),
    "cost_minor": (38, COST_SCALE),
}
_TIMES: Final = ("event_time", "recorded_time")
_COLUMNS: Final = [
    "usage_event_id",
    "event_time",
    "recorded_time",
    "project",
    "meter",
    "category",
    "resource",
    "datacenter",
    "quantity",
    "unit",
    "currency",
    "unit_price_minor",
    "list_cost_minor",
    "discount_minor",
    "cost_minor",
    "idempotency_key",
    "metadata",
]


class ParquetEncoder:
    """Takes rows of CSV in pieces and writes a Parquet file to `out`. Memory is that of a few row groups."""

    def __init__(self, out: Writer) -> None:
        self._out = out
        self._pending = bytearray()
        self._group = _RowGroups()

    async def write(self, rows: bytes) -> None:
        """`rows` are whole rows."""
        self._pending += rows
        if len(self._pending) >= _GROUP_BYTES:
            await self._flush()

    async def finish(self) -> None:
        """Write what is left, and the footer. A file without rows has its columns all the same."""
        if self._pending:
            await self._flush()
        await self._emit(await asyncio.to_thread(self._group.close))

    async def _flush(self) -> None:
        rows, self._pending = bytes(self._pending), bytearray()
        await self._emit(await asyncio.to_thread(self._group.add, rows))

    async def _emit(self, made: bytes) -> None:
        if made:
            await self._out.write(made)


class _RowGroups:
    """The synchronous part. Its types are pyarrow's, which has none to check."""

    def __init__(self) -> None:
        self._writer: Any = None
        self._sink = _Sink()

    def add(self, rows: bytes) -> bytes:
        self._open()
        options = self._csv.ConvertOptions(
            column_types=self._schema, null_values=[], strings_can_be_null=False, timestamp_parsers=[self._csv.ISO8601]
        )
        table = self._csv.read_csv(
            self._arrow.BufferReader(rows),
            read_options=self._csv.ReadOptions(column_names=_COLUMNS, use_threads=False),
            parse_options=self._csv.ParseOptions(newlines_in_values=True),
            convert_options=options,
        )
        self._writer.write_table(table.cast(self._schema).combine_chunks())
        return self._sink.take()

    def close(self) -> bytes:
        self._open()
        self._writer.close()
        return self._sink.take()

    def _open(self) -> None:
        if self._writer is not None:
            return
        self._arrow: Any = importlib.import_module("pyarrow")
        self._csv: Any = importlib.import_module("pyarrow.csv")
        parquet: Any = importlib.import_module("pyarrow.parquet")
        self._schema = self._arrow.schema(
            [self._arrow.field(name, self._type_of(name), nullable=False) for name in _COLUMNS]
        )
        out = self._arrow.PythonFile(self._sink, mode="w")
        self._writer = parquet.ParquetWriter(out, self._schema, compression="zstd")

    def _type_of(self, name: str) -> Any:
        if name in _DECIMALS:
            return self._arrow.decimal128(*_DECIMALS[name])
        return self._arrow.timestamp("us", tz="UTC") if name in _TIMES else self._arrow.string()


class _Sink:
    """A file that hands over what was written to it since the last time."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        self._size += len(data)
        return len(data)

    def take(self) -> bytes:
        made = b"".join(self._parts)
        self._parts.clear()
        return made

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Whoever takes the bytes closes what they go to."""
