"""Download links: what is signed comes back, nothing else does; ranges as RFC 9110 has them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_service.files.rules import (
    ByteRange,
    Link,
    LinkRefused,
    RangeNotSatisfiable,
    check,
    check_key,
    content_disposition,
    read_range,
    sign,
)

SECRET = b"s" * 32
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LINK = Link("invoices/a/b.pdf", "statement 3 é.pdf", "application/pdf", UUID(int=7), NOW + timedelta(hours=1))


def token_of(link: Link) -> str:
    return sign(link, SECRET).partition("/")[0]


def test_a_link_comes_back_until_its_second_of_expiry() -> None:
    token = token_of(LINK)
    assert check(token, LINK.file_name, SECRET, now=LINK.expires_at - timedelta(microseconds=1)) == LINK
    with pytest.raises(LinkRefused):
        check(token, LINK.file_name, SECRET, now=LINK.expires_at)


@given(st.data())
def test_one_changed_character_anywhere_is_refused(data: st.DataObject) -> None:
    token = token_of(LINK)
    index = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(min_codepoint=33, max_codepoint=126).filter(lambda c: c != token[index]))
    with pytest.raises(LinkRefused):
        check(token[:index] + other + token[index + 1 :], LINK.file_name, SECRET, now=NOW)


@given(st.text(max_size=300), st.text(max_size=20))
def test_no_text_is_a_link(token: str, name: str) -> None:
    with pytest.raises(LinkRefused):
        check(token, name, SECRET, now=NOW)


def test_another_name_or_secret_is_refused() -> None:
    for name, secret in (("other.pdf", SECRET), (LINK.file_name, b"t" * 32)):
        with pytest.raises(LinkRefused):
            check(token_of(LINK), name, secret, now=NOW)


@pytest.mark.parametrize("key", ["", "/a", "../a", "a/../b", "a//b", "a b", "a\n", "x" * 256, "A"])
def test_a_key_that_could_leave_its_folder_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="no key of a file"):
        check_key(key)


@pytest.mark.parametrize(
    ("header", "size", "expected"),
    [
        (None, 10, None),
        ("bytes=0-3", 10, ByteRange(0, 4)),
        ("bytes=4-", 10, ByteRange(4, 10)),
        ("bytes=-3", 10, ByteRange(7, 10)),
        ("bytes=-30", 10, ByteRange(0, 10)),
        ("bytes=5-99", 10, ByteRange(5, 10)),
        ("bytes=0-1,4-5", 10, None),
        ("bytes=5-2", 10, None),
        ("bytes=-", 10, None),
        ("lines=0-3", 10, None),
    ],
)
def test_ranges(header: str | None, size: int, expected: ByteRange | None) -> None:
    assert read_range(header, size) == expected


@pytest.mark.parametrize(("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-0", 0), ("bytes=-5", 0)])
def test_a_range_outside_the_file_is_refused(header: str, size: int) -> None:
    with pytest.raises(RangeNotSatisfiable):
        read_range(header, size)


@given(st.integers(0, 50), st.integers(0, 60), st.integers(0, 60))
def test_a_range_lies_in_the_file_and_holds_a_byte(size: int, first: int, last: int) -> None:
    try:
        part = read_range(f"bytes={first}-{last}", size)
    except RangeNotSatisfiable:
        assert first >= size
        return
    assert part is None or 0 <= part.start < part.end <= size


def test_names_of_any_script_travel_as_rfc_6266_has_them() -> None:
    assert content_disposition("usage.csv") == 'attachment; filename="usage.csv"'
    assert content_disposition('a"\r\né.pdf') == (
        "attachment; filename=\"a____.pdf\"; filename*=UTF-8''a%22%0D%0A%C3%A9.pdf"
    )
