"""Requests sent at once to a server, and their answers brought to one form."""

import asyncio
import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from google.rpc import error_details_pb2, status_pb2
from pyqwest import Client, HTTPTransport, HTTPVersion

from tests.fuzz.wire import STREAM_MILLISECONDS, Request

CALLERS: Final = 24
"""Requests on their way at a time."""
SECONDS_MAX: Final = 20
_STREAM_SECONDS: Final = STREAM_MILLISECONDS / 1000 + 2
_GRPC_NAMES: Final = dict(
    enumerate(
        (
            *("ok", "canceled", "unknown", "invalid_argument", "deadline_exceeded", "not_found", "already_exists"),
            *("permission_denied", "resource_exhausted", "failed_precondition", "aborted", "out_of_range"),
            *("unimplemented", "internal", "unavailable", "data_loss", "unauthenticated"),
        )
    )
)


@dataclass
class Answer:
    """`code` is canonical, "ok", or "http_..." where the answer is no RPC's; `text` is all that can be read."""

    status: int
    code: str
    reason: str
    text: str


class Gun:
    """Sends to one server."""

    def __init__(self, url: str) -> None:
        self._url = url
        options: dict[str, Any] = {"timeout": SECONDS_MAX, "follow_redirects": False, "enable_gzip": False}
        self._clients = {
            False: Client(HTTPTransport(http_version=HTTPVersion.HTTP1, **options)),
            True: Client(HTTPTransport(http_version=HTTPVersion.HTTP2, **options)),
        }
        self._free = asyncio.Semaphore(CALLERS)

    async def fire(self, requests: Sequence[Request]) -> list[Answer]:
        """The answers, in order."""
        tasks = [asyncio.create_task(self._send(request)) for request in requests]
        # A client that cannot be cancelled must not hold up the run: what has no answer by then has none.
        await asyncio.wait(tasks, timeout=2 * SECONDS_MAX)
        return [task.result() if task.done() else Answer(0, "ended", "", "no answer") for task in tasks]

    async def _send(self, request: Request) -> Answer:
        async with self._free:
            client = self._clients[request.http2]
            content = bytearray()
            status, headers, trailers = 0, "", ""
            pairs: list[tuple[str, str]] = []
            try:
                async with asyncio.timeout(SECONDS_MAX):
                    url = self._url + request.path
                    async with client.stream(request.verb, url, request.headers, request.body) as answer:
                        status = answer.status
                        pairs = list(answer.headers.items())
                        async for part in answer.content:
                            content += part
                        pairs += list(answer.trailers.items())
            except Exception as error:  # The connection's end is an answer too.
                trailers = f"{type(error).__name__}: {error}"
            headers = "\n".join(f"{name}: {value}" for name, value in pairs)
            return _read(status, dict(pairs), bytes(content), headers + trailers, is_ended=bool(trailers))


def _read(status: int, headers: dict[str, str], content: bytes, head: str, *, is_ended: bool) -> Answer:
    body = content.decode(errors="replace")
    trailers = _web_trailers(content) if "grpc-web" in headers.get("content-type", "") else {}
    grpc_status = headers.get("grpc-status") or trailers.get("grpc-status")
    if grpc_status is not None:
        code = _GRPC_NAMES.get(int(grpc_status), "unknown")
        message = unquote(headers.get("grpc-message") or trailers.get("grpc-message") or "")
        reason, details = _details(
            headers.get("grpc-status-details-bin") or trailers.get("grpc-status-details-bin") or ""
        )
        return Answer(status, code, reason, f"{head}\n{body}\n{message}\n{details}")
    error = _connect_error(headers.get("content-type", ""), content)
    if error is not None:
        return Answer(status, str(error.get("code")), _reason_of(error), f"{head}\n{body}\n{_decoded(error)}")
    if status == 200:
        return Answer(status, "ok", "", f"{head}\n{body}")
    return Answer(status, "ended" if is_ended and status == 0 else f"http_{status}", "", f"{head}\n{body}")


def _connect_error(content_type: str, content: bytes) -> dict[str, Any] | None:
    """The error of a Connect answer: the body, or the last envelope of a stream."""
    try:
        if content_type.startswith("application/connect+"):
            last = _last_envelope(content)
            return last.get("error") if last is not None else None
        if not content_type.startswith("application/json"):
            return None
        found = json.loads(content)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "code" in found and "message" in found else None


def _last_envelope(content: bytes) -> dict[str, Any] | None:
    at = 0
    while at + 5 <= len(content):
        size = int.from_bytes(content[at + 1 : at + 5])
        if content[at] & 2:
            return json.loads(content[at + 5 : at + 5 + size])
        at += 5 + size
    return None


def _reason_of(error: dict[str, Any]) -> str:
    for detail in error.get("details", ()):
        if "reason" in detail.get("debug", {}):
            return detail["debug"]["reason"]
        if detail.get("type") == "google.rpc.ErrorInfo":
            info = error_details_pb2.ErrorInfo()
            info.ParseFromString(_unpadded(detail["value"]))
            return info.reason
    return str(error.get("reason", ""))


def _decoded(error: dict[str, Any]) -> str:
    return "\n".join(_unpadded(d.get("value", "")).decode(errors="replace") for d in error.get("details", ()))


def _details(encoded: str) -> tuple[str, str]:
    raw = _unpadded(encoded)
    status = status_pb2.Status()
    try:
        status.ParseFromString(raw)
    except Exception:
        return "", raw.decode(errors="replace")
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.Is(info.DESCRIPTOR):
            detail.Unpack(info)
    return info.reason, raw.decode(errors="replace")


def _web_trailers(content: bytes) -> dict[str, str]:
    at = 0
    while at + 5 <= len(content):
        size = int.from_bytes(content[at + 1 : at + 5])
        if content[at] & 0x80:
            lines = content[at + 5 : at + 5 + size].decode(errors="replace").splitlines()
            return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        at += 5 + size
    return {}


def _unpadded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        return text.encode()
