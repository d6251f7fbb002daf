"""Refusals in the documented shape: `errorType`, `errorMessage`. The types themselves are not published."""

from providers.simulators.account import Json, Refusal


class ApiError(Refusal):
    """A refusal by the API."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(status, message)
        self.kind = kind

    @property
    def body(self) -> Json:
        return {"errorType": self.kind, "errorMessage": str(self)}


def invalid(message: str) -> ApiError:
    """The request does not fit the API or the state of the checkout."""
    return ApiError(400, "invalid_request", message)


def missing(checkout_id: str) -> ApiError:
    return ApiError(404, "not_found", f"Checkout {checkout_id} was not found.")
