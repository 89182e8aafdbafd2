"""What the daemon says of its work when it ends."""

import logging
from collections.abc import Iterable

from edgekit.daemon.metrics import skipped
from edgekit.daemon.supervision import Supervised
from edgekit.messaging.link import MqttLink

_log = logging.getLogger(__name__)


def sum_up(pipelines: Iterable[Supervised], link: MqttLink | None) -> bool:
    """Logs what each pipeline did; says whether anything was lost on the way."""
    losses = False
    for pipeline in pipelines:
        counts = pipeline.runner.counts
        _log.info(
            "pipeline %s: %d samples, %d skipped, %d refused, %d predictions, %d lost",
            pipeline.name,
            counts.taken,
            skipped(pipeline),
            counts.refused,
            counts.predictions,
            counts.lost,
        )
        losses |= bool(counts.refused or counts.lost or pipeline.runner.failure)
    if link is not None:
        sent = link.counts
        _log.info("mqtt: %d sent, %d dropped", sent.sent, sent.dropped)
        losses |= bool(sent.dropped)
    return losses
