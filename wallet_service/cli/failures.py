"""What went wrong, in one line for whoever typed the command."""

import errno
import os
from collections.abc import Iterator
from typing import cast

import asyncpg
from pydantic import ValidationError
from sqlalchemy.exc import ArgumentError, DBAPIError

from wallet_service.db import SERVICE_ROLE, is_connection_lost, sqlstate_of
from wallet_service.distribution.model import DistributionRefused
from wallet_service.embedded_postgres import EmbeddedPostgresError
from wallet_service.errors import ServiceError
from wallet_service.serving.options import ServerFailed

_NO_SCHEMA_STATES = frozenset({"42P01", "42703", "3F000"})
_WORLD_ERRNOS = frozenset(
    {errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENOSPC, errno.EROFS, errno.EADDRINUSE}
)


def explained(error: BaseException) -> str | None:
    """One line about a failure that the caller or the world has caused; None for a defect, which deserves its traceback."""
    lines = [_line(single) for single in _singles(error)]
    told = [line for line in lines if line is not None]
    return "; ".join(dict.fromkeys(told)) if len(told) == len(lines) else None


def _singles(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for part in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _singles(part)
    else:
        yield error


def _line(error: BaseException) -> str | None:
    match error:
        case ServiceError() | EmbeddedPostgresError() | ServerFailed() | DistributionRefused():
            return " ".join(str(error).split())
        case ValidationError():
            return "; ".join(f"{_setting(item['loc'])}: {item['msg']}" for item in error.errors())
        case ArgumentError():
            return "DATABASE_URL is not a URL of a database"
        case DBAPIError() | asyncpg.PostgresError() | asyncpg.InterfaceError() | ConnectionError():
            return _of_database(error)
        case OSError() if error.errno in _WORLD_ERRNOS:
            where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
            return f"{where}{os.strerror(error.errno)}"
        case _:
            return None


def _setting(location: tuple[int | str, ...]) -> str:
    name = str(location[0]) if location else "settings"
    return name if name.isupper() else f"WALLET_{name.upper()}"


def _of_database(error: Exception) -> str | None:
    """A database that cannot be reached or used; None for a statement of ours that is wrong."""
    state = sqlstate_of(error) or ""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = str(cause).splitlines()[0] if str(cause) else type(cause).__name__
    # The first migration also makes the role.
    if state in _NO_SCHEMA_STATES or f'role "{SERVICE_ROLE}" does not exist' in text:
        return "the database does not have the newest schema: run `wallet migrate`"
    # 28: authentication, 3D: no such database, 42501: no permission.
    if is_connection_lost(error) or state.startswith(("28", "3D")) or state == "42501":
        return f"the database cannot be used: {text}"
    return None
