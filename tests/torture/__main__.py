"""`python -m tests.torture --kills 200 --seed 1`: the closing line, or what was found and how to have it again."""

import argparse
import random
import shutil
import sys
import tempfile
import traceback
from math import inf
from pathlib import Path

from tests.torture.torture import run


def main() -> int:
    """The status to exit with. The folder of a run that failed stays."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description="Kill the service under load.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--minutes", type=float, default=inf, help="end after so long, whatever the number of kills")
    parser.add_argument("--folder", type=Path, help="an empty one for the data; unset makes one, gone after a good run")
    given = parser.parse_args()
    folder: Path = given.folder or Path(tempfile.mkdtemp(prefix="wallet-torture-"))
    try:
        line = run(given.seed, given.kills, folder, seconds_max=60 * given.minutes)
    except BaseException:
        traceback.print_exc()
        print(f"torture FAILED: python -m tests.torture --kills {given.kills} --seed {given.seed}; its data: {folder}")
        return 1
    if given.folder is None:
        shutil.rmtree(folder, ignore_errors=True)
    print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
