"""Shots as bytes: JSON and protobuf that need not be valid, the framing of each protocol, and damage to it."""

import base64
import gzip
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tests.clients.table import fill
from tests.fuzz.shots import Shot

STREAM_MILLISECONDS: Final = 300
"""How long a stream is listened to."""
BIG_BYTES: Final = 5 * 1024 * 1024
_BOMB: Final = gzip.compress(bytes(64 * 1024 * 1024))
"""64 KiB that inflate to 64 MiB."""
_UNKNOWN_FIELD: Final = 536_870_911
_FIXED: Final = {
    FieldDescriptor.TYPE_DOUBLE: "<d",
    FieldDescriptor.TYPE_FLOAT: "<f",
    FieldDescriptor.TYPE_FIXED64: "<Q",
    FieldDescriptor.TYPE_SFIXED64: "<q",
    FieldDescriptor.TYPE_FIXED32: "<I",
    FieldDescriptor.TYPE_SFIXED32: "<i",
}
_FORMAT_WIRE: Final = {"<d": 1, "<Q": 1, "<q": 1, "<f": 5, "<I": 5, "<i": 5}


@dataclass
class Request:
    """A request as it goes on the wire; `http2` tells by which version of HTTP."""

    path: str
    headers: dict[str, str]
    body: bytes | None
    http2: bool = False
    verb: str = "POST"


def render(shot: Shot, values: Mapping[str, str], keys: Mapping[str, str]) -> Request:
    """`shot` with names and key filled in."""
    tree = fill(shot.tree, values)
    headers: dict[str, str] = {}
    if shot.caller != "none":
        headers["authorization"] = f"Bearer {keys.get(shot.caller, values['wrong'])}"
    request = _framed(shot, tree, headers)
    for kind, where, what in shot.mutations:
        _damage(request, kind, where, what)
    # Longer bodies tell nothing new: the server reads no further than 4 MiB.
    request.body = None if request.body is None else request.body[:BIG_BYTES]
    if shot.content_type is not None and request.body is not None:
        request.headers["content-type"] = shot.content_type
    return request


def _framed(shot: Shot, tree: Any, headers: dict[str, str]) -> Request:
    path = f"/{shot.method.name}"
    as_json = json.dumps(tree).encode()
    match shot.protocol:
        case "get":
            return Request(f"{path}?connect=v1&encoding=json&message={quote(as_json)}", headers, None, verb="GET")
        case "connect+json" | "connect+proto":
            kind = shot.protocol.partition("+")[2]
            body = as_json if kind == "json" else encode(shot.method.input, tree)
            if shot.method.streams:
                headers |= {
                    "content-type": f"application/connect+{kind}",
                    "connect-timeout-ms": str(STREAM_MILLISECONDS),
                }
                return Request(path, headers, _envelope(body))
            return Request(path, {**headers, "content-type": f"application/{kind}"}, body)
        case _:
            body = _envelope(encode(shot.method.input, tree))
            headers |= {
                "content-type": "application/grpc-web+proto" if shot.protocol == "grpc-web" else "application/grpc"
            }
            if shot.method.streams:
                headers["grpc-timeout"] = f"{STREAM_MILLISECONDS}m"
            if shot.protocol == "grpc":
                headers["te"] = "trailers"
            return Request(path, headers, body, http2=shot.protocol == "grpc")


def _envelope(body: bytes, flags: int = 0) -> bytes:
    return struct.pack(">BI", flags, len(body)) + body


def _damage(request: Request, kind: str, where: float, what: float) -> None:
    """Change the request's bytes, or the headers that say what they are."""
    if request.body is None:
        cut = int(where * len(request.path))
        request.path = (request.path[:cut] + "%ff" + request.path[cut + 1 :]) if cut > 1 else request.path
        return
    is_grpc = "grpc" in request.headers["content-type"]
    framed = is_grpc or "connect+" in request.headers["content-type"]
    if kind in ("bomb", "gzip", "not gzip"):
        request.body = _compressed(request, kind, request.body, framed=framed)
    elif kind in ("deep", "big"):
        body = _huge(kind, what)
        request.body = _envelope(body) if framed else body
    elif kind == "no framing":
        request.body = request.body[5:] if framed else _envelope(request.body)
    elif kind == "bad timeout":
        name = "grpc-timeout" if is_grpc else "connect-timeout-ms"
        request.headers[name] = ("-1", "99999999999999", "1x", "\t", "0")[int(what * 5)]
    elif kind == "bad version":
        request.headers["connect-protocol-version"] = "2"
    else:
        request.body = _edited(request.body, kind, int(where * len(request.body)), what)


def _huge(kind: str, what: float) -> bytes:
    if kind == "big":
        return bytes([int(what * 256)]) * BIG_BYTES
    return (b'{"a":' * 20_000) if what < 0.5 else b"[" * 50_000


def _edited(body: bytes, kind: str, at: int, what: float) -> bytes:
    byte = bytes([int(what * 256)])
    edited = {
        "truncate": body[:at],
        "flip": body[:at] + byte + body[at + 1 :],
        "insert": body[:at] + bytes(range(int(what * 256))) + body[at:],
        "repeat": body[:at] + body[at:] * 2,
        "zero": body[:at] + bytes(int(what * 64)) + body[at + int(what * 64) :],
        "append": body + byte * 7,
        "empty": b"",
        "length": body[:1] + struct.pack(">I", int(what * 2**32)) + body[5:],
        "flag": byte + body[1:],
        "twice": body * 2,
    }
    return edited[kind]


def _compressed(request: Request, kind: str, body: bytes, *, framed: bool) -> bytes:
    packed = {"bomb": _BOMB, "gzip": gzip.compress(body[5:] if framed else body), "not gzip": b"\x1f\x8b" + body}[kind]
    if not framed:
        request.headers["content-encoding"] = "gzip"
        return packed
    request.headers["grpc-encoding" if "grpc" in request.headers["content-type"] else "connect-content-encoding"] = (
        "gzip"
    )
    return _envelope(packed, flags=1)


def encode(descriptor: Descriptor, tree: Any) -> bytes:
    """A tree as protobuf. What the type cannot hold is cut to its bits, or becomes bytes of another wire type."""
    if not isinstance(tree, dict):
        return _raw(tree)
    known = {f.json_name: f for f in descriptor.fields} | {f.name: f for f in descriptor.fields}
    parts: list[bytes] = []
    for name, value in tree.items():
        found = known.get(name)
        if found is None:
            parts.append(_tag(_UNKNOWN_FIELD, 2) + _sized(_raw(value)))
        elif value is not None:
            items = value if found.is_repeated and isinstance(value, list) else [value]
            if _is_map(found) and isinstance(value, dict):
                items = [{"key": key, "value": item} for key, item in value.items()]
            parts += [_encode_field(found, item) for item in items]
    return b"".join(parts)


def _is_map(found: FieldDescriptor) -> bool:
    return found.message_type is not None and found.message_type.GetOptions().map_entry


def _encode_field(found: FieldDescriptor, value: Any) -> bytes:
    number = found.number
    if found.message_type is not None:
        return _tag(number, 2) + _sized(_well_known(found.message_type, value))
    if found.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
        return _tag(number, 2) + _sized(_raw(value))
    if found.enum_type is not None and isinstance(value, str) and value in found.enum_type.values_by_name:
        return _tag(number, 0) + _varint(found.enum_type.values_by_name[value].number)
    try:
        if found.type in _FIXED:
            shape = _FIXED[found.type]
            return _tag(number, _FORMAT_WIRE[shape]) + struct.pack(
                shape, float(value) if shape in "<d<f" else int(value)
            )
        plain = int(value)
    except (TypeError, ValueError, OverflowError, struct.error):
        return _tag(number, 2) + _sized(_raw(value))
    zigzag = found.type in (FieldDescriptor.TYPE_SINT32, FieldDescriptor.TYPE_SINT64)
    return _tag(number, 0) + _varint((plain << 1) ^ (plain >> 63) if zigzag else plain)


def _well_known(descriptor: Descriptor, value: Any) -> bytes:
    if isinstance(value, str) and descriptor.full_name == "google.protobuf.Timestamp":
        try:
            return encode(descriptor, {"seconds": int(datetime.fromisoformat(value).timestamp())})
        except (ValueError, OverflowError):
            return _raw(value)
    if isinstance(value, str) and descriptor.full_name == "google.protobuf.Duration":
        try:
            return encode(descriptor, {"seconds": int(float(value.removesuffix("s")))})
        except ValueError:
            return _raw(value)
    return encode(descriptor, value)


def _raw(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return base64.b64encode(repr(value).encode())


def _tag(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _sized(body: bytes) -> bytes:
    return _varint(len(body)) + body


def _varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
