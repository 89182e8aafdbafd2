"""Rewrites a settings file in the form of today's version, with its comments."""

import os
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.config.migration import VERSION, migrate_in_place, migrated, version_of
from edgekit.errors import ConfigError, InputError


@dataclass(frozen=True)
class Rewritten:
    """What became of a file.

    Attributes:
        changes: one line for each.
        backup: where the old file is; `None` where nothing had to change.
    """

    changes: tuple[str, ...]
    backup: Path | None


def rewrite_settings(path: Path) -> Rewritten:
    """Migrates a settings file in place: all or nothing, and the old one is kept beside it.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or is of the future.
        InputError: the new file cannot be written.
    """
    try:
        path = path.resolve(strict=True)  # a link stays a link
        text = path.read_bytes().decode()
        version = version_of(tomllib.loads(text), source=str(path))
    except OSError as error:
        raise ConfigError(str(path), [f"cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), [f"is not UTF-8 text: {error.reason}"]) from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(str(path), [f"is not valid TOML: {error}"]) from error
    if version == VERSION:
        return Rewritten((), None)
    new, changes = rewritten(text, source=str(path))
    try:
        backup = _keep(path, version)
        _replace(path, new)
    except OSError as error:
        raise InputError(f"{path}: cannot be rewritten: {error.strerror}") from error
    return Rewritten((*changes, f"version = {VERSION}"), backup)


def rewritten(text: str, *, source: str = "edgekit.toml") -> tuple[str, list[str]]:
    """The text of a settings file in the form of today's version, and what was changed.

    Raises:
        ConfigError: the text is of the future, or cannot be rewritten without changing what it
            says.
    """
    import tomlkit

    wanted, _ = migrated(tomllib.loads(text), source=source)
    try:
        document = tomlkit.parse(text)
        remarks = _remarks(document)
        changes = migrate_in_place(document, source=source)
        _restore(document, remarks)
        new = tomlkit.dumps(document)
        is_faithful = tomllib.loads(new) == wanted
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        is_faithful = False  # the library chokes on rare forms of TOML
    if not is_faithful:
        mistake = "is written in a way that cannot be rewritten; change it by hand: " + "; ".join(
            migrated(tomllib.loads(text), source=source)[1] + [f"version = {VERSION}"]
        )
        raise ConfigError(source, [mistake])
    return new, changes


def _remarks(document: Any) -> dict[str, str]:
    """The comments behind settings that may move into an inline table, which can hold none."""
    remarks = {}
    for name, pipeline in _pipelines(document):
        item = pipeline.item("policy") if "policy" in pipeline else None
        if item is not None and item.trivia.comment:
            remarks[name] = item.trivia.comment
    return remarks


def _restore(document: Any, remarks: dict[str, str]) -> None:
    from tomlkit.items import InlineTable

    for name, pipeline in _pipelines(document):
        source = pipeline.get("source")
        if name in remarks and "policy" not in pipeline and isinstance(source, InlineTable):
            said = source.trivia.comment
            source.comment(
                f"{said.lstrip('# ')}; {remarks[name].lstrip('# ')}" if said else remarks[name]
            )


def _pipelines(document: Any) -> list[tuple[str, Any]]:
    from tomlkit.items import Table

    pipelines = document.get("pipelines")
    if not isinstance(pipelines, Table):
        return []
    return [(name, table) for name, table in pipelines.items() if isinstance(table, Table)]


def _keep(path: Path, version: int) -> Path:
    """Copies the file to a name that is free."""
    data = path.read_bytes()
    number = 0
    while True:
        suffix = f".{number}" if number else ""
        backup = path.with_name(f"{path.name}.v{version}{suffix}")
        try:
            with backup.open("xb") as file:
                os.fchmod(file.fileno(), path.stat().st_mode & 0o777)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            number += 1
        else:
            return backup


def _replace(path: Path, text: str) -> None:
    status = path.stat()
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, status.st_mode & 0o777)
            if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(descriptor, status.st_uid, status.st_gid)
            file.write(text.encode())
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
