import os
import stat
from pathlib import Path
from typing import IO

import pytest

from edgekit.errors import InputError
from edgekit.learning.durable import write_durably


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for text in (b"one", b"another"):
        write_durably(path, lambda file, text=text: file.write(text))  # type: ignore[misc]
        assert path.read_bytes() == text
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_on_the_disk_before_it_takes_the_olds_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    synced: list[tuple[str, bytes]] = []

    def fsync(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        synced.append((name, path.read_bytes()))

    monkeypatch.setattr(os, "fsync", fsync)
    write_durably(path, lambda file: file.write(b"new"))
    assert synced == [("file.new", b"old"), (tmp_path.name, b"new")]


def test_the_old_file_stays_when_the_new_one_cannot_be_finished(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fails(file: IO[bytes]) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match="file: cannot be written: No space left on device"):
        write_durably(path, fails)
    assert path.read_bytes() == b"old"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="elsewhere/file: cannot be written"):
        write_durably(tmp_path / "elsewhere" / "file", lambda file: None)


def test_a_secret_is_nobody_elses_to_read_at_any_time(tmp_path: Path) -> None:
    path = tmp_path / "key"
    (tmp_path / "key.new").write_text("left by a crash")
    (tmp_path / "key.new").chmod(0o666)
    modes = []

    def write(file: IO[bytes]) -> None:
        file.write(b"secret")
        modes.append(stat.S_IMODE(os.fstat(file.fileno()).st_mode))

    write_durably(path, write, secret=True)
    assert [*modes, stat.S_IMODE(path.stat().st_mode)] == [0o600, 0o600]
    assert path.read_bytes() == b"secret"
