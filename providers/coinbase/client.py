"""Calls of the Checkouts API: signed, bounded by a deadline, and repeated with the same key where that is safe."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import httpx

from providers.coinbase.failures import (
    deadline_exceeded,
    hides_effect,
    is_worth_repeating,
    refusal,
    unavailable,
    unexpected,
)
from providers.coinbase.settings import CoinbaseSettings
from providers.coinbase.tokens import Signer
from providers.protocol import ProviderError

Json: TypeAlias = dict[str, Any]

NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""The request did not leave: certainly without effect."""


class CheckoutsClient:
    """HTTP with the account of one API key. Every failure is a `ProviderError`."""

    def __init__(self, settings: CoinbaseSettings, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._clock = clock
        self._signer = Signer(settings.api_key_id, settings.api_key_secret, settings.token_lifetime)
        self._http = httpx.AsyncClient(timeout=settings.attempt_timeout.total_seconds())

    async def read(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """GET a path below the API's base."""
        return await self._call("GET", path, query=query, body=None, headers={})

    async def write(self, path: str, body: Json | None, *, idempotency_key: str) -> Json:
        """POST to a path below the API's base. Attempts carry the same key and a token of their own."""
        headers = {"X-Idempotency-Key": str(uuid_of(idempotency_key))}
        return await self._call("POST", path, query=None, body=body, headers=headers)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _call(
        self, method: str, path: str, *, query: Mapping[str, str] | None, body: Json | None, headers: Mapping[str, str]
    ) -> Json:
        write = method != "GET"
        try:
            async with asyncio.timeout(self._settings.deadline.total_seconds()):
                return await self._attempts(method, path, query=query, body=body, headers=headers, write=write)
        except TimeoutError as error:
            raise deadline_exceeded(write=write) from error

    async def _attempts(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None,
        body: Json | None,
        headers: Mapping[str, str],
        write: bool,
    ) -> Json:
        """Repeat until an answer is final. What one attempt may have done is not undone by the refusal of the next."""
        may_have_run, attempt = False, 0
        while True:
            # Built anew each time, because a token must not be sent twice.
            request = self._http.build_request(
                method, self._settings.api_base + path, params=query, json=body, headers=headers
            )
            try:
                response = await self._send(request)
            except httpx.TransportError as error:
                may_have_run = may_have_run or (write and not isinstance(error, NEVER_SENT))
                failed: ProviderError = unavailable(
                    "connection_failed", "The payment provider could not be reached.", outcome_unknown=may_have_run
                )
                cause: Exception | None = error
            else:
                if response.is_success:
                    return _decoded(response, write=write)
                may_have_run = may_have_run or (write and hides_effect(response.status_code))
                failed, cause = _refused(response, may_have_run=may_have_run), None
                if not is_worth_repeating(response.status_code):
                    raise failed
            if attempt >= self._settings.network_retries_max:
                raise failed from cause
            await asyncio.sleep(self._settings.retry_delay.total_seconds() * 2**attempt)
            attempt += 1

    async def _send(self, request: httpx.Request) -> httpx.Response:
        token = self._signer.bearer(
            method=request.method, host=request.url.netloc.decode(), path=request.url.path, now=self._clock()
        )
        request.headers["Authorization"] = f"Bearer {token}"
        return await self._http.send(request)


def uuid_of(idempotency_key: str) -> UUID:
    """The caller's key as the version 4 UUID that Coinbase insists on: the same for the same key."""
    return UUID(bytes=hashlib.sha256(idempotency_key.encode()).digest()[:16], version=4)


def _decoded(response: httpx.Response, *, write: bool) -> Json:
    try:
        answer: Any = response.json()
    except ValueError as error:
        raise unexpected(write=write) from error
    if not isinstance(answer, dict):
        raise unexpected(write=write)
    return answer  # pyright: ignore[reportUnknownVariableType]


def _refused(response: httpx.Response, *, may_have_run: bool) -> ProviderError:
    try:
        body: Any = response.json()
    except ValueError:
        body = None
    request_id: Any = body.get("correlationId") if isinstance(body, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return refusal(
        response.status_code,
        body,
        may_have_run=may_have_run,
        request_id=request_id if isinstance(request_id, str) else None,
    )
