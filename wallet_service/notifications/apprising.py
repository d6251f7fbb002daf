"""The calls of Apprise. It takes a third of a second to load and blocks, so that `sending` loads it late and in a thread."""

from typing import Any, Final

from apprise import Apprise, AppriseAsset, NotifyFormat, PersistentStoreMode

from wallet_service.notifications.model import Message

_SERVICE_SECONDS: Final = 15
_ASSET: Final = AppriseAsset(
    app_id="Wallet",
    app_desc="Wallet notifications",
    secure_logging=True,
    allow_templates=False,
    storage_mode=PersistentStoreMode.MEMORY,
)


def is_understood(url: str) -> bool:
    """Whether the URL is complete."""
    return _service(url) is not None


def recipients(url: str) -> list[str]:
    """To whom mail to a URL would go; nobody for one that is not understood."""
    service = _service(url)
    return [] if service is None else [recipient for _, recipient in service.targets]


def notify(url: str, message: Message) -> str | None:
    """One attempt of at most 15 seconds; why it failed, without the URL, or None when the message was taken."""
    try:
        service = Apprise(asset=_ASSET)
        if not service.add(url):  # pyright: ignore[reportUnknownMemberType]
            return "the address is not understood"
        taken = service.notify(  # pyright: ignore[reportUnknownMemberType]
            body=message.body, title=message.title, body_format=NotifyFormat.TEXT, timeout=_SERVICE_SECONDS
        )
    except Exception as error:
        # A library of a hundred services: whatever it raises, the message was not taken.
        return f"failed with {type(error).__name__}"
    return None if taken else "was not taken by the service"


def _service(url: str) -> Any:
    return Apprise.instantiate(url, asset=_ASSET)  # pyright: ignore[reportUnknownMemberType]
