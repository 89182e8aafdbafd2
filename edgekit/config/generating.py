"""Writes a first `edgekit.toml`, with comments that say what to look at next."""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edgekit.config.checking import check
from edgekit.config.migration import VERSION
from edgekit.config.schema import Settings
from edgekit.errors import ConfigError, InputError

SourceKind = Literal[
    "camera", "picamera2", "rpicam", "rtsp", "video", "images", "csv", "stdin", "mqtt", "iio"
]

_PLACES = {
    "camera": "device",
    "rtsp": "url",
    "video": "path",
    "images": "path",
    "csv": "path",
    "mqtt": "topic",
    "iio": "device",
}
_NOTES = {
    "camera": "A path below /dev/v4l/by-id outlives re-plugging; `edgekit doctor` takes a picture.",
    "rtsp": 'User and password belong into a file: credentials_file = "camera.secret".',
    "video": "realtime = true plays it at its own speed.",
    "csv": "follow = true waits for rows that another program appends.",
    "mqtt": "A message a row; fields names the values of its JSON object, in the bundle's order.",
    "iio": "How often the sensor is read.",
}


@dataclass(frozen=True)
class Wish:
    """What a person wants a board to do.

    Attributes:
        bundle: the bundle's folder, as the file shall name it.
        source: where samples come from.
        place: the device, address, file, folder or topic of the source.
        pipeline: the name of the pipeline.
        fleet: the board's fleet.
        name: the board's name; by default the host's.
        broker: `host` or `host:port`; without one events go to a file.
        credentials: the `[device]` and `[mqtt]` tables that `edgekit provision` wrote, with paths
            as the file shall name them; they take the place of `fleet`, `name` and `broker`.
    """

    bundle: str
    source: SourceKind
    place: str | None = None
    pipeline: str = "main"
    fleet: str = "default"
    name: str | None = None
    broker: str | None = None
    credentials: dict[str, Any] | None = None


def settings_text(wish: Wish) -> str:
    """The text of a settings file that `load_settings` takes.

    Raises:
        InputError: the wish lacks a place, or the settings it makes cannot be.
    """
    tables = dict(wish.credentials or {})
    device = tables.get("device") or {"fleet": wish.fleet, **_given(name=wish.name)}
    mqtt = tables.get("mqtt") or (_broker(wish.broker) if wish.broker else None)
    sink = {"kind": "mqtt"} if mqtt else {"kind": "jsonl", "path": f"{wish.pipeline}.jsonl"}
    lines = [
        "# What this board does. `edgekit config check` finds mistakes, `edgekit doctor` looks",
        "# whether all of it works here. docs/configuration.md explains every setting.",
        f"version = {VERSION}",
        "",
        "[device]  # levels of every topic: edgekit/v1/<fleet>/<name>/...",
        *_pairs(device),
        "",
    ]
    if mqtt:
        lines += ["[mqtt]", *_pairs(mqtt), ""]
    else:
        lines += ["# [mqtt]", '# host = "broker.local"', ""]
    lines += [f"[pipelines.{_key(wish.pipeline)}]", f"bundle = {_text(wish.bundle)}"]
    if note := _NOTES.get(wish.source):
        lines.append(f"# {note}")
    lines += [f"source = {_inline(_source(wish))}", f"sinks = [{_inline(sink)}]"]
    text = "\n".join(lines) + "\n"
    try:
        check(tomllib.loads(text), Settings, source="edgekit config init", folder=Path())
    except (ConfigError, tomllib.TOMLDecodeError) as error:
        raise InputError(str(error)) from error
    return text


def _source(wish: Wish) -> dict[str, Any]:
    key = _PLACES.get(wish.source)
    source: dict[str, Any] = {"kind": wish.source}
    if key is None and wish.place is not None:
        raise InputError(f"a source of the kind {wish.source} has no place: leave out --at")
    if key is not None:
        place = "0" if wish.source == "camera" and wish.place is None else wish.place
        if place is None:
            raise InputError(f"a source of the kind {wish.source} needs its {key}: give --at")
        source[key] = int(place) if wish.source == "camera" and _is_number(place) else place
    if wish.source == "iio":
        source["interval_s"] = 1.0
    return source


def _broker(address: str) -> dict[str, Any]:
    host, mark, port = address.rpartition(":")
    if mark and _is_number(port) and ":" not in host:
        return {"host": host, "port": int(port)}
    return {"host": address.strip("[]")}


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 6


def _given(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _pairs(table: dict[str, Any]) -> list[str]:
    return [f"{key} = {_text(value)}" for key, value in table.items()]


def _inline(table: dict[str, Any]) -> str:
    return "{ " + ", ".join(_pairs(table)) + " }"


def _key(name: str) -> str:
    is_bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if is_bare else _text(name)


def _text(value: Any) -> str:
    """A TOML value: JSON's strings, numbers and booleans are TOML's but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
