"""Writes a recipe as the TOML file that `load_recipe` reads."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from edgekit.compress.recipe import Recipe


def recipe_toml(recipe: Recipe) -> str:
    """The text of a recipe file; what is at its default is left out, but for the steps.

    Paths are written out whole, so that the file may lie anywhere.
    """
    usual = _plain(Recipe())
    document = _without_defaults(_plain(recipe), usual)
    document["steps"] = [
        _without_defaults(_plain(step), _plain(type(step)()), keep="do") for step in recipe.steps
    ]
    return "\n".join(_lines(document)) + "\n"


def _plain(struct: msgspec.Struct) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(struct, enc_hook=_absolute)
    return plain


def _absolute(value: object) -> str:
    if isinstance(value, Path):
        return str(value.absolute())
    raise NotImplementedError(f"a recipe holds no {type(value).__name__}")


def _without_defaults(
    values: Mapping[str, Any], usual: Mapping[str, Any], *, keep: str = ""
) -> dict[str, Any]:
    return {
        key: _without_defaults(value, usual[key])
        if isinstance(value, dict) and isinstance(usual.get(key), dict)
        else value
        for key, value in values.items()
        if key == keep or value != usual.get(key)
    }


def _lines(table: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """A table's own values first, then its tables, as TOML wants it."""
    tables: dict[str, Any] = {}
    for key, value in table.items():
        if value is None:
            continue
        is_list_of_tables = isinstance(value, list) and value and isinstance(value[0], dict)
        if isinstance(value, dict) or is_list_of_tables:
            tables[key] = value
        else:
            yield f"{_key(key)} = {_value(value)}"
    for key, value in tables.items():
        name = f"{path}.{_key(key)}".lstrip(".")
        for inner in [value] if isinstance(value, dict) else value:
            yield ""
            yield f"[{name}]" if isinstance(value, dict) else f"[[{name}]]"
            yield from _lines(inner, name)


def _key(key: str) -> str:
    is_bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if is_bare else _text(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return repr(value)


def _text(text: str) -> str:
    """A basic string: JSON's escapes are TOML's too, but for DEL and pairs of surrogates."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
