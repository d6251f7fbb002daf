"""The secret that signs links: a setting, or one that is made once and kept beside the data."""

import os
import secrets
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

_FILE_NAME: Final = "download-secret"
_SECRET_BYTES: Final = 32


def link_secret(setting: str | None, *, data_dir: Path) -> Callable[[], bytes]:
    """Gives the secret when it is first needed.

    Without a setting it is read from `data_dir`, where the first process that needs it has left it; so all processes of
    one machine agree. Services on several machines have to share a setting.
    """

    @cache
    def secret() -> bytes:
        return setting.encode() if setting else _kept(data_dir / _FILE_NAME)

    return secret


def _kept(path: Path) -> bytes:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(_SECRET_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link to a complete file: another process sees all of it or nothing, and the first one wins.
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return path.read_bytes()
