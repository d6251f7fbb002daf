"""What a whole service sends to its database while every RPC is called and all that runs by itself runs.

The server logs every statement of every process, however the driver sent it. The log is read as CSV, so that a statement of
many lines is one field.
"""

import asyncio
import csv
import re
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import grpc
from pydantic import SecretStr

from tests.clients.serve import facts_of, moments
from tests.clients.table import CALLS, fewer_refusals, run
from tests.clients.test_python_clients import GrpcioClient
from wallet_service.accounts.operations import DEVELOPMENT_ORGANIZATION
from wallet_service.catalog.files import read_catalog
from wallet_service.cli.dev import SAMPLE_CATALOG
from wallet_service.development import Instance, private_settings, running
from wallet_service.embedded_postgres import EmbeddedPostgres
from wallet_service.service import Service

LOGGED = {
    "logging_collector": "on",
    "log_destination": "csvlog",
    "log_directory": "statements",
    "log_filename": "statements.log",
    "log_rotation_age": "0",
    "log_rotation_size": "0",
    "log_statement": "all",
}
"""Settings of a server that notes all statements in one file."""

APPLICATIONS = frozenset({"wallet", "wallet-worker"})
"""How the service's connections call themselves; those of migrations and of tests do not."""

_MESSAGE, _APPLICATION = 13, 22
_STATEMENT = re.compile(r"(?:statement|execute [^:]*): (.*)", re.DOTALL)


class _Strict:
    """Takes the place of subtests: the first step that is not answered as expected ends the play."""

    def test(self, name: str) -> AbstractContextManager[None]:
        return nullcontext()


async def play(folder: Path, binaries: Path) -> set[str]:
    """The statements of a service that does all it can, each text once. Use it from the main thread."""
    with EmbeddedPostgres(folder / "server", binaries, durable=False, options=LOGGED) as info:
        settings = private_settings(folder).model_copy(update={"database_url": SecretStr(info.url)})
        async with running(settings, read_catalog(SAMPLE_CATALOG)) as instance:
            await asyncio.to_thread(_call, instance)
            await _work(instance.service)
    # The server has ended, so its log is complete.
    return logged(folder)


def _call(instance: Instance) -> None:
    """Every good call of the table and each kind of refusal; downloads are files and ask the database nothing."""
    facts = {**facts_of(instance), **moments(Service.system_clock.now())}
    with grpc.insecure_channel(facts["target"]) as channel:
        run(
            GrpcioClient(channel), facts, _Strict(), steps=[step for step in fewer_refusals(CALLS) if "get" not in step]
        )


async def _work(service: Service) -> None:
    """What a worker does at its times, and the audits of a person."""
    for schedule in service.schedules():
        await schedule.work()
    org_id = await service.directory.resolve_organization(DEVELOPMENT_ORGANIZATION)
    for audited in (None, org_id):
        assert (await service.audit.verify(audited)).ok


def logged(folder: Path) -> set[str]:
    """The statements in the log of the server under `folder` that the service sent."""
    (log,) = folder.glob("**/statements.csv")
    csv.field_size_limit(2**31 - 1)
    with log.open(newline="") as lines:
        found = (_STATEMENT.fullmatch(row[_MESSAGE]) for row in csv.reader(lines) if row[_APPLICATION] in APPLICATIONS)
        return {statement[1] for statement in found if statement is not None}
