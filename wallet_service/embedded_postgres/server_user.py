"""As which user the server runs, and how that user reaches the data folder and the binaries."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict

from wallet_service.embedded_postgres.binaries import Binaries
from wallet_service.embedded_postgres.errors import ServerUserError, folder_errors

_UNPRIVILEGED_NAMES: Final = ("postgres", "nobody", "daemon")
_PROBE_SECONDS_MAX: Final = 20


class LaunchArguments(TypedDict, total=False):
    """Keyword arguments of `subprocess.run` and `Popen` that decide as whom and where a server program runs."""

    cwd: str
    env: dict[str, str]
    pass_fds: tuple[int, ...]
    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class ServerUser:
    """The account that server programs run as; `switch` tells whether this process (root) must change to it."""

    uid: int
    gid: int
    switch: bool

    def launch_arguments(self, *, open_folders: Sequence[int] = ()) -> LaunchArguments:
        """The user, no inherited locale, a working folder that anyone may enter, and the open folders to hand over."""
        arguments = LaunchArguments(
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            pass_fds=tuple(open_folders),
        )
        if self.switch:
            arguments.update(user=self.uid, group=self.gid, extra_groups=[])
        return arguments

    def take_over(self, path: Path) -> None:
        """Give a file or folder that this process made to the server's user."""
        if self.switch:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def reaches(self, folder: Path) -> bool:
        """Whether the user may enter `folder` by its path."""
        return self._succeeds(["/bin/sh", "-c", 'cd "$0"', str(folder)])

    def runs(self, binaries: Binaries) -> bool:
        """Whether the user may run the binaries where they are."""
        return self._succeeds([str(binaries.bin_dir / "initdb"), "--version"])

    def _succeeds(self, command: list[str]) -> bool:
        if not self.switch:
            return True
        try:
            run = subprocess.run(
                command,
                check=False,
                capture_output=True,
                timeout=_PROBE_SECONDS_MAX,
                **self.launch_arguments(),
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return run.returncode == 0


def server_user(folder: Path) -> ServerUser:
    """This process's user; for root the owner of an existing data folder, else an unprivileged account.

    Raises ServerUserError when root finds no such account.
    """
    if os.geteuid() != 0:
        return ServerUser(os.geteuid(), os.getegid(), switch=False)
    if folder.exists() and (owner := folder.stat()).st_uid != 0:
        return ServerUser(owner.st_uid, owner.st_gid, switch=True)
    for name in _UNPRIVILEGED_NAMES:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        if account.pw_uid != 0:
            return ServerUser(account.pw_uid, account.pw_gid, switch=True)
    raise ServerUserError(
        "PostgreSQL does not run as root, and none of the users "
        f"{', '.join(_UNPRIVILEGED_NAMES)} exists: start the service as another user, or create one of these"
    )


def hands_over_open_folder(user: ServerUser) -> bool:
    """Whether the data folder is given to the server as an open directory, so that folders above it keep their modes."""
    return user.switch and sys.platform == "linux"


def copy_binaries(binaries: Binaries, folder: Path) -> Binaries:
    """The binaries copied below `folder` with the libraries that a wheel keeps beside its package.

    Raises DiskFullError or DataFolderError.
    """
    root = binaries.bin_dir.parent
    package = root.parent
    libraries = package.with_name(f"{package.name}.libs")
    with folder_errors(folder):
        shutil.rmtree(folder, ignore_errors=True)
        copied_root = folder / package.name / root.name
        for part in ("bin", "lib", "share"):
            if (root / part).is_dir():
                shutil.copytree(root / part, copied_root / part, symlinks=True)
        if libraries.is_dir():
            shutil.copytree(libraries, folder / libraries.name, symlinks=True)
        for path in (folder, *folder.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    return Binaries(copied_root / binaries.bin_dir.name, binaries.major)
