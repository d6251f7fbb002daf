"""Every statement of the service can run on tables distributed by organization, or is allowed with a reason.

Twice: as the server's log shows them while a whole service is played, and, for what no play reaches, as they are written.
"""

import ast
import asyncio
import re
import tempfile
from collections.abc import Iterator
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
SCALING = ROOT / "docs" / "scaling.md"

_FIRST_WORDS = ("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH ")
_NAMED_VALUE = re.compile(r"(?<![:\w]):[a-z_]\w*")


def written() -> Iterator[str]:
    """Statements that stand whole in the source; those that are put together are seen when they are sent."""
    for package in ("ledger", "wallet_service"):
        for path in (ROOT / package).rglob("*.py"):
            if "migrations" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and "{" not in node.value:
                    text = node.value.strip()
                    if text.startswith(_FIRST_WORDS) and is_whole(text):
                        yield text


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
        for fault in faults(statement, TABLES)
        if not covering(statement, fault)
    }
    assert sorted(not_allowed) == []


def test_every_exception_is_still_of_use(played: set[str]):
    used = {
        entry
        for statement in (*played, *written())
        for fault in faults(_NAMED_VALUE.sub("$1", statement), TABLES)
        for entry in covering(statement, fault)
    }
    assert [entry for entry in ALLOWED if entry not in used] == []


def test_every_statement_that_is_written_keeps_the_rules_or_is_allowed():
    statements = set(written())
    assert len(statements) > 60
    not_allowed = {
        f"{fault}: {single_spaced(statement)}"
        for statement in statements
        for fault in faults(_NAMED_VALUE.sub("$1", statement), TABLES)
        if not covering(statement, fault)
    }
    assert sorted(not_allowed) == []


@pytest.mark.parametrize("entry", [entry for entry in ALLOWED if "/" in entry.where], ids=lambda entry: entry.where)
def test_an_exception_says_where_its_statement_is(entry: Allowed):
    assert (ROOT / entry.where).is_file()


def test_what_stands_in_the_way_of_a_cluster_is_in_the_document():
    text = SCALING.read_text()
    assert [entry.where for entry in ALLOWED if entry.is_obstacle and f"`{entry.where}`" not in text] == []
