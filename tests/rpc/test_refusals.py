"""Bad input and failures, on both servers: the code, the published reason, and nothing of our insides."""

import contextlib
import gzip
import json
import socket
import struct
import time
from typing import Any
from urllib.parse import urlsplit

import grpc
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import httpx
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from wallet.v1 import wallet_service_pb2, wallet_service_pb2_grpc

from tests.rpc.conftest import ServerProcess
from tests.rpc.scripted_app import BROKEN, KEY_IDS, KEYS

WALLET = "organizations/my-org/wallets/default"
OTHER_WALLET = "organizations/other-org/wallets/default"
BALANCE = "/wallet.v1.WalletService/GetWalletBalance"
RATES = "/wallet.v1.WalletService/ListPublicMeterRates"
TOP_UP = "/wallet.v1.WalletService/CreateStripeTopUpIntent"
JSON = {"content-type": "application/json"}
PROTO = {"content-type": "application/proto"}


def key(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


VIEWER = key("wk_test_viewer")
EDITOR = key("wk_test_editor")


def post(
    server: ServerProcess,
    path: str,
    body: bytes | dict[str, Any],
    headers: dict[str, str],
) -> httpx.Response:
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    return httpx.post(f"{server.url}{path}", content=content, headers=headers, timeout=30)


def reason(answer: httpx.Response) -> str:
    return answer.json()["details"][0]["debug"]["reason"]


def refused(
    server: ServerProcess,
    path: str,
    body: bytes | dict[str, Any],
    headers: dict[str, str],
) -> tuple[str, str]:
    answer = post(server, path, body, {**JSON, **headers})
    return answer.json()["code"], reason(answer)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        key("wk_test_nobody"),
        {"authorization": "Basic eDp5"},
        {"authorization": "Bearer"},
        key("k" * 600),
    ],
    ids=["none", "unknown", "other scheme", "empty", "too long"],
)
def test_a_key_that_is_not_valid(server: ServerProcess, headers: dict[str, str]) -> None:
    # The body is not even JSON: authentication comes before it is read.
    assert refused(server, BALANCE, b"\xff", headers) == (
        "unauthenticated",
        "UNAUTHENTICATED",
    )


def test_other_organizations_do_not_exist(server: ServerProcess) -> None:
    # A viewer may not top up at all, and still learns nothing about another organization.
    top_up = {"wallet_name": OTHER_WALLET, "amount_minor": "500"}
    assert refused(server, BALANCE, {"name": OTHER_WALLET}, VIEWER) == (
        "not_found",
        "RESOURCE_NOT_FOUND",
    )
    assert refused(server, TOP_UP, top_up, VIEWER) == (
        "not_found",
        "RESOURCE_NOT_FOUND",
    )
    assert refused(server, TOP_UP, top_up, EDITOR) == (
        "not_found",
        "RESOURCE_NOT_FOUND",
    )
    assert post(server, BALANCE, {"name": OTHER_WALLET}, {**JSON, **key("wk_test_operator")}).status_code == 200


def test_role_too_low_inside_the_own_organization(server: ServerProcess) -> None:
    top_up = {"wallet_name": WALLET, "amount_minor": "500"}
    assert refused(server, TOP_UP, top_up, VIEWER) == (
        "permission_denied",
        "ROLE_TOO_LOW",
    )


@pytest.mark.parametrize("amount", ["-5", "0"])
def test_rules_of_the_contract(server: ServerProcess, amount: str) -> None:
    answer = post(
        server,
        TOP_UP,
        {"wallet_name": "my-org", "amount_minor": amount},
        {**JSON, **EDITOR},
    )
    info, bad = (detail["debug"] for detail in answer.json()["details"])
    assert (answer.json()["code"], info["reason"]) == (
        "invalid_argument",
        "INVALID_FIELD",
    )
    assert {violation["field"] for violation in bad["fieldViolations"]} == {
        "wallet_name",
        "amount_minor",
    }


def test_name_of_the_wrong_shape(server: ServerProcess) -> None:
    name = "organizations/My_Org/wallets/default"
    assert refused(server, BALANCE, {"name": name}, VIEWER) == (
        "invalid_argument",
        "INVALID_RESOURCE_NAME",
    )


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{", JSON),
        (b'{"name": "\xff"}', JSON),
        (b'{"name": 5}', JSON),
        (b"[" * 100_000, JSON),
        (b"\x0a\x02\xff\xfe", PROTO),
        (b"\x0a\x7f", PROTO),
        (b"not gzip", {**JSON, "content-encoding": "gzip"}),
    ],
    ids=[
        "no JSON",
        "JSON not UTF-8",
        "wrong type",
        "deep JSON",
        "proto not UTF-8",
        "cut off",
        "no gzip",
    ],
)
def test_malformed_bodies(server: ServerProcess, body: bytes, headers: dict[str, str]) -> None:
    answer = post(server, BALANCE, body, {**headers, **VIEWER})
    assert (answer.json()["code"], reason(answer)) == (
        "invalid_argument",
        "MALFORMED_REQUEST",
    )
    text = answer.text.lower()
    assert not any(word in text for word in ("codec", "traceback", "0xff", "line 1", "zlib", "error -3"))


@pytest.mark.parametrize(
    "query",
    [
        "message=%7B%22name%22%3A%22%FF%22%7D&encoding=json",
        "message=%FF&encoding=proto",
    ],
)
def test_get_that_is_not_utf8(server: ServerProcess, query: str) -> None:
    answer = httpx.get(f"{server.url}{BALANCE}?{query}", headers=VIEWER)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")


def test_header_that_is_not_utf8(server: ServerProcess) -> None:
    answer = httpx.post(
        f"{server.url}{BALANCE}",
        content=b"{}",
        headers=[(b"x-note", b"\xff"), (b"content-type", b"application/json")],
    )
    assert answer.status_code == 400
    assert "codec" not in answer.text


@pytest.mark.parametrize("group_by", ["USAGE_GROUP_BY_MOON", 99])
def test_unknown_enum_value(server: ServerProcess, group_by: object) -> None:
    body = {"project_name": "projects/p", "usageGroupBy": group_by}
    answer = post(server, "/wallet.v1.WalletService/QueryUsage", body, {**JSON, **VIEWER})
    assert answer.json()["code"] == "invalid_argument"


def test_unknown_field_is_named(server: ServerProcess) -> None:
    answer = post(server, BALANCE, {"nmae": WALLET}, {**JSON, **VIEWER})
    info = answer.json()["details"][0]["debug"]
    assert (info["reason"], info["metadata"]["field"]) == ("MALFORMED_REQUEST", "nmae")


def test_body_of_five_megabytes(server: ServerProcess) -> None:
    body = {"name": "x" * 5_000_000}
    assert refused(server, BALANCE, body, VIEWER) == (
        "resource_exhausted",
        "REQUEST_TOO_LARGE",
    )


def test_body_that_inflates_to_five_megabytes(server: ServerProcess) -> None:
    body = gzip.compress(json.dumps({"name": "x" * 5_000_000}).encode())
    answer = post(server, BALANCE, body, {**JSON, **VIEWER, "content-encoding": "gzip"})
    assert (answer.json()["code"], reason(answer)) == (
        "resource_exhausted",
        "REQUEST_TOO_LARGE",
    )


def test_plain_http_body_of_five_megabytes(server: ServerProcess) -> None:
    answer = httpx.post(f"{server.url}/echo/it", content=b"x" * 5_000_000)
    assert answer.status_code == 413


def test_five_megabytes_over_grpc(server: ServerProcess) -> None:
    with grpc.insecure_channel(server.target) as channel:
        stub = wallet_service_pb2_grpc.WalletServiceStub(channel)
        request = wallet_service_pb2.GetWalletBalanceRequest(name="x" * 5_000_000)
        with pytest.raises(grpc.RpcError) as caught:
            stub.GetWalletBalance(request, metadata=list(VIEWER.items()))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert grpc_reason(caught.value) == "REQUEST_TOO_LARGE"


def test_invalid_utf8_over_grpc(server: ServerProcess) -> None:
    with grpc.insecure_channel(server.target) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(BALANCE)(b"\x0a\x02\xff\xfe", metadata=list(VIEWER.items()))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert grpc_reason(caught.value) == "MALFORMED_REQUEST"


def grpc_reason(error: grpc.RpcError) -> str:
    status = rpc_status.from_call(error)
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info.reason


@pytest.mark.parametrize("script", ["boom", "surrogate"])
def test_our_own_failures_are_scrubbed(server: ServerProcess, script: str) -> None:
    answer = post(server, RATES, {"meter_prefix": script}, JSON)
    info = answer.json()["details"][0]["debug"]
    assert (answer.json()["code"], info["reason"]) == ("internal", "INTERNAL")
    assert BROKEN not in answer.text
    assert "surrogate" not in answer.text
    error_id = info["metadata"]["error_id"]
    logged = server.wait_for_log(event="unhandled_exception", error_id=error_id)
    assert (BROKEN if script == "boom" else "UnicodeEncodeError") in logged["exception"]
    assert logged["correlation_id"] == answer.headers["x-request-id"]
    assert server.wait_for_log(event="call", error_id=error_id)["code"] == "internal"


def test_failures_of_plain_routes_are_scrubbed(server: ServerProcess) -> None:
    answer = httpx.post(f"{server.url}/echo/boom")
    assert answer.status_code == 500
    assert BROKEN not in answer.text
    logged = server.wait_for_log(event="unhandled_exception", method="/echo/{what}")
    assert logged["error_id"] in answer.json()["message"]
    assert len(server.log_lines(event="unhandled_exception", error_id=logged["error_id"])) == 1


def test_correlation_id_and_one_line_a_call(server: ServerProcess) -> None:
    mine = f"trace-{server.kind}.1"
    answer = post(server, BALANCE, {"name": WALLET}, {**JSON, **VIEWER, "x-request-id": mine})
    assert answer.headers.get_list("x-request-id") == [mine]
    line = server.wait_for_log(event="call", correlation_id=mine)
    assert line["method"] == "wallet.v1.WalletService/GetWalletBalance"
    assert (line["protocol"], line["code"]) == ("connect", "ok")
    assert line["key_id"] == str(KEY_IDS["wk_test_viewer"])
    assert len(server.log_lines(correlation_id=mine)) == 1
    forged = post(server, BALANCE, {"name": WALLET}, {**JSON, **VIEWER, "x-request-id": 'a"b c'})
    assert forged.headers["x-request-id"] != 'a"b c'


def test_no_secret_and_no_payload_in_the_log(server: ServerProcess) -> None:
    secret = "organizations/my-org/wallets/not-for-the-log"
    message = json.dumps({"name": secret})
    httpx.get(
        f"{server.url}{BALANCE}",
        params={"encoding": "json", "message": message},
        headers=VIEWER,
    )
    post(server, BALANCE, {"name": secret}, {**JSON, **VIEWER})
    time.sleep(0.1)
    log = server.log_text()
    assert "not-for-the-log" not in log
    assert not any(secret in log for secret in KEYS)


@pytest.mark.parametrize(
    ("asked", "at_most", "at_least"),
    [
        ({}, 5_000, 3_000),
        ({"connect-timeout-ms": "900"}, 900, 1),
        ({"connect-timeout-ms": "9000000"}, 600_000, 590_000),
    ],
    ids=["default", "asked for", "maximum"],
)
def test_remaining_time(server: ServerProcess, asked: dict[str, str], at_most: float, at_least: float) -> None:
    answer = post(server, RATES, {"meter_prefix": "remaining"}, {**JSON, **asked})
    remaining = float(answer.json()["publicMeterRates"][0]["meter"])
    assert at_least < remaining <= at_most


def test_deadline_passes(server: ServerProcess) -> None:
    started = time.monotonic()
    answer = post(
        server,
        RATES,
        {"meter_prefix": "sleep:20"},
        {**JSON, "connect-timeout-ms": "200"},
    )
    assert time.monotonic() - started < 3
    assert (answer.json()["code"], reason(answer)) == (
        "deadline_exceeded",
        "DEADLINE_EXCEEDED",
    )
    with grpc.insecure_channel(server.target) as channel:
        stub = wallet_service_pb2_grpc.WalletServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.ListPublicMeterRates(
                wallet_service_pb2.ListPublicMeterRatesRequest(meter_prefix="sleep:20"),
                timeout=0.3,
            )
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_default_deadline_passes_while_the_body_trickles_in(
    server: ServerProcess,
) -> None:
    host, port = urlsplit(server.url).hostname, urlsplit(server.url).port
    with socket.create_connection((host, port), timeout=20) as connection:
        connection.sendall(
            f"POST {RATES} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            "content-length: 100\r\n\r\n{".encode()
        )
        started = time.monotonic()
        answer = connection.recv(4096)
    assert b"504" in answer.splitlines()[0]
    assert 4 < time.monotonic() - started < 8


def test_malformed_deadline(server: ServerProcess) -> None:
    headers = {"connect-timeout-ms": "soon"}
    answer = post(server, RATES, {}, {**JSON, **headers})
    assert answer.json()["code"] == "invalid_argument"


@pytest.mark.parametrize("how", ["hang up", "deadline"])
def test_a_write_survives_its_caller(server: ServerProcess, how: str) -> None:
    file = how.replace(" ", "-")
    body = json.dumps({"wallet_name": WALLET, "amount_minor": "500", "idempotency_key": f"1:{file}"}).encode()
    host, port = urlsplit(server.url).hostname, urlsplit(server.url).port
    timeout = "200" if how == "deadline" else "20000"
    with socket.create_connection((host, port), timeout=20) as connection:
        connection.sendall(
            f"POST {TOP_UP} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnect-timeout-ms: {timeout}\r\n"
            f"authorization: {EDITOR['authorization']}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        server.wait_for_file(f"{file}.started")
        if how == "deadline":
            assert b"504" in connection.recv(4096).splitlines()[0]
        else:
            # Reset instead of an orderly end.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert not (server.folder / f"{file}.committed").exists()
    server.wait_for_file(f"{file}.committed")


def test_a_read_is_cancelled_when_its_caller_hangs_up(server: ServerProcess) -> None:
    mine = "hang-up-of-a-read"
    body = b'{"meter_prefix": "sleep:4"}'
    host, port = urlsplit(server.url).hostname, urlsplit(server.url).port
    with socket.create_connection((host, port), timeout=20) as connection:
        connection.sendall(
            f"POST {RATES} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nx-request-id: {mine}\r\n"
            f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        time.sleep(0.3)
    line = server.wait_for_log(event="call", correlation_id=mine)
    assert line["code"] == "canceled"
    assert line["milliseconds"] < 3000


def test_a_plain_call_whose_caller_hangs_up_is_no_failure(
    server: ServerProcess,
) -> None:
    mine = "hang-up-in-the-body"
    host, port = urlsplit(server.url).hostname, urlsplit(server.url).port
    with socket.create_connection((host, port), timeout=20) as connection:
        connection.sendall(
            f"POST /echo/it HTTP/1.1\r\nhost: x\r\nx-request-id: {mine}\r\ncontent-length: 100\r\n\r\nhalf".encode()
        )
        time.sleep(0.3)
    line = server.wait_for_log(event="call", correlation_id=mine)
    assert (line["method"], line["code"]) == ("/echo/{what}", "canceled")
    assert len(server.log_lines(correlation_id=mine)) == 1


def test_hundreds_of_calls_on_one_connection_leave_no_errors_behind(
    server: ServerProcess,
) -> None:
    with grpc.insecure_channel(server.target) as channel:
        stub = wallet_service_pb2_grpc.WalletServiceStub(channel)
        request = wallet_service_pb2.GetWalletBalanceRequest(name=WALLET)
        for _ in range(15):  # More than this at once would be refused, since the server is busy.
            futures = [stub.GetWalletBalance.future(request, metadata=list(VIEWER.items())) for _ in range(100)]
            assert all(future.result().balance_minor == 12345 for future in futures)
    log = server.log_text()
    assert "InvalidStateError" not in log
    assert "never retrieved" not in log
    assert "was destroyed" not in log


@pytest.mark.parametrize("kind", ["proto", "json"])
def test_more_fields_than_any_message_has_are_refused_before_they_are_decoded(server: ServerProcess, kind: str) -> None:
    headers, body = {
        "proto": (PROTO, bytes([15 << 3, 1]) * 400_000),
        "json": (JSON, b'{"name":[' + b"1," * 400_000 + b"1]}"),
    }[kind]
    answer = post(server, BALANCE, body, {**headers, **VIEWER})
    assert answer.json()["code"] == "resource_exhausted"
    assert reason(answer) == "REQUEST_TOO_LARGE"


def test_early_refusals_leave_the_other_calls_of_the_connection_alone(server: ServerProcess) -> None:
    # The key is refused before the body has arrived, which must cost that one stream only.
    with grpc.insecure_channel(server.target) as channel:
        stub = wallet_service_pb2_grpc.WalletServiceStub(channel)
        big = wallet_service_pb2.GetWalletBalanceRequest(name="x" * 100_000)
        good = wallet_service_pb2.GetWalletBalanceRequest(name=WALLET)
        refusals = []
        answers = []
        for _ in range(150):
            refusals.append(stub.GetWalletBalance.future(big))
            answers.append(stub.GetWalletBalance.future(good, metadata=list(VIEWER.items())))
        assert all(answer.result(30).balance_minor == 12345 for answer in answers)
        assert {refusal.code() for refusal in refusals} == {grpc.StatusCode.UNAUTHENTICATED}


def test_what_arrives_after_an_early_refusal_does_not_take_it_back(server: ServerProcess) -> None:
    connection = h2.connection.H2Connection()
    connection.initiate_connection()
    connection.send_headers(
        1,
        [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", server.target),
            (":path", BALANCE),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ],
    )
    # Envoy resets the stream itself once it has been answered, as an orderly end.
    orderly = {"pyvoy": [h2.errors.ErrorCodes.NO_ERROR], "hypercorn": []}
    with socket.create_connection((urlsplit(server.url).hostname, urlsplit(server.url).port), timeout=20) as peer:
        assert _h2_until(h2.events.StreamEnded, connection, peer) == []
        time.sleep(0.2)  # hypercorn closes the stream on its side after the answer has gone.
        with contextlib.suppress(h2.exceptions.StreamClosedError):
            connection.send_data(1, b"x" * 100)
        connection.ping(b"the last")
        assert _h2_until(h2.events.PingAckReceived, connection, peer) in ([], orderly[server.kind])


def _h2_until(last: type[object], connection: h2.connection.H2Connection, peer: socket.socket) -> list[object]:
    """The codes of the resets that come before an event of the kind `last`."""
    resets: list[object] = []
    while True:
        peer.sendall(connection.data_to_send())
        for event in connection.receive_data(peer.recv(65536)):
            if isinstance(event, h2.events.StreamReset):
                resets.append(event.error_code)
            if isinstance(event, last):
                return resets


def test_grpc_without_http2(server: ServerProcess) -> None:
    answer = post(server, BALANCE, b"\0\0\0\0\0", {"content-type": "application/grpc", **VIEWER})
    # Envoy carries trailers over HTTP/1.1, too; hypercorn does not.
    if server.kind == "hypercorn":
        assert (answer.status_code, answer.json()["code"]) == (415, "invalid_argument")
    else:
        assert answer.headers.get("grpc-status") != "2"


@pytest.mark.parametrize("path", ["/%ff", "/healthz%c3", "/%ed%a0%80", "/%c0%80", "/%f5%80%80%80", "/%e2%82", "/%"])
def test_a_path_that_is_no_text_is_answered(server: ServerProcess, path: str) -> None:
    answer = httpx.get(f"{server.url}{path}", timeout=10)
    assert answer.status_code in (400, 403, 404)


@pytest.mark.parametrize(
    "path", ["/m%C3%A4rz", "/%e2%82%ac", "/%ee%80%80", "/%f0%9f%98%80", "/%f4%8f%bf%bf", "/%00", "/x%2fy"]
)
def test_a_path_in_utf8_reaches_the_application(server: ServerProcess, path: str) -> None:
    answer = httpx.get(f"{server.url}{path}", timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_compressed_message_without_its_encoding_is_the_callers_fault(server: ServerProcess) -> None:
    body = b"\x01\x00\x00\x00\x03abc"
    answer = post(server, "/grpc.health.v1.Health/Watch", body, {"content-type": "application/connect+proto"})
    flags, text = answer.content[0], answer.content[5:]
    assert (flags, json.loads(text)["error"]["code"]) == (2, "invalid_argument")
