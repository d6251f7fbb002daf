"""`wallet` commands: what they print, their exit codes, and failures in one line."""

import re
from pathlib import Path

import pytest

from tests.system.instance import ROOT, SAMPLE, Dev, lines, wallet

CATALOG = str(ROOT / "examples" / "catalog.yaml")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ["dev", "serve", "worker", "migrate", "audit", "keys", "catalog", "usage"]),
        (("dev",), ["organization to play with"]),
        (("serve",), ["until SIGTERM or Ctrl-C"]),
        (("worker",), ["job queue"]),
        (("migrate",), ["newest schema"]),
        (("audit",), ["--organization", "Exits with 1"]),
        (("keys", "create"), ["--role", "--organization", "--display-name", "this once"]),
        (("catalog", "apply"), ["--dry-run", "examples/catalog.yaml"]),
        (("usage", "import"), ["--format", "focus", "ndjson", "--project", "Safe to run twice"]),
    ],
)
def test_help_tells_what_a_command_does(arguments: tuple[str, ...], words: list[str]):
    shown = wallet(*arguments, "--help")
    assert shown.returncode == 0
    for word in words:
        assert word in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("nonsense",), "nonsense"),
        (("keys", "create"), "--role"),
        (("keys", "create", "--role", "king", "--organization", "my-org"), "--role"),
        (("keys", "create", "--role", "admin"), "--organization"),
        (("keys", "create", "--role", "operator", "--organization", "my-org"), "--organization"),
        (("catalog", "apply", "no-such-file.yaml"), "no-such-file.yaml"),
        (("usage", "import", str(SAMPLE)), "--format"),
        (("usage", "import", str(SAMPLE), "--format", "xml"), "xml"),
    ],
)
def test_wrong_arguments_exit_with_2(arguments: tuple[str, ...], word: str):
    done = wallet(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert word in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"WALLET_LEDGER_LANES": "0"}, r"wallet: WALLET_LEDGER_LANES: Input should be greater than or equal to 1"),
        ({"WALLET_SERVER": "apache"}, r"wallet: WALLET_SERVER: Input should be 'pyvoy' or 'hypercorn'"),
        ({"DATABASE_URL": "nonsense"}, r"wallet: DATABASE_URL is not a URL of a database"),
        ({"DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}, r"wallet: the database is not reachable.*"),
        ({"WALLET_POSTGRES_BIN_DIR": "/no/such/folder"}, r"wallet: .*/no/such/folder.*"),
    ],
)
def test_settings_that_cannot_work_are_one_line(tmp_path: Path, settings: dict[str, str], line: str):
    done = wallet("audit", WALLET_DATA_DIR=str(tmp_path / "data"), **settings)
    assert (done.returncode, done.stdout) == (1, "")
    [told] = lines(done.stderr)
    assert re.fullmatch(line, told)


def test_a_database_that_migrate_cannot_reach_is_one_line():
    done = wallet("migrate", DATABASE_URL="postgresql://x@127.0.0.1:1/x")
    assert (done.returncode, done.stdout) == (1, "")
    [told] = lines(done.stderr)
    assert told.startswith("wallet: the database cannot be used: ")


def test_a_database_without_the_schema_says_what_to_run(empty_database_url: str):
    done = wallet("audit", DATABASE_URL=empty_database_url)
    assert done.returncode == 1
    [told] = lines(done.stderr)
    assert told == "wallet: the database does not have the newest schema: run `wallet migrate`"
    migrated = wallet("migrate", DATABASE_URL=empty_database_url)
    assert (migrated.returncode, migrated.stdout) == (0, "the schema is the newest\n"), migrated.stderr
    again = wallet("migrate", DATABASE_URL=empty_database_url)
    assert (again.returncode, again.stdout) == (0, "the schema is the newest\n")
    audit = wallet("audit", DATABASE_URL=empty_database_url)
    assert re.fullmatch(r"audit ok: \d+ laws, 0 organizations, 0 entries\n", audit.stdout), audit.stderr


def test_serve_needs_the_provider(database_url: str):
    done = wallet("serve", DATABASE_URL=database_url, WALLET_LISTEN="127.0.0.1:0")
    assert done.returncode == 1
    assert lines(done.stderr)[-1].startswith("wallet: ")
    wrong = wallet("serve", DATABASE_URL=database_url, WALLET_LISTEN="nowhere")
    assert (wrong.returncode, lines(wrong.stderr)) == (
        1,
        ["wallet: listen address 'nowhere' is not of the form host:port"],
    )


# Beside a running instance


@pytest.mark.parametrize("role", ["viewer", "admin", "operator"])
def test_a_made_key_works(dev: Dev, role: str):
    arguments = [] if role == "operator" else ["--organization", "my-org"]
    made = dev.wallet("keys", "create", "--role", role, *arguments)
    assert made.returncode == 0, made.stderr
    secret = made.stdout.strip()
    assert re.fullmatch(r"wk_(test|live)_[A-Za-z0-9]{43}", secret)
    answer = dev.call_as(secret, "wallet.v1.WalletService/GetWallet", name="organizations/my-org/wallets/default")
    assert answer.status_code == 200, answer.text
    assert secret not in made.stderr


def test_a_key_for_nobody_is_one_line(dev: Dev):
    done = dev.wallet("keys", "create", "--role", "viewer", "--organization", "nobody")
    assert (done.returncode, done.stdout) == (1, "")
    assert lines(done.stderr) == ["wallet: organization organizations/nobody was not found"]


def test_the_catalog_is_applied_once_and_shows_its_difference(dev: Dev, tmp_path: Path):
    same = dev.wallet("catalog", "apply", CATALOG)
    assert (same.returncode, same.stdout) == (0, "the catalog is as wanted; nothing to change\n"), same.stderr
    file = tmp_path / "more.yaml"
    file.write_text(
        "meters:\n"
        "  - meter: storage.object.gib_months\n"
        "    unit: GiB-month\n"
        "    category: Object Storage\n"
        "    rates:\n"
        "      - {currency: USD, unit_price_minor: 0.1, effective_time: 2026-01-01T00:00:00Z}\n"
    )
    shown = [
        "+ meter storage.object.gib_months: storage.object.gib_months, in GiB-month, Object Storage",
        "+ rate storage.object.gib_months: 0.1 USD minor units from 2026-01-01T00:00:00+00:00",
    ]
    dry = dev.wallet("catalog", "apply", str(file), "--dry-run")
    assert (dry.returncode, lines(dry.stdout)) == (0, [*shown, "dry run: nothing was changed"])
    applied = dev.wallet("catalog", "apply", str(file))
    assert (applied.returncode, lines(applied.stdout)) == (0, shown)
    again = dev.wallet("catalog", "apply", str(file))
    assert lines(again.stdout) == ["the catalog is as wanted; nothing to change"]
    file.write_text(file.read_text().replace("0.1", "0.2"))
    conflict = dev.wallet("catalog", "apply", str(file))
    assert conflict.returncode == 1
    assert lines(conflict.stdout)[0].startswith("! ")
    assert lines(conflict.stdout)[-1] == "nothing was changed"
    file.write_text("meters: 7")
    broken = dev.wallet("catalog", "apply", str(file))
    assert (broken.returncode, lines(broken.stderr)) == (1, ["wallet: meters: must be a list"])


def test_usage_is_imported_beside_the_running_instance(dev: Dev, tmp_path: Path):
    before, carry = dev.balance()
    assert carry == "0"
    file = tmp_path / "usage.csv"
    file.write_text(
        "meter,quantity,event_time,idempotency_key\n"
        "compute.vm.vcpu_hours,100,2026-01-05T00:00:00Z,a\n"
        "compute.vm.vcpu_hours,many,2026-01-05T00:00:00Z,b\n"
    )
    first = dev.wallet("usage", "import", str(file), "--format", "csv")
    assert first.returncode == 1, "a refused row is a failure"
    assert lines(first.stdout)[0] == "2 rows of usage: 1 recorded, 0 recorded before, 1 refused"
    assert lines(first.stdout)[-1].startswith("line 3: ")
    again = dev.wallet("usage", "import", str(file), "--format", "csv")
    assert lines(again.stdout)[0] == "2 rows of usage: 0 recorded, 1 recorded before, 1 refused"
    assert dev.balance() == (before - 34, "0.2466")
    for arguments, line in (
        (("--organization", "nobody"), "wallet: organization organizations/nobody was not found"),
        (("--format", "focus"), "wallet: file: has no column ChargeCategory, so it is not focus with a header line"),
    ):
        done = dev.wallet("usage", "import", str(file), "--format", "csv", *arguments)
        assert (done.returncode, lines(done.stderr)[-1]) == (1, line)
