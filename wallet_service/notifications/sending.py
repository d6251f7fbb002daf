"""Sending messages: which addresses are served, and one attempt within a deadline."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar
from urllib.parse import quote, urlsplit

import structlog

from wallet_service.notifications.model import Message
from wallet_service.notifications.rules import is_email, scheme_of

T = TypeVar("T")

CHAT_SCHEMES: Final = frozenset({"discord", "gchat", "pover", "slack", "tgram", "webex", "workflows", "wxteams"})
"""Services whose host is fixed by the library, and `workflows`, whose host is checked here: no address names a server."""

LOCAL_SCHEMES: Final = frozenset({"json", "jsons"})
"""Any host over HTTP: for development and tests."""

_WORKFLOW_HOSTS: Final = (".logic.azure.com", ".api.powerplatform.com")
_ANY_RELAY: Final = "mailto://localhost?from=wallet@example.com"
_DEADLINE_SECONDS: Final = 20
_THREADS_MAX: Final = 4
_log: Final = structlog.get_logger("wallet.notifications")


class Courier:
    """Hands messages to mail and chat services, in threads of its own."""

    def __init__(self, *, mail_relay: str | None, is_live: bool) -> None:
        """`mail_relay`: an Apprise `mailto://` or `mailtos://` URL of an SMTP server, without recipient.

        Outside of live, mail without a relay is written to the log, and the local schemes are served.
        """
        self._mail_relay = mail_relay
        self._is_live = is_live
        self._schemes = CHAT_SCHEMES if is_live else CHAT_SCHEMES | LOCAL_SCHEMES
        self._threads = ThreadPoolExecutor(_THREADS_MAX, thread_name_prefix="notifications")
        # What these say of a failure may hold the address.
        for name in ("apprise", "urllib3"):
            logging.getLogger(name).setLevel(logging.CRITICAL)

    async def refusal(self, address: str) -> str | None:
        """Why nothing can be sent to an address, in words that end a sentence about it; None when it can.

        Sends nothing, but takes a moment: not in a transaction.
        """
        if is_email(address):
            if self._is_live and self._mail_relay is None:
                return "email is not set up in this service"
            reached = await self._in_thread(lambda: self._reaches(address))
            return None if reached else "is an email address that this service cannot write to"
        scheme = scheme_of(address)
        if scheme not in self._schemes:
            return f"must be an email address or a URL of {', '.join(sorted(self._schemes))}"
        if "?" in address:
            return "must have no parameters"
        if scheme == "workflows" and not _is_workflow_host(address):
            return "must name a host of Power Automate"
        return None if await self._in_thread(lambda: _is_complete(address)) else f"is not a complete {scheme} URL"

    async def send(self, address: str, message: Message) -> str | None:
        """One attempt, at most 20 seconds; why it failed, without the address, or None when it was taken."""
        if is_email(address) and self._mail_relay is None and not self._is_live:
            _log.info("notification_mail", to=address, title=message.title, body=message.body)
            return None
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                return await self._in_thread(lambda: self._notify(address, message))
        except TimeoutError:
            return "no answer in time"

    async def aclose(self) -> None:
        """Take nothing new; what is being sent ends by its own deadlines."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _reaches(self, address: str) -> bool:
        """Whether the mail library reads the address as itself: it has rules of its own, and may read another one."""
        from wallet_service.notifications import apprising

        return apprising.recipients(_recipient_added(self._mail_relay or _ANY_RELAY, address)) == [address]

    def _notify(self, address: str, message: Message) -> str | None:
        from wallet_service.notifications import apprising

        if not is_email(address):
            return apprising.notify(address, message)
        if self._mail_relay is None or not self._reaches(address):
            return "email is not set up for this address"
        return apprising.notify(_recipient_added(self._mail_relay, address), message)


def _is_complete(url: str) -> bool:
    from wallet_service.notifications import apprising

    return apprising.is_understood(url)


def _recipient_added(relay: str, address: str) -> str:
    return f"{relay}{'&' if '?' in relay else '?'}to={quote(address, safe='')}"


def _is_workflow_host(address: str) -> bool:
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return False
    return host.endswith(_WORKFLOW_HOSTS)
