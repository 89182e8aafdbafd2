"""One ssh server and one set of bundles for all tests of deploys over SSH."""

import random
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from edgekit.bundle import Bundle
from tests.deploy.ssh_board import SshBoard
from tests.deploy.sshd import Sshd, need_sshd, sshd
from tools.crash_points.making import tiny_bundle


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A server that runs as long as the tests do."""
    need_sshd()
    with sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture(scope="session")
def means(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Bundle]:
    """Bundles `mean` by version: 1.1.0 is like 1.0.0, 1.2.0 is far off, 1.3.0 is large."""
    folder = tmp_path_factory.mktemp("bundles")
    gains = {"1.0.0": 1.0, "1.1.0": 1.1, "1.2.0": 3.0, "1.3.0": 1.05}
    note = random.Random(0).randbytes(600_000)
    return {
        version: tiny_bundle(
            folder / version, version, gain=gain, note=note if version == "1.3.0" else b""
        )
        for version, gain in gains.items()
    }


@pytest.fixture
def board(server: Sshd, tmp_path: Path, means: Mapping[str, Bundle]) -> Iterator[SshBoard]:
    """A board with edgekit, settings and `mean` 1.0.0, whose daemon does not run yet."""
    made = SshBoard(server, tmp_path / "board", tmp_path / "home")
    made.furnish(means["1.0.0"].path)
    try:
        yield made
    finally:
        made.stop()
