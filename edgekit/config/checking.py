"""Checks a settings document against a schema and reports every mistake in it at once."""

import tomllib
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from edgekit.errors import ConfigError

T = TypeVar("T")
_Hook = Callable[[type, Any], Any]


def load_toml(path: Path, schema: type[T]) -> T:
    """Reads a TOML file into a msgspec struct; `Path` values are taken from the file's folder.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or has mistakes: all of them.
    """
    return check(read_toml(path), schema, source=str(path), folder=path.parent)


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as it is.

    Raises:
        ConfigError: the file cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise ConfigError(str(path), [f"cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), [f"is not UTF-8 text: {error.reason}"]) from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(str(path), [f"is not valid TOML: {error}"]) from error


def check(document: Mapping[str, Any], schema: type[T], *, source: str, folder: Path) -> T:
    """Turns a parsed document into a msgspec struct.

    Raises:
        ConfigError: one line for every mistake, each with the path of its key.
    """

    def hook(kind: type, value: Any) -> Any:
        if kind is Path and isinstance(value, str):
            if not value or "\0" in value:
                raise ValueError("Expected a path")
            try:
                return folder / Path(value).expanduser()
            except RuntimeError as error:  # ~name of nobody
                raise ValueError(f"Expected a path: {error}") from error
        raise ValueError(f"Expected `{kind.__name__}`")

    mistakes = list(_mistakes(document, schema, "", hook))
    if mistakes:
        raise ConfigError(source, mistakes)
    return msgspec.convert(document, schema, dec_hook=hook)


def nearest(word: str, known: Sequence[str]) -> str:
    """What to say after an unknown name: the nearest known one, or all there are."""
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]}?"
    return f"there are {', '.join(sorted(known))}" if known else "none is known here"


def _mistakes(value: Any, schema: Any, path: str, hook: _Hook) -> Iterator[str]:
    """Walks value and schema together; leaves are msgspec's to judge."""
    count = 0
    for mistake in _mistakes_inside(value, schema, path, hook):
        count += 1
        yield mistake
    if count == 0:
        try:
            msgspec.convert(value, schema, dec_hook=hook)
        except msgspec.ValidationError as error:
            yield _at(path, _plain(str(error)))


def _mistakes_inside(value: Any, schema: Any, path: str, hook: _Hook) -> Iterator[str]:
    members = _members(schema)
    structs = [member for member in members if _is_struct(member)]
    if structs and isinstance(value, dict):
        struct: Any = structs[0]
        tag = struct.__struct_config__.tag_field
        if tag is not None:
            by_tag = {kind.__struct_config__.tag: kind for kind in structs}
            if tag not in value:
                yield _at(_join(path, tag), f"is missing: {', '.join(by_tag)}")
                return
            if value[tag] not in by_tag:
                known = nearest(str(value[tag]), list(by_tag))
                yield _at(_join(path, tag), f"{value[tag]!r} is unknown; {known}")
                return
            struct = by_tag[value[tag]]
        yield from _struct_mistakes(value, struct, path, hook, tag)
        return
    for member in members:
        origin, arguments = typing.get_origin(member), typing.get_args(member)
        if origin is dict and isinstance(value, dict):
            for key, item in value.items():
                yield from _mistakes(key, arguments[0], f"{path}.{key}".lstrip("."), hook)
                yield from _mistakes(item, arguments[1], _join(path, str(key)), hook)
        elif origin in (list, tuple) and isinstance(value, list) and arguments:
            for number, item in enumerate(value):
                yield from _mistakes(item, arguments[0], f"{path}[{number}]", hook)


def _struct_mistakes(
    value: dict[str, Any], struct: Any, path: str, hook: _Hook, tag: str | None
) -> Iterator[str]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for key, item in value.items():
        if key in fields:
            yield from _mistakes(item, fields[key].type, _join(path, key), hook)
        elif key != tag:
            yield _at(_join(path, key), f"unknown setting; {nearest(key, list(fields))}")
    for name, field in fields.items():
        if field.required and name not in value:
            yield _at(_join(path, name), "is missing")


def _members(schema: Any) -> list[Any]:
    """The alternatives of a union, without annotations; any other type alone."""
    if typing.get_origin(schema) is typing.Annotated:
        return _members(typing.get_args(schema)[0])
    if typing.get_origin(schema) in (typing.Union, types.UnionType):
        return [inner for member in typing.get_args(schema) for inner in _members(member)]
    return [schema]


def _is_struct(schema: Any) -> bool:
    return isinstance(schema, type) and issubclass(schema, msgspec.Struct)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _at(path: str, text: str) -> str:
    return f"{path}: {text}" if path else text


def _plain(text: str) -> str:
    """Msgspec's message without its own idea of the place."""
    text = text.partition(" - at `")[0]
    return text[:1].lower() + text[1:]
