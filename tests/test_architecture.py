"""Rules of the code's shape that linters do not know, read from the source.

Who may import what is in pyproject.toml ([tool.importlinter]); here is what it cannot say.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from wallet_api.billing.v1.error_reason_pb import ErrorReason

from wallet_service.errors import Reason

ROOT = Path(__file__).parents[1]
PACKAGES = ("ledger", "providers", "wallet_service")
SOURCES = sorted(
    path
    for package in (*PACKAGES, "examples", "bench")
    for path in (ROOT / package).rglob("*.py")
    if "migrations/versions" not in path.as_posix()
)
DOMAINS = sorted(path.parent.name for path in (ROOT / "wallet_service").glob("*/store.py"))

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
BANNED_NAMES = {"utils", "util", "common", "helpers", "helper", "base", "manager", "managers", "misc"}

FLOATS_OF_TIME = {
    "wallet_service/serving",
    "wallet_service/rpc",
    "wallet_service/embedded_postgres",
    "wallet_service/cli",
    "providers/simulators",
    "bench",
    "examples",
}
"""Where seconds are floats, and no money is counted."""

FLOATS_ALLOWED = {
    ("ledger/lane.py", "0.005"): "the pause before another attempt",
    ("wallet_service/apikeys/authentication.py", "float"): "the monotonic clock of a cache",
}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported(path: Path) -> Iterator[str]:
    """Every module that is imported, also the submodules in `from package import module`."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def floats(tree: ast.Module) -> Iterator[ast.expr]:
    """Literals with a point or exponent, and the name `float`."""
    for node in ast.walk(tree):
        if (isinstance(node, ast.Constant) and isinstance(node.value, float)) or (
            isinstance(node, ast.Name) and node.id == "float"
        ):
            yield node


def test_there_is_something_to_look_at():
    assert {"accounts", "catalog", "journal", "topups", "usage"} <= set(DOMAINS)
    assert len(SOURCES) > 100


def test_no_domain_reads_another_domains_store():
    found: list[str] = []
    for path in SOURCES:
        # The benchmark puts the bare statements of a store beside the service, as a yardstick.
        if name_of(path).startswith("bench/"):
            continue
        own = path.relative_to(ROOT).parts[1] if path.is_relative_to(ROOT / "wallet_service") else ""
        for module in imported(path):
            parts = module.split(".")
            is_store = len(parts) > 2 and parts[0] == "wallet_service" and parts[1] in DOMAINS and "store" in parts[2]
            if is_store and parts[1] != own:
                found.append(f"{name_of(path)} imports {module}")
    assert found == []


def test_modules_are_short():
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {name: length for name, length in lengths.items() if length > MODULE_LINES_MAX} == {}


def test_functions_are_short():
    found: dict[str, int] = {}
    for path in SOURCES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found[f"{name_of(path)} {node.name}"] = (node.end_lineno or 0) - node.lineno + 1
    assert {name: length for name, length in found.items() if length > FUNCTION_LINES_MAX} == {}


def test_modules_have_names_of_their_own():
    names = {name_of(path): {part.removesuffix(".py") for part in path.relative_to(ROOT).parts} for path in SOURCES}
    assert [name for name, parts in names.items() if parts & BANNED_NAMES] == []


def test_no_float_is_near_money():
    """Floats count seconds here, and only under a name that says so."""
    found = {
        (name_of(path), text)
        for path in SOURCES
        if not any(name_of(path).startswith(f"{place}/") for place in FLOATS_OF_TIME)
        for text in suspicious(parsed(path))
    }
    assert found - FLOATS_ALLOWED.keys() == set()


def suspicious(tree: ast.Module) -> Iterator[str]:
    """Floats that are not seconds."""
    allowed = {id(part) for part in seconds(tree)}
    yield from (ast.unparse(node) for node in floats(tree) if id(node) not in allowed)


def seconds(tree: ast.Module) -> Iterator[ast.AST]:
    """Parts of statements whose target, keyword or argument is named after seconds, and of calls that wait."""
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]) if is_time(name):
                yield from ast.walk(node)
            case ast.keyword(arg=str(name)) | ast.arg(arg=name) if is_time(name):
                yield from ast.walk(node)
            case ast.Call(func=ast.Attribute(attr="sleep" | "uniform" | "timeout")):
                yield from ast.walk(node)
            case _:
                continue


def is_time(name: str) -> bool:
    return "seconds" in name.lower() or "timeout" in name.lower()


def test_the_reasons_are_those_that_are_published():
    published = {reason.name.removeprefix("ERROR_REASON_") for reason in ErrorReason} - {"UNSPECIFIED"}
    assert {reason.value for reason in Reason} == published
    assert all(reason.name == reason.value for reason in Reason)


def test_the_rules_would_notice():
    tree = ast.parse("price = 0.1\nrate: float = 2\nwait_seconds: float = 0.5\n")
    assert sorted(suspicious(tree)) == ["0.1", "float"]
