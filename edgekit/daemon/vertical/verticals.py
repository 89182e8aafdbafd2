"""The jobs in which a board has features that others lack."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from edgekit.bundle import InputSpec
from edgekit.config.vertical import VerticalTable
from edgekit.daemon.assembly.pipelines import Pipeline
from edgekit.daemon.vertical.board import VerticalBoard
from edgekit.errors import EdgekitError
from edgekit.messaging.topics import Topics
from edgekit.messaging.wire import Wire
from edgekit.pipeline.parts import Inference, Sample

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Job:
    table: VerticalTable
    spec: InputSpec
    board: VerticalBoard


class Verticals:
    """Inside its `with` block the board answers the label holders of its jobs.

    Args:
        state: the state directory.
        link: to the broker.
        topics: the board's.
        pipelines: gives those that run, by name.
    """

    def __init__(
        self,
        state: Path,
        *,
        link: Wire,
        topics: Topics,
        pipelines: Callable[[], Mapping[str, Pipeline]],
    ) -> None:
        self._state, self._link, self._topics = state, link, topics
        self._pipelines = pipelines
        self._jobs: dict[str, _Job] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name in [*self._jobs]:
            self._end(name)

    def open(self, tables: Mapping[str, VerticalTable]) -> None:
        """Begins the jobs of the settings.

        Raises:
            BundleError: a bottom's folder is damaged.
            ConfigError: a bottom does not fit its pipeline, or a secret cannot be read.
            InputError: a file cannot be written.
        """
        for name, table in tables.items():
            self._begin(name, table)

    def follow(self, tables: Mapping[str, VerticalTable]) -> None:
        """Follows changed settings and bundles; a job that cannot go on is left out, and named."""
        for name in [*self._jobs]:
            job, table = self._jobs[name], tables.get(name)
            if table is None or job.table != table or job.spec != self._spec(table):
                self._end(name)
        for name, table in tables.items():
            if name in self._jobs:
                self._show(name)  # its pipeline may be another one now
                continue
            try:
                self._begin(name, table)
            except EdgekitError as error:
                _log.error("vertical %s: left out: %s", name, error)

    def _begin(self, name: str, table: VerticalTable) -> None:
        spec = self._spec(table)
        board = VerticalBoard(
            name, table, spec, state=self._state, link=self._link, topics=self._topics
        )
        self._jobs[name] = _Job(table, spec, board.__enter__())
        self._show(name)

    def _end(self, name: str) -> None:
        job = self._jobs.pop(name)
        if (pipeline := self._pipelines().get(job.table.pipeline)) is not None:
            pipeline.supervised.runner.show_to(_owner(name), None)
        job.board.__exit__(None, None, None)

    def _show(self, name: str) -> None:
        job = self._jobs[name]

        def tap(sample: Sample, inference: Inference) -> None:
            job.board.samples.take(sample)

        pipeline = self._pipelines()[job.table.pipeline]
        pipeline.supervised.runner.show_to(_owner(name), tap)

    def _spec(self, table: VerticalTable) -> InputSpec:
        session = self._pipelines()[table.pipeline].supervised.runner.session
        return session.bundle.manifest.input


def _owner(name: str) -> str:
    return f"vertical {name}"
