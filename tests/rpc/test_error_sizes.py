"""Errors travel as headers over gRPC, so they are short whatever they are about."""

from contextvars import copy_context
from urllib.parse import quote

import pytest
from wallet_api.google.rpc.error_details_pb import BadRequest

from wallet_service.errors import Code, FieldViolation, Reason, ServiceError
from wallet_service.rpc.call import Call, enter
from wallet_service.rpc.errors import to_connect_error


@pytest.mark.parametrize("letter", ["a", "\U0001f600"])
def test_a_refusal_fits_into_the_headers_of_grpc(letter: str) -> None:
    """Whatever it quotes: clients take 8 KiB, with the text escaped and the details in base64."""
    long = letter * 100_000
    many = [FieldViolation("events[0].x", "is bad"), *[FieldViolation(long, long)] * 1001]
    error = ServiceError(
        Code.INVALID_ARGUMENT, Reason.INVALID_FIELD, long, metadata={"field": long, "kind": long}, violations=many
    )
    context = copy_context()
    context.run(enter, Call("c"))
    mapped = context.run(to_connect_error, error)
    details = [detail.message_bytes for detail in mapped.details]
    size = len(mapped.message.encode()) + sum(map(len, details))
    assert len(quote(mapped.message)) + size * 4 / 3 < 7_500
    found = BadRequest.from_binary(details[1]).field_violations
    assert (found[0].field, found[0].description) == ("events[0].x", "is bad")
    assert len(found) > 1
