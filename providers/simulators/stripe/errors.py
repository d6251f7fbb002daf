"""Refusals in Stripe's published shape: `{"error": {type, code, message, param, ...}}`."""

from typing import Any

from providers.simulators.account import Json, Refusal

__all__ = ["ApiError", "Json", "declined", "invalid", "malformed", "missing"]


class ApiError(Refusal):
    """A refusal. `saved` is False for those that Stripe gives before an endpoint begins to execute.

    Such an answer is not kept under the idempotency key, so the corrected request may use the same key.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        saved: bool = True,
        **details: Any,
    ) -> None:
        super().__init__(status, message)
        self.saved = saved
        fields = {
            "type": kind,
            "code": code,
            "param": param,
            "message": message,
            **details,
        }
        self.error: Json = {name: value for name, value in fields.items() if value is not None}
        if code is not None:
            self.error["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"

    @property
    def body(self) -> Json:
        return {"error": self.error}


def missing(kind: str, object_id: str, param: str) -> ApiError:
    """No such object; 404 when it is the object in the path, 400 when a parameter names it."""
    return ApiError(
        404 if param == "id" else 400,
        f"No such {kind}: '{object_id}'",
        code="resource_missing",
        param=param,
    )


def invalid(message: str, *, param: str | None = None, code: str | None = None, **details: Any) -> ApiError:
    """The endpoint ran and refused."""
    return ApiError(400, message, code=code, param=param, **details)


def malformed(message: str, *, param: str | None = None, code: str | None = None) -> ApiError:
    """The parameters did not pass validation; nothing ran and nothing is saved."""
    return ApiError(400, message, code=code, param=param, saved=False)


def declined(
    decline_code: str,
    *,
    code: str = "card_declined",
    message: str,
    advice: str | None,
    **details: Any,
) -> ApiError:
    """The issuer refused."""
    return ApiError(
        402,
        message,
        kind="card_error",
        code=code,
        decline_code=decline_code,
        advice_code=advice,
        **details,
    )
