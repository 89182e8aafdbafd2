"""All that a simulated fleet needs: keys, bundles, a signed repository, its server, a broker."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from edgekit.bundle import Bundle
from edgekit.deploy.keys import KeyRing, make_keys
from edgekit.deploy.repository import Repository
from edgekit.errors import Unavailable
from edgekit.update.sources.http import HttpSource
from tools.crash_points.making import NAME, passphrase, tiny_bundle
from tools.fleet.board import CountingSource, SimulatedBoard
from tools.fleet.crowd import Crowd
from tools.private_broker import PrivateBroker

__all__ = ["FLEET", "NAME", "Place", "WebServer", "make_place"]

FLEET = "fleet"


class WebServer:
    """`edgekit repository serve` in a process of its own, at a port that stays the same.

    Attributes:
        address: where the repository is.
    """

    def __init__(self, folder: Path) -> None:
        """Starts it, and returns once it answers."""
        self._folder = folder
        self._port = 0
        self.start()

    def start(self) -> None:
        """Starts it again after `stop`."""
        code = "from edgekit.cli import main; main()"
        arguments = ["repository", "serve", str(self._folder), "--port", str(self._port)]
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if " at http" not in said:
            self.stop()
            raise Unavailable("the web server did not start")
        self.address = said.rpartition(" at ")[2].strip()
        self._port = int(self.address.rpartition(":")[2])

    def stop(self) -> None:
        """Kills it."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@dataclass
class Place:
    """Where a fleet lives.

    Attributes:
        folder: of everything.
        bundles: by version; the first is what boards run at first.
        repository: the folder.
        keys: the folder of keys.
        root: the trusted root.
    """

    folder: Path
    bundles: Mapping[str, Bundle]
    repository: Path
    keys: Path
    root: Path

    @property
    def ring(self) -> KeyRing:
        """What signs."""
        return KeyRing([self.keys], passphrase)

    @contextmanager
    def crowd(
        self,
        names: Sequence[str],
        broker: PrivateBroker,
        address: str,
        *,
        fails: Callable[[str, str], bool],
        labels: Callable[[str], dict[str, str]],
        workers: int = 2,
    ) -> Iterator[tuple[Crowd, CountingSource]]:
        """Boards that are online.

        Args:
            names: of the boards.
            broker: where they speak.
            address: of the repository.
            fails: whether a version fails its canary on a board.
            labels: what each says of itself.
            workers: how many boards work at the same time.
        """
        source = CountingSource(HttpSource(address, timeout_s=10))
        shipped = next(iter(self.bundles.values()))
        boards = []
        for name in names:
            folder = self.folder / "boards" / name
            folder.mkdir(parents=True, exist_ok=True)
            board = SimulatedBoard(
                *(name, folder, shipped),
                root=self.root,
                source=source,
                labels=labels(name),
                fails=fails,
            )
            boards.append(board)
        with Crowd(
            boards, fleet=FLEET, bundle=NAME, host=broker.host, port=broker.port, workers=workers
        ) as crowd:
            yield crowd, source


def make_place(folder: Path, versions: Sequence[str]) -> Place:
    """A repository without any bundle yet, and bundles of these versions."""
    make_keys(folder / "keys", {}, passphrases=passphrase)
    (folder / "passphrase").write_bytes(passphrase("root") + b"\n")
    repository = Repository(folder / "repository")
    root = repository.create(KeyRing([folder / "keys"], passphrase))
    bundles = {
        version: tiny_bundle(folder / "bundles" / version, version, gain=1 + number / 10)
        for number, version in enumerate(versions)
    }
    return Place(folder, bundles, repository.folder, folder / "keys", root)
