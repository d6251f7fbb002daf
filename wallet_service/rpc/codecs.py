"""Message codecs whose failures are safe to show: no parser internals to the caller, the cause to the log."""

from typing import Any, Final

from connectrpc.codec import Codec, proto_binary_codec, proto_json_codec
from protobuf import Message

from wallet_service.errors import Code, Reason, ServiceError
from wallet_service.rpc.errors import to_connect_error


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
        try:
            return self._inner.decode(data, message_class)
        except Exception as error:
            raise to_connect_error(self._malformed(message_class)) from error

    def _malformed(self, message_class: type[Message[Any]]) -> ServiceError:
        name = message_class.desc().type_name
        return ServiceError(
            Code.INVALID_ARGUMENT,
            Reason.MALFORMED_REQUEST,
            f"the request body is not a {self._kind} message {name}",
            metadata={"encoding": self._kind, "message": name},
        )


SAFE_CODECS: Final = (
    SafeCodec(proto_binary_codec(), "binary protobuf"),
    SafeCodec(proto_json_codec(), "JSON"),
)
