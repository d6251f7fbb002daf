"""`make demo`: the main job on real input ends in exactly these figures."""

import json
import subprocess
import sys

from tests.system.instance import ROOT, SECONDS_MAX, environment
from wallet_service.embedded_postgres import Binaries

BY_CATEGORY = {
    "AI and Machine Learning": "-15.18975617904",
    "Compute": "2004.90393442365025",
    "Databases": "112.763032715165",
    "Identity": "0.41666667",
    "Integration": "0.0085800629",
    "Management and Governance": "22.0209583396",
    "Networking": "49.177673477385",
    "Other": "46.28520029108485",
    "Security": "0.89444445",
    "Storage": "79.1544614161037",
}


def test_the_figures_of_the_demo(postgres_binaries: Binaries):
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo"],
        cwd=ROOT,
        env=environment(WALLET_POSTGRES_BIN_DIR=str(postgres_binaries.bin_dir)),
        capture_output=True,
        text=True,
        timeout=2 * SECONDS_MAX,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures.pop("seconds") > 0
    more = figures.pop("more")
    assert more["statement"].pop("pdf_bytes") > 10_000
    assert more == {
        "crypto_minor": 5000,
        "recharged_minor": 3000,
        "alert_fired": True,
        "balance_minor": 4618,
        "export_rows": 8,
        "statement": {
            "number": "ST-000001",
            "topped_up_minor": 8000,
            "spent_minor": 3382,
            "closing_balance_minor": 4618,
            "is_pdf": True,
        },
        "audit": "ok",
    }
    assert figures == {
        "usage_rows": 997,
        "usage_cost_minor_exact": "2300.4351956668488",
        "wallet_debited_minor": 2300,
        "carry_minor_exact": "0.4351956668488",
        "balance_minor": 2700,
        "duplicates_ignored": 997,
        "by_category": BY_CATEGORY,
        "audit": "ok",
    }
