"""`python -m tests.torture --kills 200 --seed 1`: the closing line, or what was found and how to have it again.

With `--broken NAME` the installation is broken on purpose, and to find nothing, or something else, is the failure.
"""

import argparse
import random
import re
import shutil
import sys
import tempfile
import traceback
from math import inf
from pathlib import Path

from tests.torture.breakages import BREAKAGES
from tests.torture.torture import run


def main() -> int:
    """The status to exit with. The folder of a run that failed stays."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description="Kill the service under load.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--minutes", type=float, default=inf, help="end after so long, whatever the number of kills")
    parser.add_argument("--folder", type=Path, help="an empty one for the data; unset makes one, gone after a good run")
    parser.add_argument("--broken", default="", choices=["", "all", *BREAKAGES], help="what a run has to find")
    given = parser.parse_args()
    names = list(BREAKAGES) if given.broken == "all" else [given.broken]
    return 0 if all(_is_as_it_should_be(given, name) for name in names) else 1


def _is_as_it_should_be(given: argparse.Namespace, broken: str) -> bool:
    """Whether a run found nothing, or what is broken."""
    folder = Path(tempfile.mkdtemp(prefix="wallet-torture-")) if given.folder is None else given.folder / broken
    folder.mkdir(exist_ok=True)
    kills = min(given.kills, BREAKAGES[broken].kills) if broken else given.kills
    try:
        line = run(given.seed, kills, folder, seconds_max=60 * given.minutes, broken=broken)
        is_good = not broken
    except BaseException as error:
        found, notes = f"{type(error).__name__}: {error}", getattr(error, "__notes__", [])
        line = f"torture found {broken} {' '.join(notes)}: {found}"
        is_good = bool(broken and re.match(BREAKAGES[broken].found_as, found, re.DOTALL))
        if not is_good:
            traceback.print_exc()
    if is_good:
        print(line, flush=True)
        if given.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
        return True
    breakage = f" --broken {broken}" if broken else ""
    print(f"torture FAILED: python -m tests.torture --kills {kills} --seed {given.seed}{breakage}; its data: {folder}")
    return False


if __name__ == "__main__":
    sys.exit(main())
