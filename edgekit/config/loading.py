"""Loads `edgekit.toml`, and looks whether what it names is there."""

from collections.abc import Iterator
from pathlib import Path

from edgekit.bundle import open_bundle
from edgekit.config.checking import load_toml
from edgekit.config.schema import Settings
from edgekit.config.sinks import JsonlSink
from edgekit.config.sources import CsvSource, ImagesSource
from edgekit.errors import BundleError, ConfigError


def load_settings(path: Path) -> Settings:
    """Reads the settings.

    Raises:
        ConfigError: every mistake at once, each with the path of its key.
    """
    return load_toml(path, Settings)


def check_surroundings(settings: Settings, *, source: str) -> None:
    """Looks at the files that the settings name.

    Raises:
        ConfigError: every one that is missing or cannot serve.
    """
    mistakes = list(_missing(settings))
    if mistakes:
        raise ConfigError(source, mistakes)


def _missing(settings: Settings) -> Iterator[str]:
    if settings.mqtt is not None:
        for key in ("ca", "password_file"):
            file: Path | None = getattr(settings.mqtt, key)
            if file is not None and not file.is_file():
                yield f"mqtt.{key}: no such file: {file}"
    for name, pipeline in settings.pipelines.items():
        where = f"pipelines.{name}"
        source = pipeline.source
        if isinstance(source, ImagesSource):
            if not source.path.is_dir():
                yield f"{where}.source.path: no such folder: {source.path}"
        elif not source.path.is_file():
            yield f"{where}.source.path: no such file: {source.path}"
        for number, sink in enumerate(pipeline.sinks):
            if isinstance(sink, JsonlSink) and not sink.path.parent.is_dir():
                yield f"{where}.sinks[{number}].path: no such folder: {sink.path.parent}"
        try:
            manifest = open_bundle(pipeline.bundle).manifest
        except BundleError as error:
            yield f"{where}.bundle: {error}"
            continue
        takes_rows = isinstance(source, CsvSource)
        if takes_rows and manifest.input.window is None:
            yield f"{where}.source: gives rows, but {manifest.name} takes no windows of rows"
        if not takes_rows and manifest.input.picture is None:
            yield f"{where}.source: gives pictures, but {manifest.name} takes none"
