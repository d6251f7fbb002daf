"""Fixtures of the embedded server's tests."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from postgres_lab import Identity, Owner, both_kinds, for_every_user, identities

from wallet_service.embedded_postgres import Binaries


@pytest.fixture(params=identities(), ids=lambda identity: identity.name)
def identity(request: pytest.FixtureRequest) -> Identity:
    return request.param


@pytest.fixture(scope="module")
def public_folder() -> Iterator[Path]:
    """A short path that every user may enter; pytest's own temporary folders are private to one."""
    folder = Path(tempfile.mkdtemp(prefix="wallet-pg-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def binaries(postgres_binaries: Binaries, public_folder: Path) -> Binaries:
    """The binaries of this test run."""
    return for_every_user(postgres_binaries, public_folder)


@pytest.fixture(scope="module", params=both_kinds(), ids=lambda kind: f"pg{kind.major}")
def each_binaries(request: pytest.FixtureRequest, public_folder: Path) -> Binaries:
    """The machine's binaries and the wheel's in turn, whatever this test run has chosen."""
    return for_every_user(request.param, public_folder)


@pytest.fixture
def folder(public_folder: Path) -> Iterator[Path]:
    """An empty folder that everyone may write to."""
    made = Path(tempfile.mkdtemp(prefix="t", dir=public_folder))
    made.chmod(0o777)
    yield made
    made.chmod(0o777)
    shutil.rmtree(made)


@pytest.fixture
def start_owner() -> Iterator[Callable[..., Owner]]:
    owners: list[Owner] = []

    def start(*arguments: Any, **keywords: Any) -> Owner:
        owners.append(Owner(*arguments, **keywords))
        return owners[-1]

    yield start
    for owner in owners:
        if owner.process.poll() is None:
            owner.stop()
