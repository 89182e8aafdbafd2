"""Bundles that are made once, and a repository and a board for each test."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from edgekit.bundle import Bundle
from tests.update.fleet import Board, MemoryRepository, tiny_bundle


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Bundle]:
    """Bundles `mean` by version; 9.9.9 fails its golden vectors."""
    folder = tmp_path_factory.mktemp("bundles")
    versions = ("1.0.0", "1.1.0", "1.2.0", "9.9.9")
    return {
        version: tiny_bundle(
            folder / version, version, gain=1 + number / 10, passes=version != "9.9.9"
        )
        for number, version in enumerate(versions)
    }


@pytest.fixture
def repository(bundles: Mapping[str, Bundle]) -> MemoryRepository:
    """A repository with 1.0.0 and 1.1.0."""
    made = MemoryRepository()
    made.add(bundles["1.0.0"])
    made.add(bundles["1.1.0"])
    return made


@pytest.fixture
def board(tmp_path: Path, repository: MemoryRepository) -> Board:
    """A board of that repository, whose clock goes with the signer's."""
    return Board(tmp_path / "board", repository, repository.root, clock=lambda: repository.now)
