"""A few kills of the whole service under load, in each test run; `make torture` does it hundreds of times."""

import os
import subprocess
import sys
from pathlib import Path

from tests.system.instance import ROOT

KILLS = 3
SEED = 1


def test_nothing_acknowledged_is_lost_and_nothing_is_doubled(tmp_path: Path):
    """In a process of its own: it supervises others, and gRPC's threads are not for a test process to keep."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture", "--kills", str(KILLS), "--seed", str(SEED), "--folder", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"torture ok: seed {SEED}, {KILLS} kills" in done.stdout
