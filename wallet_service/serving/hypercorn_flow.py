"""Connections of hypercorn on which a body that nobody reads holds up nothing, and of which nothing stays.

hypercorn puts them into a queue of ten parts and waits for room: the whole connection stands still meanwhile, and when the
application answers without reading, it waits for itself and never ends, with all that it holds. Here the parts of an
HTTP/2 stream wait without anyone waiting for them, as many as its flow-control window lets in; the window opens again as
they are read. On HTTP/1 there is one request at a time, so waiting for room is right, until the application has ended.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import h2.events
import h2.exceptions
import hypercorn.asyncio.run
import hypercorn.asyncio.tcp_server
import hypercorn.protocol
from hypercorn.asyncio.task_group import TaskGroup
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.protocol.events import Body, Trailers
from hypercorn.protocol.h2 import H2Protocol

_PARTS_MAX: Final = 10
"""Of a body on HTTP/1, read from the socket and not by the application."""
_WINDOW_BYTES: Final = 65_535
"""What a client may send on a stream, and on the whole connection, before it is told otherwise (RFC 9113)."""


def install() -> None:
    """From now on hypercorn works like this in the whole process."""
    hypercorn.asyncio.tcp_server.TaskGroup = _PatientTaskGroup  # pyright: ignore[reportPrivateImportUsage]
    hypercorn.asyncio.run.TCPServer = _ClosingTCPServer  # pyright: ignore[reportPrivateImportUsage]
    hypercorn.protocol.H2Protocol = _PatientH2Protocol  # pyright: ignore[reportPrivateImportUsage]


class _ClosingTCPServer(TCPServer):
    """hypercorn's, without its fault of keeping the socket for the keep-alive timeout when the client has closed it."""

    async def _read_data(self) -> None:
        await super()._read_data()
        await self.idle_task.stop()


class _Mailbox:
    """What the application of one request is sent. Call it to put an event."""

    def __init__(self) -> None:
        self.is_unbounded = False
        self.on_read: Callable[[int], Awaitable[None]] | None = None
        """Told how many bytes of the body the application has taken."""
        self._events: deque[Any] = deque()
        self._changed = asyncio.Condition()
        self._is_over = False

    async def __call__(self, event: Any) -> None:
        """Waits for room, unless it tells that the caller has left; dropped when the application has ended."""
        is_last = event["type"].endswith(".disconnect")
        async with self._changed:
            if is_last:
                self._is_over = True
            else:
                await self._changed.wait_for(self._has_room)
                if self._is_over:
                    return
            self._events.append(event)
            self._changed.notify_all()

    async def get(self) -> Any:
        """The next event, for the application."""
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._events))
            event = self._events.popleft()
            self._changed.notify_all()
        if self.on_read is not None and event.get("body"):
            await self.on_read(len(event["body"]))
        return event

    async def end(self) -> None:
        """The application reads no more."""
        async with self._changed:
            self._is_over = True
            self._events.clear()
            self._changed.notify_all()

    def _has_room(self) -> bool:
        return self._is_over or self.is_unbounded or len(self._events) < _PARTS_MAX


class _PatientTaskGroup(TaskGroup):
    """hypercorn's, with a mailbox for each application."""

    async def spawn_app(self, app: Any, config: Any, scope: Any, send: Any) -> _Mailbox:
        mailbox = _Mailbox()

        def call_soon(work: Callable[..., Any], *arguments: Any) -> Any:
            return asyncio.run_coroutine_threadsafe(work(*arguments), self._loop).result()

        async def run() -> None:
            try:
                await app(scope, mailbox.get, send, partial(self._loop.run_in_executor, None), call_soon)
            except Exception:
                await config.log.exception("Error in ASGI Framework")
            finally:
                await mailbox.end()
                await send(None)

        self.spawn(run)  # pyright: ignore[reportUnknownMemberType]
        return mailbox


class _ClosedStream:
    """Takes what still arrives for a stream that has been answered or reset."""

    async def handle(self, event: object) -> None:
        del event


class _Streams(dict[int, Any]):
    def __missing__(self, stream_id: int) -> _ClosedStream:
        return _ClosedStream()


class _PatientH2Protocol(H2Protocol):
    """hypercorn's HTTP/2, which neither ends the connection when data arrives for an answered stream nor waits for readers.

    We answer early as a matter of course: a key is checked before the body is read.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.streams = _Streams()
        self._unread: dict[int, int] = {}
        self._ended_by_trailers: set[int] = set()
        self._end_stream = self.connection.end_stream
        self.connection.end_stream = self._end_stream_once

    async def initiate(self, headers: Any = None, settings: bytes | None = None) -> None:
        await super().initiate(headers, settings)
        # Full windows of all streams leave room for one more: what is not read on one of them does not stop the others.
        self.connection.increment_flow_control_window(_WINDOW_BYTES * self.config.h2_max_concurrent_streams)
        await self._flush()

    async def stream_send(self, event: Any) -> None:
        await super().stream_send(event)
        if isinstance(event, Trailers):
            self._ended_by_trailers.add(event.stream_id)

    def _end_stream_once(self, stream_id: int) -> None:
        """A stream that its trailers have ended is not ended again, as hypercorn does: h2 takes that for a fault of the
        stream and resets it when more of the request arrives, which callers may see instead of their answer."""
        if stream_id in self._ended_by_trailers:
            self._ended_by_trailers.remove(stream_id)
        else:
            self._end_stream(stream_id)

    async def _handle_events(self, events: list[Any]) -> None:
        for event in events:
            if isinstance(event, h2.events.DataReceived):
                await self._take(event)
            else:
                await super()._handle_events([event])
        await self._flush()

    async def _take(self, event: h2.events.DataReceived) -> None:
        stream_id, arrived = event.stream_id, event.flow_controlled_length or 0
        stream = self.streams.get(stream_id)
        mailbox: object = getattr(stream, "app_put", None)
        unread = 0
        if stream is not None and event.data:
            if isinstance(mailbox, _Mailbox) and not stream.closed:
                mailbox.is_unbounded = True
                mailbox.on_read = partial(self._acknowledge, stream_id)
                unread = len(event.data)
                self._unread[stream_id] = self._unread.get(stream_id, 0) + unread
            await stream.handle(Body(stream_id=stream_id, data=event.data))
        self._open_window(stream_id, arrived - unread)

    async def _acknowledge(self, stream_id: int, count: int) -> None:
        count = min(count, self._unread.get(stream_id, 0))
        if count:
            self._unread[stream_id] -= count
            self._open_window(stream_id, count)
            await self._flush()

    async def _close_stream(self, stream_id: int) -> None:
        await super()._close_stream(stream_id)
        self._open_window(stream_id, self._unread.pop(stream_id, 0))
        await self._flush()

    def _open_window(self, stream_id: int, count: int) -> None:
        with contextlib.suppress(h2.exceptions.ProtocolError):  # The connection has ended.
            self.connection.acknowledge_received_data(count, stream_id)
