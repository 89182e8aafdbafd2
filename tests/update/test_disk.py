"""Full disks and flipped bytes: nothing is half applied, and nothing false is installed."""

import errno
import itertools
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from edgekit.errors import BundleError, EdgekitError, InputError
from edgekit.update.download import Downloads
from edgekit.update.files import DiskFiles
from edgekit.update.pace import Pace
from tests.update.fleet import NAME, Board, MemoryRepository, committed, running


class Unsynced(DiskFiles):
    """A disk for those who flip a thousand bytes and cut no power."""

    def sync(self, path: Path) -> None:
        pass

    def sync_folder(self, path: Path) -> None:
        pass


class FullDisk(DiskFiles):
    """A disk that has room for so many operations and no more."""

    def __init__(self, room: int) -> None:
        self.left = room

    def write(self, path: Path, chunks: Iterable[bytes], *, append: bool = False) -> None:
        self._take(path)
        super().write(path, chunks, append=append)

    def make_folder(self, path: Path) -> None:
        self._take(path)
        super().make_folder(path)

    def rename(self, old: Path, new: Path) -> None:
        self._take(old)
        super().rename(old, new)

    def sync(self, path: Path) -> None:
        self._take(path)
        super().sync(path)

    def _take(self, path: Path) -> None:
        if self.left == 0:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        self.left -= 1


def test_a_disk_that_is_full_at_any_step_leaves_nothing_half_applied(
    repository: MemoryRepository, board: Board, tmp_path: Path
) -> None:
    committed(board.open(), "1.0.0")
    for room in itertools.count():
        folder = tmp_path / str(room)
        shutil.copytree(board.folder, folder)
        disk = FullDisk(room)
        updates = Board(folder, repository, repository.root, files=disk).open()
        before = updates.state(NAME)
        done = False
        try:
            updates.fetch(NAME)
            before = updates.state(NAME)
            updates.begin_trial(NAME)
            before = updates.state(NAME)
            updates.commit(NAME)
            done = True
        except InputError as error:
            assert "the disk is full" in str(error)
            assert len(str(error).splitlines()) == 1
        after = Board(folder, repository, repository.root)
        assert done or after.open().state(NAME) == before
        assert running(after.open()) == ("1.1.0" if done else "1.0.0")
        if not done:
            whole = after.open()
            if whole.phase(NAME) != "trial":
                whole.fetch(NAME)
                whole.begin_trial(NAME)
            whole.commit(NAME)
            assert running(after.open()) == "1.1.0"
        if disk.left:
            break
    assert room > 20


def test_a_full_disk_does_not_keep_a_board_from_starting(board: Board) -> None:
    committed(board.open(), "1.0.0")
    updates = board.open()
    updates.fetch(NAME)
    updates.begin_trial(NAME)
    board.files = FullDisk(0)
    boot = board.open().boot(NAME)
    assert boot.bundle.manifest.version == "1.0.0"
    assert boot.trial is None
    assert any("the disk is full" in note for note in boot.notes)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small tmpfs cannot be mounted here: that takes root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full_leaves_the_board_as_it_was(
    small_disk: Path, repository: MemoryRepository, board: Board
) -> None:
    board.folder = small_disk / "board"
    committed(board.open(), "1.0.0")
    before = board.open().state(NAME)

    class Roomy(DiskFiles):
        def free_bytes(self, path: Path) -> int:
            return 1 << 40

    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC
    for files in (None, Roomy()):  # said before anything is written, and by the disk itself
        board.files = files
        with pytest.raises(InputError, match="the disk is full"):
            board.open().fetch(NAME)
        assert board.open().state(NAME) == before
        assert running(board.open()) == "1.0.0"
    filler.unlink()
    board.files = None
    committed(board.open())
    assert running(board.open()) == "1.1.0"


def test_each_byte_of_a_small_archive_that_is_flipped_is_caught(
    repository: MemoryRepository, board: Board
) -> None:
    archive = next(path for path in repository.files if "1.1.0" in path)
    data = repository.files[archive]
    offer = next(each for each in board.open()._repository.refresh() if each.path in archive)
    downloads = Downloads(board.folder / "downloads", Unsynced(), pace=Pace())
    for at in range(len(data)):
        repository.files[archive] = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        with pytest.raises(BundleError, match="is not what was signed"):
            downloads.fetch(repository, offer, arrived=lambda count: None)
    repository.files[archive] = data
    assert downloads.fetch(repository, offer, arrived=lambda count: None).read_bytes() == data


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
def test_each_byte_of_metadata_that_is_flipped_is_caught_or_changes_nothing(
    repository: MemoryRepository, board: Board, role: str
) -> None:
    repository.rotate("root")
    repository.renew("targets")
    number = repository.documents.version(role)  # type: ignore[arg-type]
    path = f"metadata/{role}.json" if role == "timestamp" else f"metadata/{number}.{role}.json"
    data, wanted = repository.files[path], board.open().fetch(NAME)
    assert wanted is not None
    for at in range(len(data)):
        repository.files[path] = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
        folder = board.folder / "fresh"
        fresh = Board(folder, repository, repository.root, board.clock, files=Unsynced())
        try:
            offers = fresh.open()._repository.refresh()
        except EdgekitError as error:
            assert len(str(error).splitlines()) == 1
        else:
            assert wanted in [offer.release for offer in offers]
            assert [offer.note.floor for offer in offers] == ["0.0.0", "0.0.0"]
        shutil.rmtree(folder)
