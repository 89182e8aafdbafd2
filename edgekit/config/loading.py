"""Loads `edgekit.toml`, and looks whether what it names is there."""

import logging
from collections.abc import Iterator
from pathlib import Path

from edgekit.bundle import Manifest, open_bundle
from edgekit.config.checking import check, read_toml
from edgekit.config.migration import migrated
from edgekit.config.picture_sources import PictureSource, picture_source_mistakes
from edgekit.config.prediction_stages import PredictionStage
from edgekit.config.row_sources import CsvSource, RowSource, column_mistakes
from edgekit.config.rule_checks import check_rules
from edgekit.config.sample_stages import MotionStage, WindowStage
from edgekit.config.schema import PipelineSettings, Settings
from edgekit.config.sinks import JsonlSink
from edgekit.config.stage_checks import check_stage
from edgekit.errors import BundleError, ConfigError
from edgekit.pipeline.rules.readings import Readable, readable_of

_log = logging.getLogger(__name__)


def load_settings(path: Path) -> Settings:
    """Reads the settings; those of an older version are brought up to date, with a warning.

    Raises:
        ConfigError: every mistake at once, each with the path of its key.
    """
    document, changes = migrated(read_toml(path), source=str(path))
    for change in changes:
        _log.warning("%s: %s; `edgekit config migrate` rewrites the file", path, change)
    return check(document, Settings, source=str(path), folder=path.parent)


def check_surroundings(settings: Settings, *, source: str) -> None:
    """Looks at the files that the settings name.

    Raises:
        ConfigError: every one that is missing or cannot serve, and what does not fit it.
    """
    mistakes = list(_mistakes(settings))
    if mistakes:
        raise ConfigError(source, mistakes)


def _mistakes(settings: Settings) -> Iterator[str]:
    for key in ("ca", "certificate", "key", "password_file"):
        file: Path | None = getattr(settings.mqtt, key, None)
        if file is not None and not file.is_file():
            yield f"mqtt.{key}: no such file: {file}"
    if (key_file := settings.commands.key_file) is not None and not key_file.is_file():
        yield f"commands.key_file: no such file: {key_file}"
    readables: dict[str, Readable | None] = {}
    for name, pipeline in settings.pipelines.items():
        where = f"pipelines.{name}"
        readables[name] = None
        yield from _missing_files(where, pipeline)
        try:
            bundle = open_bundle(pipeline.bundle)
        except BundleError as error:
            yield f"{where}.bundle: {error}"
            continue
        readables[name] = readable_of(bundle.manifest, bundle.labels())
        yield from _misfits(where, pipeline, bundle.manifest, readables[name])
    for name, mcu in settings.mcu.items():
        readables[name] = mcu.readable
        yield from _missing_folders(f"mcu.{name}", mcu.sinks)
    for name, fusion in settings.fusion.items():
        yield from _missing_folders(f"fusion.{name}", fusion.sinks)
    for name, rule in settings.rules.items():
        yield from _missing_folders(f"rules.{name}", rule.sinks)
    yield from check_rules(
        pipelines=readables, fusion=settings.fusion, facts=settings.facts, rules=settings.rules
    )


def _missing_files(where: str, pipeline: PipelineSettings) -> Iterator[str]:
    source = pipeline.source
    if isinstance(source, CsvSource):
        if not source.follow and not source.path.is_file():
            yield f"{where}.source.path: no such file: {source.path}"
    elif isinstance(source, PictureSource):
        for mistake in picture_source_mistakes(source):
            yield f"{where}.source.{mistake}"
    yield from _missing_folders(where, pipeline.sinks)


def _missing_folders(where: str, sinks: tuple[object, ...]) -> Iterator[str]:
    for number, sink in enumerate(sinks):
        if isinstance(sink, JsonlSink) and not sink.path.parent.is_dir():
            yield f"{where}.sinks[{number}].path: no such folder: {sink.path.parent}"


def _misfits(
    where: str, pipeline: PipelineSettings, manifest: Manifest, readable: Readable | None
) -> Iterator[str]:
    """What of a pipeline does not go with its bundle."""
    source, window = pipeline.source, manifest.input.window
    if isinstance(source, RowSource):
        if window is None:
            yield f"{where}.source: gives rows, but {manifest.name} takes no windows of rows"
        else:
            for mistake in column_mistakes(source, window.columns):
                yield f"{where}.source.{mistake}"
    elif manifest.input.picture is None:
        yield f"{where}.source: gives pictures, but {manifest.name} takes none"
    for number, stage in enumerate(pipeline.stages):
        at = f"{where}.stages[{number}]"
        if isinstance(stage, MotionStage) and isinstance(source, RowSource):
            yield f"{at}: looks for motion in pictures, but the source gives rows"
        elif isinstance(stage, WindowStage) and not isinstance(source, RowSource):
            yield f"{at}: makes windows of rows, but the source gives pictures"
        elif isinstance(stage, PredictionStage) and readable is not None:
            yield from check_stage(at, stage, readable)
