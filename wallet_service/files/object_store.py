"""Objects in a folder of this machine or in a bucket, by obstore."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import obstore
from obstore.store import LocalStore, ObjectStore, from_url

from wallet_service.files.rules import ByteRange, check_key

_CHUNK_BYTES: Final = 256 * 1024
_WRITE_BUFFER_BYTES: Final = 8 * 1024 * 1024
"""Parts of a large object; S3 takes 10,000 of them, so an object may have 80 GB."""


class Writer(Protocol):
    """Takes the bytes of an object, in order."""

    async def write(self, chunk: bytes, /) -> object: ...


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An object as the store knows it. `etag` is quoted, or None."""

    key: str
    size_bytes: int
    etag: str | None


class FileStore:
    """Reads and writes objects by key. Connects, and makes its folder, when first used."""

    def __init__(self, url: str | None, *, folder: Path) -> None:
        """`url`: `s3://bucket/prefix`, `gs://...`, `az://...`, with credentials from the environment as the vendor's own
        tools take them; None: objects lie in `folder`."""
        self._url = url
        self._folder = folder
        self._store: ObjectStore | None = None

    async def put(self, key: str, data: bytes) -> None:
        """Store a small object, over one that is there. Readers see the old or the new one, never a part."""
        await obstore.put_async(await self._opened(), check_key(key), data)

    @asynccontextmanager
    async def writing(self, key: str) -> AsyncGenerator[Writer]:
        """Write an object of any size in bounded memory. It exists when the block ends, and not if that raises."""
        writer = obstore.open_writer_async(
            await self._opened(), check_key(key), buffer_size=_WRITE_BUFFER_BYTES, max_concurrency=2
        )
        try:
            yield writer
        except BaseException:
            # Closing would publish what is there of it; dropped, its parts are never put together.
            del writer
            raise
        await writer.close()

    async def find(self, key: str) -> StoredFile | None:
        """What is stored under `key`, or None."""
        try:
            meta = await obstore.head_async(await self._opened(), check_key(key))
        except FileNotFoundError:
            return None
        return StoredFile(key, meta["size"], _quoted(meta["e_tag"]))

    async def read(self, key: str, part: ByteRange) -> AsyncIterator[bytes]:
        """The bytes of a part that is not empty, in chunks."""
        options: obstore.GetOptions = {"range": (part.start, part.end)}
        found = await obstore.get_async(await self._opened(), check_key(key), options=options)
        async for chunk in found.stream(min_chunk_size=_CHUNK_BYTES):
            yield bytes(chunk)

    async def delete(self, key: str) -> None:
        """Remove an object; none is fine too."""
        try:
            await obstore.delete_async(await self._opened(), check_key(key))
        except FileNotFoundError:
            return

    async def _opened(self) -> ObjectStore:
        if self._store is None:
            self._store = await asyncio.to_thread(self._open)
        return self._store

    def _open(self) -> ObjectStore:
        if self._url is not None:
            return from_url(self._url)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return LocalStore(self._folder)


def _quoted(etag: str | None) -> str | None:
    return etag if etag is None or etag.startswith(('"', "W/")) else f'"{etag}"'
