"""Where the embedded server finds its binaries, and which folders it works in or refuses."""

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from postgres_lab import IS_ROOT, Identity, Owner, can_mount, identities, mount, query, server_pid, unmount

from wallet_service.embedded_postgres import (
    Binaries,
    BinariesNotFoundError,
    DataFolderError,
    EmbeddedPostgres,
    WrongMajorVersionError,
    find_binaries,
)
from wallet_service.embedded_postgres.server_user import copy_binaries

# Binaries


def test_data_of_another_major_version_is_refused_by_name(folder: Path) -> None:
    newest, oldest = list(find_binaries("wheel"))
    with EmbeddedPostgres(folder / "data", oldest.bin_dir):
        pass
    with pytest.raises(WrongMajorVersionError) as raised:
        EmbeddedPostgres(folder / "data", newest.bin_dir).start()
    assert raised.value.data_major == str(oldest.major)
    assert raised.value.found_majors == (newest.major,)
    assert f"Install PostgreSQL {oldest.major}" in str(raised.value)
    with EmbeddedPostgres(folder / "data") as info:
        assert info.server_major == oldest.major


def test_binaries_come_from_the_path_before_the_wheel(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    _, oldest = list(find_binaries("wheel"))
    (folder / "postgres").symlink_to(oldest.bin_dir / "postgres")
    monkeypatch.setenv("PATH", str(folder))
    found = list(find_binaries())
    assert found[0] == oldest
    assert found[-1].bin_dir.is_relative_to(oldest.bin_dir.parents[1])
    assert next(find_binaries("machine")) == oldest
    assert next(find_binaries(setting=found[-1].bin_dir)) == found[-1]


def test_a_setting_without_binaries_is_an_error_and_nothing_else_is_tried(folder: Path) -> None:
    with pytest.raises(BinariesNotFoundError, match="WALLET_POSTGRES_BIN_DIR"):
        EmbeddedPostgres(folder / "data", folder).start()


def test_binaries_and_data_in_private_folders_serve_root_and_user_alike(
    each_binaries: Binaries, tmp_path: Path
) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    hidden = copy_binaries(each_binaries, private / "binaries")
    for path in (private, private / "binaries"):
        path.chmod(0o700)
    with EmbeddedPostgres(private / "data", hidden.bin_dir) as info:
        assert query(info.socket_dir, "SELECT 1") == 1
    with EmbeddedPostgres(private / "data", hidden.bin_dir) as info:
        assert query(info.socket_dir, "SELECT 1") == 1
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert stat.S_IMODE(tmp_path.parent.stat().st_mode) == 0o700


def test_binaries_that_the_server_user_may_not_run_are_copied_into_the_data_folder(
    binaries: Binaries, folder: Path
) -> None:
    hidden = copy_binaries(binaries, folder / "hidden")
    (folder / "hidden").chmod(0o700)
    with EmbeddedPostgres(folder / "data", hidden.bin_dir) as info:
        assert query(info.socket_dir, "SELECT 1") == 1
        program = os.readlink(f"/proc/{server_pid(folder / 'data')}/exe")
    place = folder / "data" if IS_ROOT else folder / "hidden"
    assert Path(program).is_relative_to(place)


# Folders


def test_a_path_too_long_for_a_socket_gets_a_private_short_one(binaries: Binaries, folder: Path) -> None:
    data = folder / ("long-" * 20) / "data"
    with EmbeddedPostgres(data, binaries.bin_dir) as info:
        assert not info.socket_dir.is_relative_to(data)
        assert len(str(info.socket_dir / ".s.PGSQL.5432")) <= 107
        assert stat.S_IMODE(info.socket_dir.stat().st_mode) == 0o700
        assert query(info.socket_dir, "SELECT 1") == 1
    assert not info.socket_dir.parent.exists()


def test_a_private_folder_that_someone_else_could_enter_is_refused(binaries: Binaries, folder: Path) -> None:
    data = folder / ("long-" * 20) / "data"
    with EmbeddedPostgres(data, binaries.bin_dir) as info:
        planted = info.socket_dir.parent
    planted.mkdir(mode=0o755)
    planted.chmod(0o755)
    try:
        with pytest.raises(DataFolderError, match="someone else made it"):
            EmbeddedPostgres(data, binaries.bin_dir).start()
    finally:
        shutil.rmtree(planted, ignore_errors=True)


def test_a_folder_with_odd_characters_works(binaries: Binaries, folder: Path) -> None:
    with EmbeddedPostgres(folder / 'o\'dd, $HOME: 100% "ä"', binaries.bin_dir) as info:
        assert query(info.socket_dir, "SELECT 1") == 1


def obstacles() -> list[tuple[Identity, str]]:
    """Whom what stops from writing: root ignores modes, and only who may mount can make a folder read-only."""
    by_file = [(one, "file") for one in identities()]
    by_mode = [(one, "mode") for one in identities() if one.name != "root"]
    by_mount = [(identities()[0], "mount")] if can_mount() else []
    return by_file + by_mode + by_mount


@pytest.mark.parametrize(("one", "obstacle"), obstacles(), ids=lambda value: getattr(value, "name", value))
def test_an_unwritable_folder_is_a_clear_error(
    binaries: Binaries, folder: Path, start_owner: Callable[..., Owner], one: Identity, obstacle: str
) -> None:
    place = folder / "place"
    if obstacle == "file":
        place.write_text("")
    else:
        place.mkdir(mode=0o500)
    is_mounted = obstacle == "mount" and mount(place, "ro")
    try:
        answer = start_owner(place / "data", binaries.bin_dir, identity=one).answer()
    finally:
        if is_mounted:
            unmount(place)
    assert answer["error"] == "DataFolderError"
    assert "WALLET_DATA_DIR" in answer["message"]
    assert str(place / "data") in answer["message"]


def test_the_folder_of_another_user_is_refused(
    binaries: Binaries, folder: Path, start_owner: Callable[..., Owner]
) -> None:
    stranger = identities()[-1]
    foreign = folder / "data" if IS_ROOT else Path("/")
    foreign.mkdir(exist_ok=True)
    answer = start_owner(foreign, binaries.bin_dir, identity=stranger).answer()
    assert answer["error"] == "DataFolderError"
    assert "belongs to another user" in answer["message"]
