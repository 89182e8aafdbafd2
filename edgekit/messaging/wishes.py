"""Which of the settings wished from afar a board takes, and why it refuses the others."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import msgspec

from edgekit.messaging.payloads import TwinPipeline, TwinSettings

_Path = tuple[str, ...]
_LONGEST_PATH = 200
_MOST_REFUSALS = 64


@dataclass(frozen=True)
class Judgement:
    """What became of a wish.

    Attributes:
        settings: what may be applied.
        refused: why each of the others may not, by its path (`pipelines.door.max_hz`).
    """

    settings: TwinSettings
    refused: Mapping[str, str] = field(default_factory=dict)

    def without(self, refused: Mapping[str, str]) -> "Judgement":
        """The same, with some more refused, by their paths."""
        kept = {
            path: value
            for path, value in _leaves(msgspec.to_builtins(self.settings))
            if ".".join(path) not in refused
        }
        return Judgement(_settings(kept), {**self.refused, **refused})


def judge(
    wish: Mapping[str, Any], *, allow: Collection[str], pipelines: Collection[str]
) -> Judgement:
    """Takes each key by itself, so that a bad one spoils no other.

    Args:
        wish: the `settings` of a `twin/desired` message.
        allow: the keys that may be changed, by their last names (`max_hz`).
        pipelines: the names of the board's pipelines.
    """
    taken: dict[_Path, Any] = {}
    refused: dict[str, str] = {}
    for path, value in _leaves(wish):
        try:
            taken[path] = _accepted(path, value, allow, pipelines)
        except ValueError as error:
            if len(refused) < _MOST_REFUSALS:
                refused[".".join(path)[:_LONGEST_PATH]] = str(error)[:_LONGEST_PATH]
    return Judgement(_settings(taken), refused)


def _leaves(wish: Mapping[str, Any]) -> Iterator[tuple[_Path, Any]]:
    for key, value in wish.items():
        if key != "pipelines" or not isinstance(value, dict):
            yield (key,), value
            continue
        for name, changes in value.items():
            if not isinstance(changes, dict):
                yield (key, name), changes
                continue
            for inner, one in changes.items():
                yield (key, name, inner), one


def _accepted(path: _Path, value: Any, allow: Collection[str], pipelines: Collection[str]) -> Any:
    """The value, of the type that its key takes.

    Raises:
        ValueError: it is not taken; says why.
    """
    if path == ("pipelines",) or len(path) == 2:
        raise ValueError("has to be an object")
    types = _PIPELINE_TYPES if len(path) == 3 else _BOARD_TYPES
    key = path[-1]
    if key not in types:
        close = get_close_matches(key, types, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(types))}"
        raise ValueError(f"unknown setting; {hint}")
    if len(path) == 3 and path[1] not in pipelines:
        raise ValueError("this board has no such pipeline")
    if key not in allow:
        raise ValueError(f"not allowed: [twin] allow does not name {key}")
    if value is None:
        raise ValueError("null says nothing; leave the key out")
    try:
        return msgspec.convert(value, types[key])
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


def _settings(leaves: Mapping[_Path, Any]) -> TwinSettings:
    nested: dict[str, Any] = {}
    for (*place, key), value in leaves.items():
        inner = nested
        for name in place:
            inner = inner.setdefault(name, {})
        inner[key] = value
    return msgspec.convert(nested, TwinSettings)


def _types(schema: type[msgspec.Struct]) -> dict[str, Any]:
    return {one.name: one.type for one in msgspec.structs.fields(schema)}


_PIPELINE_TYPES = _types(TwinPipeline)
_BOARD_TYPES = {key: type_ for key, type_ in _types(TwinSettings).items() if key != "pipelines"}
