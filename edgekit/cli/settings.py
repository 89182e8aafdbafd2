"""Command-line options made from the settings of a recipe's steps."""

import inspect
import re
import types
import typing
from collections.abc import Callable
from typing import Any, Literal

import click
import msgspec

_ARGUMENT = re.compile(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", re.MULTILINE)


def options_of(kind: type[msgspec.Struct], function: Callable[..., Any]) -> list[click.Option]:
    """An option for each setting, with the help that the function's docstring gives.

    Args:
        kind: the step's settings.
        function: what does the step.
    """
    texts = _described(function)
    return [_option(field, texts.get(field.name)) for field in msgspec.structs.fields(kind)]


def settings_from(kind: type[msgspec.Struct], values: dict[str, Any]) -> Any:
    """The settings that were given on the command line; the others stay at their defaults.

    Raises:
        click.BadParameter: names the option that is wrong.
    """
    given: dict[str, Any] = {"do": kind.__struct_config__.tag}
    for field in msgspec.structs.fields(kind):
        value = values.get(field.name)
        if value is None or value == ():
            continue
        is_table = typing.get_origin(_plain(field.type)) is dict
        given[field.name] = dict(_pair(item, field.name) for item in value) if is_table else value
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$.")
        raise click.BadParameter(
            text[:1].lower() + text[1:], param_hint=_flag(place.partition("[")[0].rstrip("`"))
        ) from error


def summary_of(function: Callable[..., Any]) -> str:
    """The first paragraph of a docstring."""
    return (inspect.getdoc(function) or "").partition("\n\n")[0]


def _option(field: msgspec.structs.FieldInfo, text: str | None) -> click.Option:
    kind = _plain(field.type)
    default = field.default
    has_default = default not in (msgspec.NODEFAULT, None, ())
    text = f"{text} [{default}]" if text and has_default and kind is not bool else text
    if kind is bool:
        flag = _flag(field.name)
        return click.Option([f"{flag}/--no-{flag[2:]}"], default=None, help=text)
    if typing.get_origin(kind) is Literal:
        choices = click.Choice([str(choice) for choice in typing.get_args(kind)])
        return click.Option([_flag(field.name)], type=choices, help=text)
    if typing.get_origin(kind) is dict:
        values = _plain(typing.get_args(kind)[1])
        names = typing.get_args(values) if typing.get_origin(values) is Literal else ("VALUE",)
        metavar = f"NAME={'|'.join(map(str, names))}"
        return click.Option([_flag(field.name)], multiple=True, metavar=metavar, help=text)
    if typing.get_origin(kind) in (tuple, list):
        return click.Option([_flag(field.name)], multiple=True, help=text)
    plain = kind if kind in (int, float) else str
    return click.Option([_flag(field.name)], type=plain, help=text)


def _plain(kind: Any) -> Any:
    """A type without its constraints, and without None."""
    while typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        inner = [one for one in typing.get_args(kind) if one is not type(None)]
        return _plain(inner[0])
    return kind


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _pair(item: str, name: str) -> tuple[str, str]:
    key, mark, value = item.rpartition("=")
    if not mark or not key:
        raise click.BadParameter(f"{item!r} is not NAME=VALUE", param_hint=_flag(name))
    return key, value


def _described(function: Callable[..., Any]) -> dict[str, str]:
    """The entries of a docstring's Args section, each on one line."""
    section = (inspect.getdoc(function) or "").partition("\nArgs:\n")[2].partition("\n\n")[0]
    return {name: " ".join(text.split()) for name, text in _ARGUMENT.findall(section)}
