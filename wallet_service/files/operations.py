"""Handing out links to files, and following them."""

from collections.abc import AsyncIterator, Callable
from uuid import UUID

from wallet_service.clock import Clock
from wallet_service.files.object_store import FileStore, StoredFile
from wallet_service.files.rules import LINK_LASTS, ByteRange, Link, LinkRefused, SignedLink, check, sign


class Downloads:
    """Links live one hour of real time, whatever time an organization lives in."""

    def __init__(self, files: FileStore, clock: Clock, *, secret: Callable[[], bytes], base_url: str) -> None:
        """`clock`: of this machine. `base_url`: without a slash at its end."""
        self._files = files
        self._clock = clock
        self._secret = secret
        self._base_url = base_url

    def link(self, org_id: UUID, key: str, *, file_name: str, content_type: str) -> SignedLink:
        """A new link to the object under `key`. Whether the caller may have it is the caller's to know."""
        expires_at = (self._clock.now() + LINK_LASTS).replace(microsecond=0)
        path = sign(Link(key, file_name, content_type, org_id, expires_at), self._secret())
        return SignedLink(f"{self._base_url}/downloads/{path}", expires_at)

    async def follow(self, token: str, file_name: str) -> tuple[Link, StoredFile]:
        """What a link leads to. Raises LinkRefused, also when the file is no longer there."""
        link = check(token, file_name, self._secret(), now=self._clock.now())
        found = await self._files.find(link.key)
        if found is None:
            raise LinkRefused
        return link, found

    def read(self, file: StoredFile, part: ByteRange) -> AsyncIterator[bytes]:
        """Bytes of a part that is not empty."""
        return self._files.read(file.key, part)
