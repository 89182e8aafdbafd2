"""Bundles on disk: checked when read, whole when written."""

from pathlib import Path

import pytest

from edgekit.bundle import archive_bytes, open_bundle, write_bundle
from edgekit.errors import BundleError, InputError
from tests.samples import picture_bundle, window_bundle, window_manifest


def test_a_bundle_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    bundle = picture_bundle(tmp_path / "b")
    assert open_bundle(tmp_path / "b") == bundle
    assert bundle.labels() == ("tl", "tr", "bl", "br")


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    path = window_bundle(tmp_path / "b").path / "model.onnx"
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleError, match="SHA-256"):
        open_bundle(tmp_path / "b")


def test_a_truncated_file_is_noticed(tmp_path: Path) -> None:
    path = window_bundle(tmp_path / "b").path / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BundleError, match="bytes, the manifest says"):
        open_bundle(tmp_path / "b")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (window_bundle(tmp_path / "b").path / "golden.npz").unlink()
    with pytest.raises(BundleError, match=r"golden\.npz is missing"):
        open_bundle(tmp_path / "b")


def test_an_extra_file_is_named(tmp_path: Path) -> None:
    (window_bundle(tmp_path / "b").path / "run.py").write_text("print(1)")
    with pytest.raises(BundleError, match=r"run\.py is not in the manifest"):
        open_bundle(tmp_path / "b")


def test_a_link_is_refused(tmp_path: Path) -> None:
    (window_bundle(tmp_path / "b").path / "passwd").symlink_to("/etc/passwd")
    with pytest.raises(BundleError, match="link"):
        open_bundle(tmp_path / "b")


@pytest.mark.parametrize("what", ["missing", "file", "empty"])
def test_what_is_no_bundle_is_called_so(tmp_path: Path, what: str) -> None:
    path = tmp_path / what
    if what == "file":
        path.write_text("x")
    elif what == "empty":
        path.mkdir()
    with pytest.raises(BundleError, match="not a bundle"):
        open_bundle(path)


def test_a_bundle_that_is_there_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    before = window_bundle(tmp_path / "b")
    with pytest.raises(InputError, match="already there"):
        picture_bundle(tmp_path / "b")
    assert open_bundle(tmp_path / "b") == before


def test_what_is_no_bundle_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="not a bundle"):
        write_bundle(tmp_path, window_manifest(), files={}, replace=True)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_contradicting_manifest_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        write_bundle(tmp_path / "b", window_manifest(), files={"model.onnx": b"x"})
    assert list(tmp_path.iterdir()) == []


def test_the_same_bundle_gives_the_same_archive(tmp_path: Path) -> None:
    one, two = window_bundle(tmp_path / "one"), window_bundle(tmp_path / "two")
    (two.path / "report.html").write_text("not part of it")
    assert archive_bytes(one) == archive_bytes(two)
