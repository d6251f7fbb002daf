"""The documents name everything that they promise to list."""

import re
from pathlib import Path

import pytest

from wallet_service.config import Settings
from wallet_service.errors import Reason
from wallet_service.events.model import EventType
from wallet_service.job_queue import JobName

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
WITHOUT_PREFIX = {"DATABASE_URL"}


def rows(document: str) -> list[str]:
    """The lines of the tables of a document."""
    return [line for line in (ROOT / document).read_text().splitlines() if line.startswith("|")]


def first_cells(document: str) -> list[str]:
    """What stands between backquotes in the first cell of each row."""
    return [name for row in rows(document) for name in re.findall(r"`([^`]+)`", row.split("|")[1])]


def test_every_type_of_event_is_in_the_catalogue_once():
    types = [name for name in first_cells("docs/events.md") if name in set(EventType)]
    assert sorted(types) == sorted(EventType)


def test_the_catalogue_names_no_type_that_is_not_written():
    prefixes = {each.value.split(".")[0] for each in EventType}
    named = {name for name in first_cells("docs/events.md") if name.split(".")[0] in prefixes and "." in name}
    assert named == set(EventType)


def test_every_reason_says_what_to_do():
    assert sorted(first_cells("docs/errors.md")) == sorted(Reason)


def test_every_setting_is_in_the_table():
    named = {name for name in first_cells("README.md") if re.fullmatch(r"[A-Z][A-Z_]+", name)}
    assert named == {f"WALLET_{name.upper()}" for name in Settings.model_fields} | WITHOUT_PREFIX


def test_documents_name_no_setting_that_does_not_exist():
    known = {f"WALLET_{name.upper()}" for name in Settings.model_fields} | set(Reason)
    for document in DOCUMENTS:
        named = set(re.findall(r"\bWALLET_[A-Z_]+\b", document.read_text()))
        assert named <= known, f"{document.name}: {named - known}"


def test_every_schedule_and_job_is_among_what_runs_by_itself():
    schedules = set(re.findall(r'Schedule\("([a-z-]+)"', (ROOT / "wallet_service" / "jobs.py").read_text()))
    text = (ROOT / "docs" / "operations.md").read_text()
    missing = [name for name in (*sorted(schedules), *JobName) if f"`{name}`" not in text]
    assert len(schedules) > 5
    assert not missing


def test_every_domain_is_in_the_architecture():
    packages = {path.parent.name for path in (ROOT / "wallet_service").glob("*/__init__.py")}
    text = (ROOT / "ARCHITECTURE.md").read_text()
    missing = {name for name in packages if f"`{name}`" not in text and f"`wallet_service/{name}/`" not in text}
    assert not missing


def test_decisions_are_numbered_without_gaps():
    section = (ROOT / "ARCHITECTURE.md").read_text().split("## Decisions")[1].split("\n## ")[0]
    numbers = [int(number) for number in re.findall(r"^(\d+)\. ", section, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path):
    for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
        if not target.startswith("https://"):
            assert (document.parent / target).exists(), target
