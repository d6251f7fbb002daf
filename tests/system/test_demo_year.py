"""`make demo-year` for its first weeks: what was paid in, used and left adds up to the last digit, and the audits agree."""

import json
import subprocess
import sys

from tests.system.instance import ROOT, SECONDS_MAX, environment
from wallet_service.embedded_postgres import Binaries

DAYS = 40
ORGANIZATIONS = 5


def test_the_first_weeks_of_the_year(postgres_binaries: Binaries):
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo_year", str(DAYS), str(ORGANIZATIONS)],
        cwd=ROOT,
        env=environment(WALLET_POSTGRES_BIN_DIR=str(postgres_binaries.bin_dir)),
        capture_output=True,
        text=True,
        timeout=4 * SECONDS_MAX,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["audits"] == {"2026-01": "ok", "2026-02": "ok"}
    assert figures["statements_compared"] == ORGANIZATIONS
    assert figures["usage_events"] == DAYS * ORGANIZATIONS * 2
    assert figures["adds_up"]
    events = figures["events"]
    # January is closed for each, and the card that is declined is tried after 1, 24 and 72 hours, then no more.
    assert events["invoice.finalized"] == ORGANIZATIONS
    assert events["wallet.auto_recharge.failed"] == 4
    assert events["wallet.auto_recharge.disabled"] == 1
    assert (
        events["wallet.auto_recharge.succeeded"]
        == events["receipt.issued"] - figures["top_ups"]["coinbase manual SUCCEEDED"]["count"]
    )
    for kind in ("warned", "grace_started", "suspended"):
        assert events[f"billing_account.{kind}"]
    assert events["spending_limit.reached"] == events["spending_limit.reset"] == 1
