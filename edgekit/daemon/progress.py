"""Whether work moves: what feeds systemd's watchdog, and what does not."""

from collections.abc import Iterable

from edgekit.daemon.supervision import Supervised


def stuck_work(pipelines: Iterable[Supervised], *, longest_s: float) -> str | None:
    """Names a pipeline that has been at one sample for too long; `None` where all is well.

    A source that gives nothing is no stuck work: that is told as the pipeline's state, and is no
    reason to restart everything.
    """
    for pipeline in pipelines:
        busy_s = pipeline.runner.busy_s()
        if busy_s > longest_s:
            return f"pipeline {pipeline.name} has been at one sample for {busy_s:.0f} s"
    return None


def one_line(pipelines: Iterable[Supervised]) -> str:
    """The state of all pipelines, for `systemctl status`."""
    return ", ".join(
        f"{pipeline.name}: {pipeline.state} ({pipeline.runner.counts.predictions} predictions)"
        for pipeline in pipelines
    )
