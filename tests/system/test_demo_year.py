"""`make demo-year` for its first days: what was paid in, used and left adds up to the last digit, and the audit agrees."""

import json
import subprocess
import sys
from decimal import Decimal

from tests.system.instance import ROOT, SECONDS_MAX, environment
from wallet_service.embedded_postgres import Binaries

DAYS = 2


def test_the_first_days_of_the_year(postgres_binaries: Binaries):
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo_year", str(DAYS)],
        cwd=ROOT,
        env=environment(WALLET_POSTGRES_BIN_DIR=str(postgres_binaries.bin_dir)),
        capture_output=True,
        text=True,
        timeout=4 * SECONDS_MAX,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["audits"] == {"2026-01": "ok"}
    assert figures["usage_events"] == DAYS * figures["organizations"] * 2
    paid, left = figures["credited_minor"], figures["balance_minor"]
    used, carry = Decimal(figures["usage_cost_minor_exact"]), Decimal(figures["carry_minor_exact"])
    assert paid - left == used - carry
    assert figures["events"]["test_clock.advanced"] == DAYS * figures["organizations"]
