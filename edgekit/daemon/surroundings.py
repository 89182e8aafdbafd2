"""Opens what surrounds the daemon: commands, twin, Home Assistant, Sparkplug, Prometheus."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack

from edgekit import __version__
from edgekit.config.schema import Settings
from edgekit.daemon.assembly.broker import mqtt_settings
from edgekit.daemon.assembly.pipelines import Workshop
from edgekit.daemon.remote import Remote
from edgekit.messaging.payloads import Metrics
from edgekit.pipeline.message import infer_of
from edgekit.pipeline.parts import Inference
from edgekit.runtime.session import Session


class Surroundings:
    """What settings ask for beside pipelines; each library is imported where it is used.

    Attributes:
        on_metrics: who takes each metrics message besides the broker.
        on_inference: who hears each prediction.
    """

    def __init__(self) -> None:
        self.on_metrics: list[Callable[[Metrics], None]] = []
        self.on_inference: list[Callable[[Inference], None]] = []

    def open(
        self,
        settings: Settings,
        workshop: Workshop,
        sessions: Mapping[str, Session],
        remote: Remote,
        read_metrics: Callable[[], Metrics],
        resources: ExitStack,
    ) -> None:
        """Opens them, until the resources are closed.

        Raises:
            ConfigError: a library is missing, or a key file cannot be read.
            Unavailable: a port is taken.
        """
        tasks = {name: session.bundle.manifest.task for name, session in sessions.items()}
        tasks |= {name: table.task for name, table in settings.mcu.items()}
        if settings.prometheus is not None:
            from edgekit.daemon.prometheus import MetricsExporter

            table = settings.prometheus
            exporter = MetricsExporter(read_metrics, host=table.host, port=table.port)
            resources.enter_context(exporter)
        if settings.mqtt is not None and settings.sparkplug is not None:
            from edgekit.messaging.sparkplug import SparkplugNode

            node = SparkplugNode(
                mqtt_settings(settings.mqtt),
                group=settings.sparkplug.group,
                node=settings.sparkplug.node or settings.device.name,
                pipelines=tasks,
                state=workshop.state,
            )
            resources.enter_context(node)
            self.on_metrics.append(node.measured)
            self.on_inference.append(lambda inference: node.predicted(infer_of(inference)))
        link = workshop.link
        if link is None:
            return
        if settings.home_assistant is not None:
            from edgekit.messaging.discovery import Shown
            from edgekit.messaging.home_assistant import HomeAssistant

            shown = Shown(
                name=settings.home_assistant.name or settings.device.name,
                software=__version__,
                pipelines=tasks,
                rules=tuple(settings.rules),
                area=settings.home_assistant.area,
            )
            resources.enter_context(
                HomeAssistant(
                    link,
                    workshop.topics,
                    shown,
                    enabled=settings.home_assistant.enabled,
                    prefix=settings.home_assistant.prefix,
                )
            )
        if settings.twin.allow:
            from edgekit.messaging.twin import Twin

            twin = Twin(
                link,
                workshop.topics,
                remote.apply,
                boot=workshop.boot,
                allow=settings.twin.allow,
                pipelines=tuple(sessions),
                state=workshop.state,
            )
            resources.enter_context(twin)
        if settings.commands.allow:
            from edgekit.messaging.commands import Commands

            resources.enter_context(
                Commands(
                    link,
                    workshop.topics,
                    settings.commands.settings(),
                    remote.handlers,
                    boot=workshop.boot,
                )
            )
