"""One signed HTTP request to an endpoint, to an address that was checked, within 15 seconds."""

import asyncio
import ipaddress
import json
import socket
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final

import httpx
from standardwebhooks import Webhook

from wallet_service import names
from wallet_service.event_webhooks.model import Answer
from wallet_service.event_webhooks.rules import (
    SNIPPET_BYTES,
    Target,
    refusal_of_address,
    snippet_of,
    target_of,
    url_refused,
)
from wallet_service.events.model import Event, rfc3339
from wallet_service.events.rules import published

TIMEOUT: Final = timedelta(seconds=15)
_CONNECTION_TIMEOUT: Final = timedelta(seconds=5)
_ADDRESSES_MAX: Final = 4
_RESOLVE_TIMEOUT: Final = timedelta(seconds=5)
_SNIPPET_TIMEOUT: Final = timedelta(seconds=1)
_USER_AGENT: Final = "wallet-webhooks/1"


class AddressRefused(Exception):
    """The text says why nothing is sent there."""


class Sender:
    """Makes requests; `loopback_allowed` for development and tests only. `timeout` bounds one request altogether."""

    def __init__(
        self, *, loopback_allowed: bool, timeout: timedelta = TIMEOUT, tls: ssl.SSLContext | None = None
    ) -> None:
        """Without `tls`, certificates are checked against the well-known authorities."""
        self._loopback_allowed = loopback_allowed
        self._timeout_seconds = timeout.total_seconds()
        self._tls = tls

    async def check(self, url: str) -> None:
        """Raises URL_REFUSED for a URL that nothing would be sent to. A host that does not resolve now may later."""
        target = target_of(url, loopback_allowed=self._loopback_allowed)
        try:
            await self._addresses(target)
        except AddressRefused as error:
            raise url_refused(str(error)) from error
        except (OSError, TimeoutError):
            return

    @asynccontextmanager
    async def connection(self, url: str) -> AsyncGenerator["Connection"]:
        """For several requests to one endpoint, one after the other. A connection is never shared between endpoints."""
        if self._tls is None:
            self._tls = httpx.create_ssl_context(trust_env=False)
        async with httpx.AsyncClient(
            verify=self._tls,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(self._timeout_seconds, connect=_CONNECTION_TIMEOUT.total_seconds()),
            limits=httpx.Limits(max_connections=1),
        ) as client:
            yield Connection(self, client, url)

    async def post(self, client: httpx.AsyncClient, url: str, content: bytes, headers: dict[str, str]) -> Answer:
        """The answer to one request, or why there was none; an address that does not answer is followed by the next one."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                target = target_of(url, loopback_allowed=self._loopback_allowed)
                addresses = await self._addresses(target)
                for address in addresses[:-1]:
                    try:
                        return await _request(client, url, target, address, content, headers)
                    except (httpx.ConnectError, httpx.ConnectTimeout):
                        continue
                return await _request(client, url, target, addresses[-1], content, headers)
        except (TimeoutError, httpx.TimeoutException):
            return Answer(None, "timeout", "")
        except AddressRefused as error:
            return Answer(None, str(error), "")
        except socket.gaierror:
            return Answer(None, "the host does not resolve", "")
        except (httpx.ConnectError, OSError) as error:
            return Answer(None, _reason(error, "connection failed"), "")
        except httpx.HTTPError as error:
            return Answer(None, f"no HTTP answer: {type(error).__name__}", "")

    async def _addresses(self, target: Target) -> list[str]:
        """Where the host is now. One address that is refused refuses all: a name is either public or it is not.

        Raises AddressRefused, OSError and TimeoutError.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_RESOLVE_TIMEOUT.total_seconds()):
            found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
        for text in addresses:
            refusal = refusal_of_address(target, ipaddress.ip_address(text), loopback_allowed=self._loopback_allowed)
            if refusal is not None:
                raise AddressRefused(refusal)
        return addresses[:_ADDRESSES_MAX]


class Connection:
    """Requests to one endpoint over one connection that is kept open between them."""

    def __init__(self, sender: Sender, client: httpx.AsyncClient, url: str) -> None:
        self._sender = sender
        self._client = client
        self._url = url

    async def send(self, event: Event, *, org_slug: str, secrets: Sequence[str], machine_now: datetime) -> Answer:
        """Send an event, signed with each of the secrets. Never raises for what the receiver does."""
        text = body_of(event, org_slug)
        message_id = str(event.event_id)
        signatures = [Webhook(secret).sign(message_id, machine_now, text) for secret in secrets]
        headers = {
            "content-type": "application/json",
            "user-agent": _USER_AGENT,
            "webhook-id": message_id,
            "webhook-timestamp": str(int(machine_now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }
        return await self._sender.post(self._client, self._url, text.encode(), headers)


def body_of(event: Event, org_slug: str) -> str:
    """The JSON text that is sent; the same event has the same one at every attempt."""
    content = {
        "type": event.type,
        "timestamp": rfc3339(event.created_at),
        "id": names.child("events", org_slug, str(event.event_id)),
        "sequence": event.seq,
        "organization": names.organization(org_slug),
        "subject": event.subject,
        "data": published(event.data),
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=False)


async def _request(
    client: httpx.AsyncClient, url: str, target: Target, address: str, content: bytes, headers: dict[str, str]
) -> Answer:
    """Connect to the very address that was checked; the name goes into `Host`, and into TLS to be verified."""
    named = httpx.URL(url)
    request = client.build_request(
        "POST",
        named.copy_with(host=address),
        content=content,
        headers={**headers, "host": named.netloc.decode("ascii"), "accept-encoding": "identity"},
        extensions={"sni_hostname": target.host},
    )
    response = await client.send(request, stream=True)
    try:
        start = await _start_of(response)
        return Answer(response.status_code, _status_text(response.status_code), snippet_of(start))
    finally:
        await response.aclose()


async def _start_of(response: httpx.Response) -> bytes:
    """The first bytes of the body that come within a second: the status has told already what counts."""
    start = b""
    try:
        async with asyncio.timeout(_SNIPPET_TIMEOUT.total_seconds()):
            async for chunk in response.aiter_raw(SNIPPET_BYTES):
                start += chunk
                if len(start) >= SNIPPET_BYTES:
                    break
    except (TimeoutError, httpx.HTTPError):
        return start
    return start


def _status_text(status: int) -> str:
    if 200 <= status < 300:
        return ""
    return "redirects are not followed" if 300 <= status < 400 else f"status {status}"


def _reason(error: Exception, text: str) -> str:
    """With what TLS says of a certificate, which its owner has to know; nothing else of the machine's words."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"{text}: {seen.verify_message}"
        seen = seen.__cause__ or seen.__context__
    return text
