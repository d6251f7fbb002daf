"""The table through `buf curl` on its three protocols, with the schema that the server's reflection tells."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from wallet.v1 import wallet_service_pb2

from tests.clients.table import CALLS, Refusal, fewer_refusals, run
from tests.clients.wire import ALIAS, authorization, is_stream, refusal_of_json

BUF = Path(sys.executable).with_name("buf")
SECONDS_MAX = 60
ENVIRONMENT = {**os.environ, "GOGC": "off"}
"""A process that lives for one call collects no garbage, which saves a quarter of its time."""


class BufCurl:
    """One process for each call. Reflection tells our own names; the published ones come from a schema in a file."""

    def __init__(self, url: str, protocol: str, published: Path) -> None:
        self.name = f"buf {protocol}"
        self._url = url
        self._protocol = protocol
        self._published = published

    def call(self, method: str, request: dict[str, Any], key: str | None) -> dict[str, Any] | Refusal:
        headers = [word for pair in authorization(key).items() for word in ("--header", ": ".join(pair))]
        schema = ["--schema", str(self._published)] if method.startswith(ALIAS) else ["--reflect"]
        command = [
            *(BUF, "curl", "--http2-prior-knowledge", "--protocol", self._protocol),
            *(*schema, *headers, "--data", "@-", f"{self._url}/{method}"),
        ]
        if not method.startswith(ALIAS) and is_stream(method):
            return first_message(command, request)
        done = subprocess.run(
            command,
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            env=ENVIRONMENT,
        )
        if done.returncode == 0:
            return json.loads(done.stdout)
        assert done.stderr.startswith("{"), done.stderr
        return refusal_of_json(json.loads(done.stderr))


def first_message(command: Sequence[object], request: dict[str, Any]) -> dict[str, Any] | Refusal:
    """What a stream begins with; then the process is ended."""
    with subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(json.dumps(request))
        process.stdin.close()
        text = ""
        for line in process.stdout:
            text += line
            with contextlib.suppress(json.JSONDecodeError):
                message, _ = json.JSONDecoder().raw_decode(text)
                process.kill()
                return message
        return refusal_of_json(json.loads(process.stderr.read()))


def published_schema() -> FileDescriptorSet:
    """WalletService by its published name; its messages are the same on the wire."""
    files = FileDescriptorSet()
    ours = wallet_service_pb2.DESCRIPTOR
    _add(files, ours)
    alias = FileDescriptorProto(name=f"{ALIAS[:-1]}/{ours.name}", package=f"{ALIAS}{ours.package}", syntax="proto3")
    alias.dependency.extend([ours.name, *(imported.name for imported in ours.dependencies)])
    ours.services_by_name["WalletService"].CopyToProto(alias.service.add())
    files.file.append(alias)
    return files


def _add(files: FileDescriptorSet, file: Any) -> None:
    """`file` behind everything that it imports."""
    for imported in file.dependencies:
        _add(files, imported)
    if file.name not in {known.name for known in files.file}:
        file.CopyToProto(files.file.add())


@pytest.mark.parametrize(
    ("protocol", "steps"),
    # What differs by protocol is how a refusal is told, not which: one of each kind keeps processes within bounds.
    [("connect", CALLS), ("grpc", fewer_refusals(CALLS)), ("grpcweb", fewer_refusals(CALLS))],
    ids=["connect", "grpc", "grpcweb"],
)
def test_buf_curl(
    service: dict[str, str],
    protocol: str,
    steps: list[dict[str, Any]],
    tmp_path: Path,
    subtests: pytest.Subtests,
) -> None:
    published = tmp_path / "published.binpb"
    published.write_bytes(published_schema().SerializeToString())
    run(BufCurl(service["url"], protocol, published), service, subtests, steps=steps)
