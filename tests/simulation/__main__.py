"""`python -m tests.simulation --seed 1 --steps 10000`; see `command`."""

import sys

from tests.simulation.command import main

if __name__ == "__main__":
    sys.exit(main())
