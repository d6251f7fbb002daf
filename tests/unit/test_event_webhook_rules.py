"""Which URLs and addresses are sent to, which events an endpoint gets, and when what failed is tried again."""

import ipaddress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_service.errors import Reason, ServiceError
from wallet_service.event_webhooks.rules import (
    JITTER_PERMILLE_MAX,
    RETRY_DELAYS,
    Target,
    is_public,
    refusal_of_address,
    retry_delay,
    snippet_of,
    target_of,
)
from wallet_service.events.model import EventType
from wallet_service.events.rules import matches_type, published, split_filter

HTTPS = Target("https", "example.com", 443)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://example.com", Target("https", "example.com", 443)),
        ("https://hooks.example.com:8443/a/b?c=d&e=%20", Target("https", "hooks.example.com", 8443)),
        ("https://[2606:4700::1111]/x", Target("https", "2606:4700::1111", 443)),
        ("https://xn--bcher-kva.example/", Target("https", "xn--bcher-kva.example", 443)),
        ("https://8.8.8.8?x", Target("https", "8.8.8.8", 443)),
    ],
)
def test_urls_that_are_taken(url: str, target: Target):
    assert target_of(url, loopback_allowed=False) == target


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://user@example.com/",
        "https://user:secret@example.com/",
        "https://example.com@10.0.0.1/",
        "https://example.com\\@10.0.0.1/",
        "https://example.com/#fragment",
        "https://bücher.example/",
        "https://example.com:0/",
        "https://example.com:65536/",
        "https://example.com:/",
        "https:///path",
        "https://",
        "//example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "https://example.com/a b",
        "https://example.com/\r\nHost: other",
        "https://example.com/\n",
        "https://[::1%25eth0]/",
        "https://-example.com/",
        "HTTPS//example.com",
        " https://example.com/",
    ],
)
def test_urls_that_are_refused(url: str):
    with pytest.raises(ServiceError) as caught:
        target_of(url, loopback_allowed=False)
    assert caught.value.reason is Reason.URL_REFUSED


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "203.0.113.9",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:a00:1::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_addresses_that_are_not_public(address: str):
    assert not is_public(ipaddress.ip_address(address))
    assert refusal_of_address(HTTPS, ipaddress.ip_address(address), loopback_allowed=False) is not None


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::8a"])
def test_addresses_that_are_public(address: str):
    assert refusal_of_address(HTTPS, ipaddress.ip_address(address), loopback_allowed=False) is None


@given(st.ip_addresses())
def test_nothing_private_is_ever_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address):
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        assert not is_public(address)


def test_loopback_is_allowed_in_development_only_and_nothing_else_is():
    loopback, private = ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("10.0.0.1")
    plain = target_of("http://localhost:9000/", loopback_allowed=True)
    assert refusal_of_address(plain, loopback, loopback_allowed=True) is None
    assert refusal_of_address(plain, private, loopback_allowed=True) is not None
    assert refusal_of_address(plain, ipaddress.ip_address("8.8.8.8"), loopback_allowed=True) is not None
    assert refusal_of_address(HTTPS, ipaddress.ip_address("8.8.8.8"), loopback_allowed=True) is None


@pytest.mark.parametrize(
    ("wanted", "event_type", "passes"),
    [
        ([], "wallet.created", True),
        (["wallet.created"], "wallet.created", True),
        (["wallet.created"], "wallet.closed", False),
        (["wallet.*"], "wallet.topup.created", True),
        (["wallet.topup.*"], "wallet.topup.created", True),
        (["wallet.topup.*"], "wallet.created", False),
        (["wall.*"], "wallet.created", False),
        (["invoice.finalized", "dispute.*"], "dispute.won", True),
    ],
)
def test_filters(wanted: list[str], event_type: str, passes: bool):
    assert matches_type(event_type, wanted) is passes


@given(st.lists(st.sampled_from([each.value for each in EventType] + ["wallet.*", "dispute.*", "wallet.topup.*"])))
def test_the_query_and_the_rule_agree(wanted: list[str]):
    exact, prefixes = split_filter(wanted)
    for each in EventType:
        queried = each.value in exact or each.value.startswith(tuple(prefixes)) if wanted else True
        assert queried is matches_type(each.value, wanted)


@given(st.integers(1, len(RETRY_DELAYS)), st.integers(0, JITTER_PERMILLE_MAX))
def test_pauses_grow_and_jitter_is_at_most_a_tenth(failure_count: int, jitter: int):
    delay = retry_delay(failure_count, jitter)
    plain = RETRY_DELAYS[failure_count - 1]
    assert delay is not None
    assert plain <= delay <= plain * 11 / 10
    assert failure_count == 1 or plain >= RETRY_DELAYS[failure_count - 2]


def test_the_pauses_are_three_days_and_then_no_more_follows():
    assert timedelta(hours=71) < sum(RETRY_DELAYS, timedelta(0)) <= timedelta(hours=72)
    assert retry_delay(len(RETRY_DELAYS) + 1, 0) is None


@given(st.binary(max_size=600))
def test_a_snippet_can_be_stored(body: bytes):
    text = snippet_of(body)
    assert "\0" not in text
    assert len(text) <= 256
    assert text.encode("utf-8").decode("utf-8") == text


def test_large_integers_leave_as_text():
    facts = {"a": 2**53, "b": 2**53 + 1, "c": -(2**60), "d": True, "e": None, "f": "x"}
    assert published(facts) == {"a": 2**53, "b": str(2**53 + 1), "c": str(-(2**60)), "d": True, "e": None, "f": "x"}
