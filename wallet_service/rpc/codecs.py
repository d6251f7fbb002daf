"""Message codecs for input from strangers: no parser internals in the answer, nothing that brings the process down."""

import re
from typing import Any, Final

from connectrpc.codec import Codec, proto_binary_codec, proto_json_codec
from protobuf import Message

from wallet_service.errors import Code, Reason, ServiceError
from wallet_service.rpc.errors import to_connect_error
from wallet_service.rpc.record_counts import RECORDS_MAX, has_too_many_binary, has_too_many_json

_ARRAY_DEPTH_MAX: Final = 100
# Strings whole, an unterminated one to the end, so that the scan is linear.
_STRING_OR_BRACKET: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]]', re.DOTALL)
_UNKNOWN_KEY: Final = re.compile(r"key: '([A-Za-z0-9_.]{1,100})' is unknown$")


class SafeCodec:
    """`inner` under the same name. A body that does not decode is INVALID_ARGUMENT / MALFORMED_REQUEST."""

    def __init__(self, inner: Codec[Any, Any], kind: str) -> None:
        self._inner = inner
        self._kind = kind

    def name(self) -> str:
        return self._inner.name()

    def encode(self, message: Any) -> bytes:
        try:
            return self._inner.encode(message)
        except Exception as error:
            # The response is already past the interceptors, so it is mapped here.
            raise to_connect_error(error) from error

    def decode(self, data: bytes | bytearray, message_class: type[Any]) -> Any:
        if self.has_too_many_records(data, message_class):
            raise to_connect_error(_too_many_records())
        try:
            return self._inner.decode(data, message_class)
        except Exception as error:
            raise to_connect_error(self.malformed(message_class, error)) from error

    def has_too_many_records(self, data: bytes | bytearray, message_class: type[Message[Any]]) -> bool:
        return has_too_many_binary(data, message_class.desc())

    def malformed(self, message_class: type[Message[Any]], error: Exception | None = None) -> ServiceError:
        """The refusal; of the parser's words it takes over only the name of a field that does not exist."""
        name = message_class.desc().type_name
        metadata = {"encoding": self._kind, "message": name}
        text = f"the request body is not a {self._kind} message {name}"
        if (unknown := _UNKNOWN_KEY.search(str(error))) is not None:
            metadata["field"] = unknown[1]
            text += f": it has no field {unknown[1]}"
        return ServiceError(Code.INVALID_ARGUMENT, Reason.MALFORMED_REQUEST, text, metadata=metadata)


class SafeJsonCodec(SafeCodec):
    """Strict JSON, arrays at most 100 deep: protobuf-py's parser overflows the stack on some thousands of them.

    Strict, because the lenient parser also drops enum values that it does not know, and a filter or a role that is
    dropped means something else.
    """

    def decode(self, data: bytes | bytearray, message_class: type[Any]) -> Any:
        if array_depth(data, enough=_ARRAY_DEPTH_MAX) > _ARRAY_DEPTH_MAX:
            raise to_connect_error(self.malformed(message_class))
        return super().decode(data, message_class)

    def has_too_many_records(self, data: bytes | bytearray, message_class: type[Message[Any]]) -> bool:
        del message_class
        return has_too_many_json(data)


def _too_many_records() -> ServiceError:
    return ServiceError(
        Code.RESOURCE_EXHAUSTED,
        Reason.REQUEST_TOO_LARGE,
        f"the request has more than {RECORDS_MAX} fields",
    )


def array_depth(data: bytes | bytearray, *, enough: int) -> int:
    """How deep the arrays of a JSON text nest; any number up to `enough` where that is plain from a glance."""
    opened = data.count(b"[")
    if opened <= enough:
        return opened
    depth = deepest = 0
    for token in _STRING_OR_BRACKET.finditer(data):
        match token[0]:
            case b"[":
                depth += 1
                deepest = max(deepest, depth)
            case b"]":
                depth -= 1
            case _:
                pass
    return deepest


SAFE_CODECS: Final = (
    SafeCodec(proto_binary_codec(), "binary protobuf"),
    SafeJsonCodec(proto_json_codec(ignore_unknown_fields=False), "JSON"),
)
