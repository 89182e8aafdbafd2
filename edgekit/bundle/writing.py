"""Writes a bundle so that it is either there and whole, or not there."""

import io
import lzma
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import msgspec

from edgekit.bundle.manifest import Manifest, encode_manifest
from edgekit.bundle.reading import MANIFEST, REPORT, Bundle, file_entry, open_bundle
from edgekit.errors import InputError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def write_bundle(
    out: Path,
    manifest: Manifest,
    *,
    files: Mapping[str, bytes],
    report: str | None = None,
    replace: bool = False,
) -> Bundle:
    """Writes a bundle beside its place and moves it there in one step.

    Args:
        out: the folder to make.
        manifest: the manifest; its `files` are filled in here.
        files: every file of the bundle by its path in it.
        report: the HTML report, if there is one.
        replace: whether a bundle that stands at `out` gives way.

    Returns:
        The bundle, read back and verified.

    Raises:
        InputError: `out` is taken, or cannot be written.
        BundleError: the manifest contradicts itself.
    """
    with _beside(out, replace=replace) as draft:
        for name, data in files.items():
            path = draft / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        entries = {name: file_entry(draft / name) for name in sorted(files)}
        manifest = msgspec.structs.replace(manifest, files=entries)
        (draft / MANIFEST).write_bytes(encode_manifest(manifest))
        if report is not None:
            (draft / REPORT).write_text(report, encoding="utf-8")
        open_bundle(draft)
    return open_bundle(out)


def archive_bytes(bundle: Bundle) -> bytes:
    """The bundle as a `.tar.xz` for transport, without its report.

    The same bundle always gives the same bytes: names are sorted, and times, owners and modes
    are fixed.
    """
    squeezed = _Squeezed()
    with tarfile.open(fileobj=squeezed, mode="w|", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted([MANIFEST, *bundle.manifest.files]):
            data = (bundle.path / name).read_bytes()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(data))
    return squeezed.finish()


def travels_bytes(data: bytes) -> int:
    """How many bytes a file is under the compression that a bundle travels with."""
    squeezed = _Squeezed()
    squeezed.write(data)
    return len(squeezed.finish())


class _Squeezed(io.RawIOBase):
    """A file that compresses what is written to it."""

    def __init__(self) -> None:
        self._compressor = lzma.LZMACompressor(preset=9 | lzma.PRESET_EXTREME)
        self._parts: list[bytes] = []

    def write(self, data: "ReadableBuffer", /) -> int:
        view = memoryview(data)
        self._parts.append(self._compressor.compress(view))
        return len(view)

    def finish(self) -> bytes:
        return b"".join([*self._parts, self._compressor.flush()])


@contextmanager
def _beside(out: Path, *, replace: bool) -> Iterator[Path]:
    """A fresh folder next to `out` that takes its place when the block ends well."""
    check_free(out, replace=replace)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise InputError(
            f"{out}: cannot be written: {error.strerror}; choose another --out"
        ) from error
    try:
        draft.chmod(0o755)
        yield draft
        if out.exists():
            old = Path(mkdtemp(prefix=f".{out.name}.", dir=out.parent))
            out.rename(old)
            try:
                draft.rename(out)
            except OSError:
                old.rename(out)
                raise
            shutil.rmtree(old)
        else:
            draft.rename(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def check_free(out: Path, *, replace: bool) -> None:
    """Says early that a bundle cannot be written to `out`.

    Raises:
        InputError: something stands there that must not be replaced.
    """
    if not out.exists():
        return
    is_empty = out.is_dir() and not any(out.iterdir())
    if is_empty or (replace and (out / MANIFEST).is_file()):
        return
    if replace:
        raise InputError(f"{out}: is there and is not a bundle; choose another --out")
    raise InputError(f"{out}: is already there; choose another --out, or say --force to replace it")
