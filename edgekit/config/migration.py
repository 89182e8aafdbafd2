"""Brings settings of an older version up to date: pure steps from each version to the next.

The loader applies them to what it read, so that an old file still runs; `edgekit config migrate`
applies the same steps to the file, through a document that keeps its comments.
"""

import copy
from collections.abc import Callable, MutableMapping
from typing import Any

from edgekit.errors import ConfigError

VERSION = 2
"""The version of the settings that this edgekit writes."""

Document = MutableMapping[str, Any]
"""A parsed TOML document, or anything that behaves like one."""


def migrated(
    document: MutableMapping[str, Any], *, source: str = "edgekit.toml"
) -> tuple[dict[str, Any], list[str]]:
    """A copy of the document in the form of version `VERSION`.

    What is not as its version has it is left alone: the schema says what is wrong with it.

    Args:
        document: the parsed file, of any version; without one it is version 1.
        source: what to call the file in an error.

    Returns:
        The copy, and one line for each change that was made; none where nothing had to change.

    Raises:
        ConfigError: the file's version is of the future, or no version.
    """
    result = dict(copy.deepcopy(document))
    return result, migrate_in_place(result, source=source)


def migrate_in_place(document: Document, *, source: str = "edgekit.toml") -> list[str]:
    """What `migrated` does, to the document itself.

    Returns:
        One line for each change but that of the version.

    Raises:
        ConfigError: as `migrated`.
    """
    version = version_of(document, source=source)
    changes = [line for step in _STEPS[version - 1 :] for line in step(document)]
    if version != VERSION or "version" not in document:
        document["version"] = VERSION
    return changes


def version_of(document: MutableMapping[str, Any], *, source: str = "edgekit.toml") -> int:
    """The version of a document: 1 where it says none.

    Raises:
        ConfigError: it is of the future, or no version.
    """
    version = document.get("version", 1)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ConfigError(source, [f"version: expected a number from 1 to {VERSION}"])
    if version > VERSION:
        mistake = (
            f"version: {version} is newer than this edgekit, which knows up to {VERSION}; "
            "update edgekit, or give it a file of that version"
        )
        raise ConfigError(source, [mistake])
    return int(version)


def _policy_into_source(document: Document) -> list[str]:
    """1 to 2: which samples wait is the source's own, since cameras and rows differ in it."""
    changes = []
    for name, pipeline in _tables(document.get("pipelines")):
        source = pipeline.get("source")
        if "policy" not in pipeline or not isinstance(source, MutableMapping):
            continue
        if "policy" in source:
            continue
        source["policy"] = pipeline.pop("policy")
        changes.append(
            f"pipelines.{name}.policy is now pipelines.{name}.source.policy "
            f"({source['policy']!r:.40})"
        )
    return changes


def _tables(value: Any) -> list[tuple[str, Document]]:
    """The tables in a table, by name."""
    if not isinstance(value, MutableMapping):
        return []
    return [(name, inner) for name, inner in value.items() if isinstance(inner, MutableMapping)]


_STEPS: tuple[Callable[[Document], list[str]], ...] = (_policy_into_source,)
"""The step at place n leads from version n + 1 to n + 2."""
