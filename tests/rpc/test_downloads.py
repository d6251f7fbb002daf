"""Download links over real HTTP: on a socket, with httpx and with curl."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from providers.simulators.serving import listen, serving
from wallet_service.clock import ManualClock
from wallet_service.files.object_store import FileStore
from wallet_service.files.operations import Downloads
from wallet_service.files.secret import link_secret
from wallet_service.http.downloads import download_routes
from wallet_service.rpc.plain_http import plain_http_app

ORG = UUID(int=7)
KEY = "exports/7/usage.csv"
NAME = "Nutzung März.csv"
CONTENT = bytes(range(256)) * 4096


class Site:
    """A server of downloads with one stored file."""

    def __init__(self, folder: Path, base_url: str) -> None:
        self.clock = ManualClock(datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC))
        self.files = FileStore(None, folder=folder / "files")
        self.downloads = Downloads(self.files, self.clock, secret=link_secret(None, data_dir=folder), base_url=base_url)
        self.app = plain_http_app(download_routes(self.downloads), body_bytes_max=1000)

    def url(self, key: str = KEY, name: str = NAME) -> str:
        return self.downloads.link(ORG, key, file_name=name, content_type="text/csv; charset=utf-8").url


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    listener, url = listen("127.0.0.1", 0)
    made = Site(tmp_path, url)
    async with serving(made.app, listener):
        await made.files.put(KEY, CONTENT)
        yield made


async def ask(url: str, method: str = "GET", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.request(method, url, headers={k.replace("_", "-"): v for k, v in headers.items()})


async def test_the_whole_file_with_its_name_and_type(site: Site) -> None:
    answer = await ask(site.url())
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert answer.headers["accept-ranges"] == "bytes"
    assert "filename*=UTF-8''Nutzung%20M%C3%A4rz.csv" in answer.headers["content-disposition"]
    assert answer.headers["cache-control"] == "private, no-store"


async def test_head_tells_the_size_and_sends_nothing(site: Site) -> None:
    answer = await ask(site.url(), "HEAD")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(CONTENT))


@pytest.mark.parametrize(
    ("asked", "expected", "content_range"),
    [
        ("bytes=0-9", CONTENT[:10], f"bytes 0-9/{len(CONTENT)}"),
        ("bytes=1048000-", CONTENT[1048000:], f"bytes 1048000-1048575/{len(CONTENT)}"),
        ("bytes=-5", CONTENT[-5:], f"bytes 1048571-1048575/{len(CONTENT)}"),
    ],
)
async def test_a_part(site: Site, asked: str, expected: bytes, content_range: str) -> None:
    answer = await ask(site.url(), range=asked)
    assert (answer.status_code, answer.content) == (206, expected)
    assert answer.headers["content-range"] == content_range


async def test_a_part_beyond_the_end(site: Site) -> None:
    answer = await ask(site.url(), range=f"bytes={len(CONTENT)}-")
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"
    assert answer.json()["code"] == "out_of_range"


async def test_a_part_of_another_version_is_the_whole(site: Site) -> None:
    etag = (await ask(site.url(), "HEAD")).headers["etag"]
    assert (await ask(site.url(), range="bytes=0-1", if_range=etag)).status_code == 206
    assert (await ask(site.url(), range="bytes=0-1", if_range='"another"')).status_code == 200


async def test_expired_changed_and_vanished_links_are_forbidden(site: Site) -> None:
    url = site.url()
    assert (await ask(url.replace("M%C3%A4rz", "Mai"))).status_code == 403
    assert (await ask(url[:-30] + ("A" if url[-30] != "A" else "B") + url[-29:])).status_code == 403
    missing = await ask(site.url("exports/7/none.csv"))
    assert (missing.status_code, missing.json()["code"]) == (403, "permission_denied")
    site.clock.advance(timedelta(minutes=59, seconds=59, milliseconds=400))
    assert (await ask(url)).status_code == 200
    site.clock.advance(timedelta(milliseconds=100))
    assert (await ask(url)).status_code == 403


async def test_an_empty_file(site: Site) -> None:
    await site.files.put("exports/7/empty.csv", b"")
    answer = await ask(site.url("exports/7/empty.csv"))
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")


async def test_curl_saves_under_the_name_and_resumes(site: Site, tmp_path: Path) -> None:
    curl = shutil.which("curl")
    assert curl, "curl is part of the tools of this repository's tests"
    (tmp_path / "usage.csv").write_bytes(CONTENT[:1000])
    process = await asyncio.create_subprocess_exec(
        curl, "-sSf", "--noproxy", "*", "-C", "-", "-O", site.url(name="usage.csv"), cwd=tmp_path
    )
    assert await process.wait() == 0
    assert (tmp_path / "usage.csv").read_bytes() == CONTENT


async def test_what_is_written_in_pieces_exists_when_it_is_complete(site: Site) -> None:
    async with site.files.writing("exports/7/big.csv") as writer:
        for _ in range(40):
            await writer.write(CONTENT)
        assert await site.files.find("exports/7/big.csv") is None
    found = await site.files.find("exports/7/big.csv")
    assert found is not None
    assert found.size_bytes == 40 * len(CONTENT)
    assert (await ask(site.url("exports/7/big.csv"))).content == CONTENT * 40


async def test_what_fails_half_way_never_exists(site: Site) -> None:
    async def fail() -> None:
        async with site.files.writing("exports/7/half.csv") as writer:
            for _ in range(12):
                await writer.write(CONTENT)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await site.files.find("exports/7/half.csv") is None
    await site.files.delete(KEY)
    await site.files.delete(KEY)
    assert await site.files.find(KEY) is None


def test_processes_of_one_machine_share_a_secret_that_only_they_can_read(tmp_path: Path) -> None:
    made = link_secret(None, data_dir=tmp_path)()
    assert len(made) == 32
    assert link_secret(None, data_dir=tmp_path)() == made
    assert [path.name for path in tmp_path.iterdir()] == ["download-secret"]
    assert (tmp_path / "download-secret").stat().st_mode & 0o777 == 0o600
    assert link_secret("chosen", data_dir=tmp_path)() == b"chosen"
