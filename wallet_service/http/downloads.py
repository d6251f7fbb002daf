"""`GET /downloads/{token}/{file_name}`: a file behind a signed link, whole or in part."""

from collections.abc import AsyncIterator
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from wallet_service.files.operations import Downloads
from wallet_service.files.rules import (
    ByteRange,
    LinkRefused,
    RangeNotSatisfiable,
    content_disposition,
    read_range,
)

_ALWAYS: Final = {
    "accept-ranges": "bytes",
    # The link is the permission, so no shared cache may keep what it led to.
    "cache-control": "private, no-store",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
    "referrer-policy": "no-referrer",
}


def download_routes(downloads: Downloads) -> list[Route]:
    """200 or 206 with the file; 403 for a link that is not ours or too old, 416 for a part that the file has not."""

    async def download(request: Request) -> Response:
        try:
            link, file = await downloads.follow(request.path_params["token"], request.path_params["file_name"])
        except LinkRefused as refused:
            raise HTTPException(403, "the link is not valid, or no longer") from refused
        headers = {
            **_ALWAYS,
            "content-type": link.content_type,
            "content-disposition": content_disposition(link.file_name),
        }
        if file.etag:
            headers["etag"] = file.etag
        try:
            part = read_range(_asked(request, file.etag), file.size_bytes)
        except RangeNotSatisfiable as error:
            outside = {"content-range": f"bytes */{file.size_bytes}", "accept-ranges": "bytes"}
            raise HTTPException(416, "the file has no such part", headers=outside) from error
        if part is not None:
            headers["content-range"] = f"bytes {part.start}-{part.end - 1}/{file.size_bytes}"
        served = part or ByteRange(0, file.size_bytes)
        headers["content-length"] = str(served.end - served.start)
        empty = request.method == "HEAD" or served.start == served.end
        body = _nothing() if empty else downloads.read(file, served)
        return StreamingResponse(body, status_code=200 if part is None else 206, headers=headers)

    return [Route("/downloads/{token}/{file_name}", download, methods=["GET", "HEAD"])]


def _asked(request: Request, etag: str | None) -> str | None:
    """The Range header, unless it is for a version of the file that is no longer there, or not for a GET."""
    if request.method != "GET":
        return None
    expected = request.headers.get("if-range")
    return request.headers.get("range") if expected is None or expected == etag else None


async def _nothing() -> AsyncIterator[bytes]:
    for chunk in ():
        yield chunk
