"""Writes files into a folder so that all of them are there, or none is new."""

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp

from edgekit.errors import InputError


def write_all(out: Path, texts: Mapping[str, str], *, replace: bool) -> None:
    """Puts text files into a folder, which is made if it is not there.

    Each is written whole beside its place before the first is moved there.

    Args:
        out: the folder; what else is in it stays.
        texts: by file name.
        replace: whether files of these names give way.

    Raises:
        InputError: a file is there already, or the folder cannot be written.
    """
    require_free(out, texts, replace=replace)
    made = not out.exists()
    draft: Path | None = None
    try:
        out.mkdir(parents=True, exist_ok=True)
        draft = Path(mkdtemp(dir=out, prefix=".edgekit-"))
        for name, text in texts.items():
            (draft / name).write_text(text, encoding="ascii", newline="\n")
        for name in texts:
            os.replace(draft / name, out / name)  # noqa: PTH105 - Path.replace gives no less
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error.strerror or error}") from error
    finally:
        if draft is not None:
            for left in draft.iterdir():
                left.unlink()
            draft.rmdir()
        if made and out.is_dir() and not any(out.iterdir()):
            out.rmdir()


def require_free(out: Path, names: Mapping[str, str], *, replace: bool) -> None:
    """Refuses to write over what is there.

    Raises:
        InputError: says what is in the way.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; choose a folder with --out")
    for name in names:
        if (out / name).is_dir() or ((out / name).exists() and not replace):
            raise InputError(f"{out / name}: is there already; say --force, or another --out")
