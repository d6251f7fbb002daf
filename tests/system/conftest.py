"""Development instances for tests: one that a module shares, and one for a test that ends it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.instance import Dev
from wallet_service.embedded_postgres import Binaries


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory, postgres_binaries: Binaries) -> Iterator[Dev]:
    """A running instance that the tests of a module share and leave running."""
    instance = Dev(tmp_path_factory.mktemp("dev"), postgres_binaries.bin_dir)
    instance.start()
    yield instance
    assert instance.stop() == 0, instance.err


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, postgres_binaries: Binaries) -> Path:
    """The data of an instance that was started once and stopped."""
    instance = Dev(tmp_path_factory.mktemp("prepared"), postgres_binaries.bin_dir)
    instance.start()
    assert instance.stop() == 0, instance.err
    return instance.data


@pytest.fixture
def own_dev(tmp_path: Path, prepared: Path, postgres_binaries: Binaries) -> Iterator[Dev]:
    """An instance of one test's, with the data of a first start, not running."""
    # Not by shutil: the server's files belong to a user of its own.
    subprocess.run(["cp", "-a", str(prepared), str(tmp_path / "data")], check=True)
    instance = Dev(tmp_path, postgres_binaries.bin_dir)
    yield instance
    instance.close()
