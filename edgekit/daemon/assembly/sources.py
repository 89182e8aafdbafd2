"""Builds sources from their settings."""

from edgekit.bridge.ports import Ports
from edgekit.bundle import Manifest
from edgekit.config.row_sources import ColumnTopic as ColumnSettings
from edgekit.config.row_sources import CsvSource as CsvSettings
from edgekit.config.row_sources import IioSource as IioSettings
from edgekit.config.row_sources import MqttRowSource, StdinSource
from edgekit.config.row_sources import RowSource as RowSettings
from edgekit.config.row_sources import SerialSource as SerialSettings
from edgekit.config.sources import Source as SourceSettings
from edgekit.errors import ConfigError, InputError
from edgekit.messaging.link import MqttLink
from edgekit.pipeline.capture.source import CaptureSource
from edgekit.pipeline.parts import Source
from edgekit.pipeline.sources.csv import CsvSource
from edgekit.pipeline.sources.mqtt_rows import ColumnTopic, MergedRows, MessageRows, WholeRows


def make_source(
    name: str,
    settings: SourceSettings,
    manifest: Manifest,
    link: MqttLink | None,
    ports: Ports,
) -> Source:
    """The source of a pipeline.

    Args:
        name: the pipeline's name.
        settings: the source's table.
        manifest: of the bundle, which says what a sample must be.
        link: to the broker, for a source that listens there.
        ports: of the board's microcontrollers.

    Raises:
        ConfigError: the source does not give what the bundle takes.
    """
    where, spec = f"pipelines.{name}.source", manifest.input
    if isinstance(settings, RowSettings):
        if spec.window is None:
            raise ConfigError(where, [f"gives rows, but {manifest.name} takes no windows"])
        return _rows(where, settings, spec.window.columns, link, ports)
    if spec.picture is None:
        raise ConfigError(where, [f"gives pictures, but {manifest.name} takes none"])
    return CaptureSource(settings, rule=spec.picture)


def _rows(
    where: str,
    settings: RowSettings,
    wanted: tuple[str, ...],
    link: MqttLink | None,
    ports: Ports,
) -> Source:
    """A source of rows; those that only some boards use are imported here."""
    match settings:
        case CsvSettings(follow=True):
            from edgekit.pipeline.sources.follow import CsvFollower

            columns = _as_many(where, "columns", settings.columns, wanted)
            return CsvFollower(settings.path, columns=columns, time_column=settings.time_column)
        case CsvSettings():
            columns = _as_many(where, "columns", settings.columns, wanted)
            return CsvSource(
                settings.path,
                columns=columns,
                time_column=settings.time_column,
                interval_s=settings.interval_s,
            )
        case StdinSource():
            from edgekit.pipeline.sources.stdin import StdinSource as StdinReader

            return StdinReader(
                columns=_as_many(where, "columns", settings.columns, wanted),
                time_column=settings.time_column,
                line_format=settings.format,
            )
        case IioSettings():
            from edgekit.pipeline.sources.iio import IioSource

            return IioSource(
                settings.device,
                channels=_as_many(where, "channels", settings.channels, wanted),
                interval_s=settings.interval_s,
            )
        case MqttRowSource():
            from edgekit.pipeline.sources.mqtt import MqttSource

            assert link is not None, "the settings' schema refuses an mqtt source without a broker"
            return MqttSource(
                link,
                _message_rows(where, settings, wanted),
                qos=settings.qos,
                capacity=settings.max_queued,
                takes_retained=settings.retained,
            )
        case SerialSettings():
            return _serial(where, settings, wanted, ports)


def _serial(where: str, settings: SerialSettings, wanted: tuple[str, ...], ports: Ports) -> Source:
    from edgekit.bridge.libraries import need_libraries
    from edgekit.pipeline.sources.serial import SerialSource

    try:
        need_libraries()
        port = ports.get(settings.port, baud=settings.baud, user=where.split(".")[1])
    except InputError as error:
        raise ConfigError(where, [str(error)]) from error
    return SerialSource(
        port,
        columns=_as_many(where, "columns", settings.columns, wanted),
        rate_hz=settings.rate_hz,
        capacity=settings.max_queued,
    )


def _message_rows(where: str, settings: MqttRowSource, wanted: tuple[str, ...]) -> MessageRows:
    if settings.topic is not None:
        is_number = settings.fields is None and len(wanted) == 1
        fields = (None,) if is_number else _as_many(where, "fields", settings.fields, wanted)
        return WholeRows(settings.topic, fields, time_field=settings.time_field)
    named = settings.columns or {}
    if missing := sorted(set(wanted) ^ set(named)):
        raise ConfigError(where, [f"columns: {', '.join(missing)} do not fit the bundle"])
    columns = {name: _column_topic(named[name]) for name in wanted}
    return MergedRows(
        columns,
        interval_s=settings.interval_s,
        time_field=settings.time_field,
        **({} if settings.max_age_s is None else {"max_age_s": settings.max_age_s}),
    )


def _column_topic(told: str | ColumnSettings) -> ColumnTopic:
    if isinstance(told, str):
        return ColumnTopic(told)
    return ColumnTopic(told.topic, told.field)


def _as_many(
    where: str, key: str, named: tuple[str, ...] | None, wanted: tuple[str, ...]
) -> tuple[str, ...]:
    if named is not None and len(named) != len(wanted):
        mistake = f"{key}: names {len(named)}, the bundle takes {len(wanted)}: {', '.join(wanted)}"
        raise ConfigError(where, [mistake])
    return named or wanted
