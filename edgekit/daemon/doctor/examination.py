"""The whole examination, in an order in which the first problem is likely the cause of the next."""

from collections.abc import Iterator
from pathlib import Path

from edgekit.bundle import open_bundle
from edgekit.config.loading import check_surroundings, load_settings
from edgekit.config.schema import Settings
from edgekit.config.sources import PictureSource
from edgekit.daemon.assembly.broker import mqtt_settings
from edgekit.daemon.doctor.broker import look_at_broker
from edgekit.daemon.doctor.bundles import look_at_bundle
from edgekit.daemon.doctor.cameras import look_at_pictures
from edgekit.daemon.doctor.disk import look_at_disk
from edgekit.daemon.doctor.finding import Finding, ok, problem
from edgekit.daemon.doctor.host import (
    look_at_clock,
    look_at_memory,
    look_at_power,
    look_at_service,
    look_at_temperature,
    look_at_versions,
)
from edgekit.errors import BundleError, ConfigError
from edgekit.messaging.topics import Topics

_USUAL_STATE = Path("/var/lib/edgekit")


def examine(config: Path | None, *, within_s: float = 15.0) -> Iterator[Finding]:
    """Looks at the board, and at all that the settings name; gives each finding as it comes.

    Args:
        config: the settings; without them only the board is looked at.
        within_s: how long to wait for a picture.
    """
    yield from look_at_versions()
    yield look_at_clock()
    yield look_at_memory()
    yield look_at_temperature()
    yield look_at_power()
    yield look_at_service()
    settings = None
    if config is not None:
        try:
            settings = load_settings(config)
            check_surroundings(settings, source=str(config))
            yield ok("settings", f"{config}: in order")
        except ConfigError as error:
            for mistake in error.mistakes:
                yield problem("settings", mistake, f"correct {config}")
    usual = _USUAL_STATE if _USUAL_STATE.is_dir() else None
    yield from look_at_disk((settings.state if settings else None) or usual)
    if settings is not None:
        yield from _pipelines(settings, within_s)
        yield from _broker(settings)


def _pipelines(settings: Settings, within_s: float) -> Iterator[Finding]:
    for name, pipeline in settings.pipelines.items():
        where = f"pipelines.{name}"
        yield look_at_bundle(f"{where}.bundle", pipeline.bundle)
        source = pipeline.source
        if not isinstance(source, PictureSource):
            continue
        try:
            rule = open_bundle(pipeline.bundle).manifest.input.picture
        except BundleError:
            continue  # said above
        if rule is not None:
            yield from look_at_pictures(f"{where}.source", source, rule, within_s=within_s)


def _broker(settings: Settings) -> Iterator[Finding]:
    if settings.mqtt is None:
        yield ok("broker", "none in the settings")
        return
    try:
        broker = mqtt_settings(settings.mqtt)
    except ConfigError as error:
        for mistake in error.mistakes:
            yield problem("broker", mistake, "correct [mqtt]")
        return
    yield from look_at_broker(broker, Topics(settings.device.fleet, settings.device.name))
