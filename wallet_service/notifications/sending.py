"""Sending messages through Apprise: which addresses are served, and one attempt within a deadline."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import quote, urlsplit

import structlog
from apprise import Apprise, AppriseAsset, NotifyFormat, PersistentStoreMode

from wallet_service.notifications.model import Message
from wallet_service.notifications.rules import is_email, scheme_of

CHAT_SCHEMES: Final = frozenset({"discord", "gchat", "pover", "slack", "tgram", "webex", "workflows", "wxteams"})
"""Services whose host is fixed by the library, and `workflows`, whose host is checked here: no address names a server."""

LOCAL_SCHEMES: Final = frozenset({"json", "jsons"})
"""Any host over HTTP: for development and tests."""

_WORKFLOW_HOSTS: Final = (".logic.azure.com", ".api.powerplatform.com")
_ANY_RELAY: Final = "mailto://localhost?from=wallet@example.com"
_SERVICE_SECONDS: Final = 15
_DEADLINE_SECONDS: Final = 20
_THREADS_MAX: Final = 4
_log: Final = structlog.get_logger("wallet.notifications")


class Courier:
    """Hands messages to mail and chat services. Apprise blocks, so it runs in threads of its own."""

    def __init__(self, *, mail_relay: str | None, is_live: bool) -> None:
        """`mail_relay`: an Apprise `mailto://` or `mailtos://` URL of an SMTP server, without recipient.

        Outside of live, mail without a relay is written to the log, and the local schemes are served.
        """
        self._mail_relay = mail_relay
        self._is_live = is_live
        self._schemes = CHAT_SCHEMES if is_live else CHAT_SCHEMES | LOCAL_SCHEMES
        self._asset = AppriseAsset(
            app_id="Wallet",
            app_desc="Wallet notifications",
            secure_logging=True,
            allow_templates=False,
            storage_mode=PersistentStoreMode.MEMORY,
        )
        self._threads = ThreadPoolExecutor(_THREADS_MAX, thread_name_prefix="notifications")
        # What these say of a failure may hold the address.
        for name in ("apprise", "urllib3"):
            logging.getLogger(name).setLevel(logging.CRITICAL)

    def refusal(self, address: str) -> str | None:
        """Why nothing can be sent to an address, in words that end a sentence about it; None when it can."""
        if is_email(address):
            if self._is_live and self._mail_relay is None:
                return "email is not set up in this service"
            return None if self._reaches(address) else "is an email address that this service cannot write to"
        scheme = scheme_of(address)
        if scheme not in self._schemes:
            return f"must be an email address or a URL of {', '.join(sorted(self._schemes))}"
        if "?" in address:
            return "must have no parameters"
        if scheme == "workflows" and not _is_workflow_host(address):
            return "must name a host of Power Automate"
        return None if self._understands(address) else f"is not a complete {scheme} URL"

    async def send(self, address: str, message: Message) -> str | None:
        """One attempt, at most 20 seconds; why it failed, without the address, or None when it was taken."""
        url = address
        if is_email(address):
            if self._mail_relay is None and not self._is_live:
                _log.info("notification_mail", to=address, title=message.title, body=message.body)
                return None
            if self._mail_relay is None or not self._reaches(address):
                return "email is not set up for this address"
            url = _recipient_added(self._mail_relay, address)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                return await loop.run_in_executor(self._threads, self._notify, url, message)
        except TimeoutError:
            return "no answer in time"

    async def aclose(self) -> None:
        """Take nothing new; what is being sent ends by its own deadlines."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _reaches(self, address: str) -> bool:
        """Whether the mail library reads the address as itself: it has rules of its own, and may read another one."""
        url = _recipient_added(self._mail_relay or _ANY_RELAY, address)
        service: Any = Apprise.instantiate(url, asset=self._asset)  # pyright: ignore[reportUnknownMemberType]
        return service is not None and [recipient for _, recipient in service.targets] == [address]

    def _understands(self, address: str) -> bool:
        understood = Apprise.instantiate(address, asset=self._asset)  # pyright: ignore[reportUnknownMemberType]
        return understood is not None

    def _notify(self, url: str, message: Message) -> str | None:
        try:
            service = Apprise(asset=self._asset)
            if not service.add(url):  # pyright: ignore[reportUnknownMemberType]
                return "the address is not understood"
            taken = service.notify(  # pyright: ignore[reportUnknownMemberType]
                body=message.body, title=message.title, body_format=NotifyFormat.TEXT, timeout=_SERVICE_SECONDS
            )
        except Exception as error:
            # A library of a hundred services: whatever it raises, the message was not taken.
            return f"failed with {type(error).__name__}"
        return None if taken else "was not taken by the service"


def _recipient_added(relay: str, address: str) -> str:
    return f"{relay}{'&' if '?' in relay else '?'}to={quote(address, safe='')}"


def _is_workflow_host(address: str) -> bool:
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return False
    return host.endswith(_WORKFLOW_HOSTS)
