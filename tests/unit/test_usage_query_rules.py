"""The range of a usage query, cut into whole hours and the rest; buckets; page positions."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from wallet_service.usage.query_rules import Bucket, Dimension, bucket_end, bucket_start, cut, in_order

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
times = st.one_of(
    st.integers(0, 200).map(lambda n: EPOCH + n * HOUR),
    st.integers(0, 200 * 3_600_000_000).map(lambda n: EPOCH + timedelta(microseconds=n)),
)


@given(times, times)
def test_the_parts_are_the_range_and_disjoint(start: datetime, end: datetime) -> None:
    parts = cut(start, end)
    spans = sorted([*parts.rest, *([parts.hours] if parts.hours else [])], key=lambda span: span.end)
    if start >= end:
        assert spans == []
        return
    assert spans[0].start == start
    assert spans[-1].end == end
    for before, after in pairwise(spans):
        assert before.end == after.start
    for span in spans:
        assert span.start is not None
        assert span.start < span.end
    for span in parts.rest:
        assert span.start is not None
        assert span.end - span.start < 2 * HOUR
    if parts.hours:
        assert parts.hours.start is not None
        assert {parts.hours.start.minute, parts.hours.end.minute} == {0}
        assert {parts.hours.start.microsecond, parts.hours.end.microsecond} == {0}


@given(times)
def test_without_a_start_the_hours_have_none(end: datetime) -> None:
    parts = cut(None, end)
    assert parts.hours is not None
    assert parts.hours.start is None
    assert parts.hours.end <= end < parts.hours.end + HOUR
    assert [span.end for span in parts.rest] == ([end] if parts.hours.end < end else [])


@given(times, st.sampled_from(Bucket))
def test_a_bucket_is_half_open_and_holds_its_times(at: datetime, bucket: Bucket) -> None:
    start = bucket_start(bucket, at)
    end = bucket_end(bucket, start)
    assert start <= at < end
    assert bucket_start(bucket, start) == start
    assert bucket_start(bucket, end) == end


def test_months_have_their_own_lengths() -> None:
    for month, days in ((1, 31), (2, 29), (4, 30), (12, 31)):
        start = datetime(2024, month, 1, tzinfo=UTC)
        assert bucket_end(Bucket.MONTH, start) - start == timedelta(days=days)


def test_dimensions_are_ordered_and_distinct() -> None:
    assert in_order([Dimension.METER, Dimension.CATEGORY, Dimension.METER]) == (Dimension.CATEGORY, Dimension.METER)
