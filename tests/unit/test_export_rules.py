"""Names of exported files, and which events a selection means."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_service.exports import rules
from wallet_service.exports.model import ExportFormat, Selection
from wallet_service.exports.statements import condition
from wallet_service.files.rules import check_key

TIMES = st.none() | st.datetimes(timezones=st.just(UTC))


@given(st.uuids(), st.uuids(), st.sampled_from(ExportFormat))
def test_a_file_lies_below_its_organization_under_a_key_that_every_store_takes(
    org_id: UUID, export_id: UUID, export_format: ExportFormat
) -> None:
    key = rules.object_key(org_id, export_id, export_format)
    assert check_key(key) == key
    assert key.startswith(f"exports/{org_id}/")


@pytest.mark.parametrize("ours", rules.SERVICE_CATEGORIES)
def test_every_category_is_one_of_focus_with_a_part_of_it(ours: str) -> None:
    category, part = rules.SERVICE_CATEGORIES[ours]
    assert category in rules.FOCUS_CATEGORIES
    assert part == f"Other ({category})" or "(" not in part


def test_a_file_is_named_after_whose_and_which_days_it_is() -> None:
    start, end = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
    bounded = Selection(UUID(int=1), None, "", start, end)
    assert rules.file_name("my-org", bounded, ExportFormat.FOCUS, now=end) == "focus-my-org-20260201-20260301.csv"
    open_ended = Selection(UUID(int=1), None, "", None, None)
    assert rules.file_name("a", open_ended, ExportFormat.PARQUET, now=end) == "usage-a-begin-20260301.parquet"


@given(st.uuids(), st.none() | st.uuids(), st.text(max_size=5), TIMES, TIMES)
def test_every_argument_has_its_place_and_the_organization_comes_first(
    org_id: UUID, project_id: UUID | None, prefix: str, start: datetime | None, end: datetime | None
) -> None:
    where, args = condition(Selection(org_id, project_id, prefix, start, end))
    assert args[0] == org_id
    assert [number for number in range(1, 9) if f"${number}" in where] == list(range(1, len(args) + 1))
    assert len(args) == 1 + sum(value not in (None, "") for value in (project_id, prefix, start, end))
