"""The table through plain curl: JSON by POST, and reads by GET."""

import json
import subprocess
from typing import Any

import pytest

from tests.clients.table import Refusal, run, run_raw
from tests.clients.wire import authorization, is_read, is_stream, refusal_of_json

SECONDS_MAX = 60
GET_BYTES_MAX = 8192
"""What does not fit into a URL is sent by POST."""
_END_OF_STREAM = 2


class Curl:
    """One curl process for each call; with `use_get`, reads are GET requests."""

    def __init__(self, url: str, *, use_get: bool) -> None:
        self.name = "curl get" if use_get else "curl post"
        self._url = url
        self._use_get = use_get

    def call(self, method: str, request: dict[str, Any], key: str | None) -> dict[str, Any] | Refusal:
        body = json.dumps(request)
        if is_stream(method):
            return self._first_message(method, body.encode(), key)
        if self._use_get and is_read(method) and len(body) < GET_BYTES_MAX:
            how = ["--get", "--data", "encoding=json&connect=v1", "--data-urlencode", "message@-"]
        else:
            how = ["--header", "content-type: application/json", "--data-binary", "@-"]
        return self._run(how, method, body.encode(), key)

    def send(self, method: str, body: bytes, key: str | None) -> Refusal | None:
        how = ["--header", "content-type: application/proto", "--data-binary", "@-"]
        answer = self._run(how, method, body, key)
        return answer if isinstance(answer, Refusal) else None

    def _first_message(self, method: str, body: bytes, key: str | None) -> dict[str, Any] | Refusal:
        """What a stream begins with, in the two seconds that curl waits for its end."""
        headers = [word for pair in authorization(key).items() for word in ("--header", ": ".join(pair))]
        how = [
            "--silent",
            "--max-time",
            "2",
            "--header",
            "content-type: application/connect+json",
            "--data-binary",
            "@-",
        ]
        framed = b"\0" + len(body).to_bytes(4) + body
        done = subprocess.run(
            ["curl", *headers, *how, f"{self._url}/{method}"], input=framed, capture_output=True, timeout=SECONDS_MAX
        )
        flags, size = done.stdout[0], int.from_bytes(done.stdout[1:5])
        content = json.loads(done.stdout[5 : 5 + size])
        return refusal_of_json(content["error"]) if flags & _END_OF_STREAM else content

    def _run(self, how: list[str], method: str, body: bytes, key: str | None) -> dict[str, Any] | Refusal:
        headers = [word for pair in authorization(key).items() for word in ("--header", ": ".join(pair))]
        done = subprocess.run(
            [
                "curl",
                "--silent",
                "--show-error",
                "--write-out",
                "\n%{http_code}",
                *headers,
                *how,
                f"{self._url}/{method}",
            ],
            input=body,
            capture_output=True,
            timeout=SECONDS_MAX,
        )
        assert done.returncode == 0, done.stderr
        text, _, status = done.stdout.decode().rpartition("\n")
        return json.loads(text) if status == "200" else refusal_of_json(json.loads(text))


@pytest.mark.parametrize("use_get", [False, True], ids=["post", "get"])
def test_curl(service: dict[str, str], use_get: bool, subtests: pytest.Subtests) -> None:
    client = Curl(service["url"], use_get=use_get)
    values = run(client, service, subtests)
    run_raw(client, values, subtests)
