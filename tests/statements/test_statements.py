"""Every statement of the service can run on tables distributed by organization, or is allowed with a reason.

Twice: as the server's log shows them while a whole service is played, and, for what no play reaches, as they are written.
"""

import ast
import asyncio
import re
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.statements.allowed import ALLOWED, Allowed
from tests.statements.played_statements import play
from tests.statements.syntax_tree import parsed
from tests.statements.tenant_rules import Tables, faults
from wallet_service.distribution.schema import declared_tables
from wallet_service.embedded_postgres import Binaries

ROOT = Path(__file__).parents[2]
TABLES = Tables.of(declared_tables())

_FIRST_WORDS = ("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH ")
_NAMED_VALUE = re.compile(r"(?<![:\w]):[a-z_]\w*")


def sources() -> list[Path]:
    """What a running service is made of."""
    found = [path for package in ("ledger", "wallet_service") for path in (ROOT / package).rglob("*.py")]
    return [path for path in found if "migrations" not in path.parts]


@cache
def written() -> frozenset[str]:
    """Statements that stand whole in the source; those that are put together are seen when they are sent."""
    found: set[str] = set()
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "{" not in node.value:
                text = node.value.strip()
                if text.startswith(_FIRST_WORDS) and is_whole(text):
                    found.add(_NAMED_VALUE.sub("$1", text))
    return frozenset(found)


@cache
def found_in(statement: str) -> frozenset[str]:
    return frozenset(faults(statement, TABLES))


def is_whole(text: str) -> bool:
    try:
        parsed(_NAMED_VALUE.sub("$1", text))
    except ValueError:
        return False
    return True


def single_spaced(statement: str) -> str:
    return " ".join(statement.split())


def covering(statement: str, fault: str) -> list[Allowed]:
    return [entry for entry in ALLOWED if entry.covers(single_spaced(statement), fault)]


@pytest.fixture(scope="module")
def played(postgres_binaries: Binaries) -> Iterator[set[str]]:
    """What was sent while everything was called and done."""
    with tempfile.TemporaryDirectory(prefix="wallet-statements-", ignore_cleanup_errors=True) as folder:
        yield asyncio.run(play(Path(folder), postgres_binaries.bin_dir))


def test_every_statement_that_is_sent_keeps_the_rules_or_is_allowed(played: set[str]):
    assert len(played) > 300
    not_allowed = {
        f"{fault}: {single_spaced(statement)}"
        for statement in played
        for fault in found_in(statement)
        if not covering(statement, fault)
    }
    assert sorted(not_allowed) == []


def test_every_exception_is_still_of_use(played: set[str]):
    used = {
        entry
        for statement in (*played, *written())
        for fault in found_in(statement)
        for entry in covering(statement, fault)
    }
    assert [entry for entry in ALLOWED if entry not in used] == []


def test_every_statement_that_is_written_keeps_the_rules_or_is_allowed():
    assert len(written()) > 60
    not_allowed = {
        f"{fault}: {single_spaced(statement)}"
        for statement in written()
        for fault in found_in(statement)
        if not covering(statement, fault)
    }
    assert sorted(not_allowed) == []


@pytest.mark.parametrize("entry", [entry for entry in ALLOWED if "/" in entry.where], ids=lambda entry: entry.where)
def test_an_exception_says_where_its_statement_is(entry: Allowed):
    assert (ROOT / entry.where).is_file()


def test_nobody_asks_which_constraint_refused():
    """Citus does not tell: conflicts are told by ON CONFLICT and the number of rows."""
    asked = {"constraint_name", "UniqueViolationError", "IntegrityError", "ForeignKeyViolationError"}
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (getattr(node, "attr", None), getattr(node, "id", None))
        if name in asked
    ]
    assert found == []
