"""Values of every field as hypothesis strategies, from the descriptors that the server itself publishes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from hypothesis import strategies as st

from tests.fuzz.scene import PLACEHOLDERS

CALLERS: Final = ("admin", "admin", "editor", "viewer", "operator", "operator", "other", "none", "wrong")
PROTOCOLS: Final = ("connect+json", "connect+json", "connect+proto", "grpc", "grpc-web", "get")
DEPTH_MAX: Final = 3

_INTEGERS: Final = (
    *(0, 1, -1, 2, 7, 100, 500, 999, 1000, 1001, 100_000_000, 10**15, 10**15 + 1),
    *(2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, 2**64),
)
_FLOATS: Final = (0.0, -0.0, 1.5, -1.5, 1e-308, 1.8e308, float("nan"), float("inf"), float("-inf"))
_TEXTS: Final = (
    *(
        "",
        " ",
        "x",
        "\0",
        "a\0b",
        "\ud800",
        "x\udfffy",
        "\ufeff",
        "\u202e",
        "😀",
        "ß",
        "\x1b[31m",
        "\r\n",
        "%00",
        "%s%n",
    ),
    *("'; DROP TABLE wallets; --", "' OR 1=1 --", "../../../etc/passwd", "${jndi:x}", "{{7*7}}", "<script>", "\\", '"'),
    *("null", "true", "NaN", "Infinity", "0", "-0", "1e400", "1E-400", "0x10", "1" * 5000, "0." + "3" * 5000, "²", "٣"),
    *("a" * 63, "a" * 64, "a" * 255, "a" * 256, "a" * 501, "é" * 250, "\U0010ffff" * 200, "a" * 100_000),
)
_DECIMALS: Final = (
    *("1", "0.25", "-1", "0", "1.5", "0.000000001", "123456789012345678901234567890", "1e3", "+1", " 1", "1_000"),
    *("99999999999999999999999.999999999999", "-0.1", ".5", "5.", "1,5", "1e-30", "sNaN", "-Infinity"),
)
_MOMENTS: Final = (
    *("${day1}", "${day2}", "${day3}", "${long_ago}", "${next_week}", "${in_two_years}"),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.5Z", "0000-01-01T00:00:00Z"),
    *("2026-02-30T00:00:00Z", "2026-01-01T00:00:00+23:59", "2016-12-31T23:59:60Z", "10000-01-01T00:00:00Z", "now", ""),
)
_SPANS: Final = (
    "0s",
    "1s",
    "3600s",
    "-1s",
    "0.000000001s",
    "315576000000s",
    "-315576000000s",
    "315576000001s",
    "1d",
    "s",
)
_SPECIFIC: Final = {
    "currency": ("USD", "EUR", "usd", "XXX", "JPY", "US", "\0SD"),
    "url": ("https://example.com/", "http://127.0.0.1:1/", "file:///etc/passwd", "https://[::1]/", "x"),
    "key": ("k1", "k2", "k3", "deposit", "hold"),
    "id": ("k1", "k2", "k3", "default", "fuzz", "${run}", "${run}-x", "a" * 63, "UPPER", "-"),
    "email": ("a@example.com", "@", "a" * 400 + "@example.com", "mailto://a:b@localhost"),
    "token": (*(f"${{{name}}}" for name in PLACEHOLDERS if name.endswith("_page")), "AAAA", "=", "e30"),
    "code": ("${code}", "${second_code}", "CUSTOMER_PREPAY_LIABILITY", "USAGE_REVENUE", "NOPE"),
    "unit": ("${meter}", "vcpu-hour", "GiB"),
    "time": _MOMENTS,
}
_ODD: Final = (None, True, 0, -1, 1.5, "x", [], {}, [[]], {"a": 1}, [None], "\ud800", 10**30)
_NAMES: Final = tuple(f"${{{name}}}" for name in PLACEHOLDERS)
_SHAPES: Final = (
    *("organizations/${run}", "wallets/${run}", "organizations/${run}/wallets/default", "organizations/my-org"),
    *("organizations/${run}/billing-accounts/default", "billing-accounts/${run}", "${other_org}/wallets/default"),
    *("${other_org}/billing-accounts/default", "${other_org}", "${other_project}", "projects/my-app", "projects/x"),
    *("organizations/nobody/wallets/default", "organizations/${run}/holds/00000000-0000-7000-8000-000000000000"),
    *(
        "organizations/${run}/invoices/x",
        "organizations/${run}/events/not-an-id",
        "organizations/${run}/wallets/default/",
    ),
    *("organizations/${run}/wallets/default\0", "ORGANIZATIONS/${run}", "organizations//wallets/default", "meters/a.b"),
    *("operators/api-keys/00000000-0000-7000-8000-000000000000", "test-clocks/${run}", "campaigns/${run}"),
)


@dataclass(frozen=True)
class Method:
    """An RPC as the server's reflection tells it; `name` is `package.Service/Method`."""

    name: str
    input: Descriptor
    streams: bool
    is_read: bool


@dataclass(frozen=True)
class Shot:
    """A request before names are filled in. `mutations` are done to its bytes: a kind and two numbers from 0 to 1."""

    method: Method
    tree: Any
    protocol: str
    caller: str
    mutations: tuple[tuple[str, float, float], ...] = ()
    content_type: str | None = None

    def __str__(self) -> str:
        tree = repr(self.tree)
        how = f" {self.mutations} {self.content_type or ''}" if self.mutations or self.content_type else ""
        return f"{self.method.name} as {self.caller} by {self.protocol}{how}: {tree[:2000]}"


def published(target: str) -> list[Method]:
    """Every method that the server at host:port publishes and that takes one request."""
    with grpc.insecure_channel(target) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        pool = DescriptorPool(database)
        found: list[Method] = []
        for service in sorted(database.get_services()):
            for method in pool.FindServiceByName(service).methods:
                options = method.GetOptions()
                is_read = options.idempotency_level == options.NO_SIDE_EFFECTS and not method.server_streaming
                if not method.client_streaming:
                    found.append(
                        Method(f"{service}/{method.name}", method.input_type, method.server_streaming, is_read)
                    )
    return found


MUTATIONS: Final = (
    *("truncate", "truncate", "flip", "flip", "insert", "repeat", "zero", "append", "empty", "length", "flag"),
    *("gzip", "not gzip", "deep", "twice", "bad timeout", "no framing", "bad version"),
)
MEGABYTES: Final = ("bomb", "big")
"""Mutations that are work for whoever sends them, too."""
CONTENT_TYPES: Final = (
    *("text/plain", "application/xml", "", "application/json; charset=latin-1", "application/grpc+json"),
    *("application/connect+proto", "application/grpc-web-text", "application/octet-stream", "application/proto", "\t"),
)


def _message(descriptor: Descriptor, depth: int) -> st.SearchStrategy[Any]:
    fields = {field.json_name: of_field(field, depth) for field in descriptor.fields}
    if not fields:
        return st.just({})
    return st.fixed_dictionaries({}, optional=fields)


def of_field(field: FieldDescriptor, depth: int = 0) -> st.SearchStrategy[Any]:
    """Mostly values that the field may have in JSON, some of another kind."""
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        value = _single(field.message_type.fields_by_name["value"], depth + 1)
        good: st.SearchStrategy[Any] = st.dictionaries(st.sampled_from(_TEXTS), value, max_size=3)
    elif field.is_repeated:
        one = _single(field, depth)
        many = st.builds(lambda item, count: [item] * count, one, st.sampled_from((100, 1001)))
        good = st.one_of(*[st.lists(one, max_size=3)] * 6, many)
    else:
        good = _single(field, depth)
    return st.one_of(*[good] * 7, st.sampled_from(_ODD))


def _single(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    kind = field.cpp_type
    if field.message_type is not None:
        return _of_message(field.message_type, depth)
    if field.enum_type is not None:
        return _of_enum(field.enum_type)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return st.one_of(st.sampled_from(_FLOATS), st.floats())
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return _text(field.name)
    integers = st.one_of(st.sampled_from(_INTEGERS), st.integers(-(2**65), 2**65), st.integers(0, 10_000))
    return st.one_of(integers, integers.map(str))


def _of_message(descriptor: Descriptor, depth: int) -> st.SearchStrategy[Any]:
    seconds = st.one_of(st.sampled_from(_INTEGERS), st.integers(0, 2**32))
    parts = st.fixed_dictionaries({"seconds": seconds, "nanos": st.sampled_from(_INTEGERS)})
    if descriptor.full_name == "google.protobuf.Timestamp":
        return st.one_of(st.sampled_from(_MOMENTS), st.sampled_from(_MOMENTS), parts)
    if descriptor.full_name == "google.protobuf.Duration":
        return st.one_of(st.sampled_from(_SPANS), st.sampled_from(_SPANS), parts)
    if descriptor.full_name == "google.protobuf.FieldMask":
        return st.sampled_from(("", "name", "displayName", "nope", "a.b.c", "\ud800", "*"))
    if depth >= DEPTH_MAX:
        return st.just({})
    return _message(descriptor, depth + 1)


def _of_enum(descriptor: EnumDescriptor) -> st.SearchStrategy[Any]:
    names = [value.name for value in descriptor.values]
    return st.one_of(
        st.sampled_from(names), st.sampled_from(names), st.sampled_from((0, 1, 999, -1, 2**31 - 1, "NOPE"))
    )


def _text(name: str) -> st.SearchStrategy[str]:
    general = st.one_of(st.sampled_from(_TEXTS), st.text(max_size=50))
    last = name.rpartition("_")[2]
    if last in ("name", "names", "prefix", "parent"):
        return st.one_of(st.sampled_from(_NAMES), st.sampled_from(_SHAPES), st.sampled_from(_SHAPES), general)
    if last in ("quantity", "price", "decimal", "amount"):
        return st.one_of(st.sampled_from(_DECIMALS), st.sampled_from(_DECIMALS), general)
    known: Mapping[str, tuple[str, ...]] = _SPECIFIC
    if last in known:
        return st.one_of(st.sampled_from(known[last]), st.sampled_from(known[last]), general)
    return general
