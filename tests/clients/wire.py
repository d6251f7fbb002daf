"""What the clients in Python share: how a call of the table is spelled on the wire, and how an error comes back."""

import base64
import binascii
import importlib
import re
from collections.abc import Iterable
from typing import Any, Final

from google.protobuf.descriptor import MethodDescriptor
from google.rpc import error_details_pb2

from tests.clients.table import Refusal

ALIAS: Final = "aes."
"""In front of our path stands the path of the published SDK."""

_INFO: Final = error_details_pb2.ErrorInfo.DESCRIPTOR.full_name
_BAD_REQUEST: Final = error_details_pb2.BadRequest.DESCRIPTOR.full_name


def module_of(service: str) -> str:
    """`billing.v1.TestClockService` is generated into billing/v1/test_clock_service..., and so is an alias."""
    package, _, name = service.removeprefix(ALIAS).rpartition(".")
    return f"{package}.{re.sub('(?<!^)(?=[A-Z])', '_', name).lower()}"


def descriptor(method: str) -> MethodDescriptor:
    """The method `package.Service/Name`, as grpcio's generated code describes it."""
    service, _, name = method.partition("/")
    messages = importlib.import_module(f"{module_of(service)}_pb2")
    return messages.DESCRIPTOR.services_by_name[service.rpartition(".")[2]].methods_by_name[name]


def is_stream(method: str) -> bool:
    """Whether it answers with a stream, of which the table takes the first message."""
    return descriptor(method).server_streaming


def is_read(method: str) -> bool:
    """Whether the method has no side effects and one answer, so that it may be asked for by GET."""
    if is_stream(method):
        return False
    options = descriptor(method).GetOptions()
    return options.idempotency_level == options.NO_SIDE_EFFECTS


def authorization(key: str | None) -> dict[str, str]:
    return {} if key is None else {"authorization": f"Bearer {key}"}


def refusal(code: str, message: str, details: Iterable[tuple[str, bytes]]) -> Refusal:
    """`details` are pairs of a message's full name and its bytes."""
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for name, value in details:
        if name == _INFO:
            info.ParseFromString(value)
        elif name == _BAD_REQUEST:
            bad.ParseFromString(value)
    fields = tuple(violation.field for violation in bad.field_violations)
    return Refusal(code, message, info.reason, fields, dict(info.metadata))


def refusal_of_json(body: dict[str, Any]) -> Refusal:
    """An error in Connect's JSON."""
    details = [(detail["type"], _unpadded(detail["value"])) for detail in body.get("details", ())]
    return refusal(body["code"], body.get("message", ""), details)


def _unpadded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise AssertionError(f"{text!r} is not base64") from error
