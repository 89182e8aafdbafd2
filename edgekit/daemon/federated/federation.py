"""The federated jobs of a board: each with its data, its thread and its tap on a pipeline."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from types import TracebackType
from typing import Self

from edgekit.config.federated import FederatedTable
from edgekit.daemon.assembly.pipelines import Pipeline
from edgekit.daemon.cooling import Cooling
from edgekit.daemon.federated.conditions import on_mains
from edgekit.daemon.federated.data import LocalData, kind_of
from edgekit.daemon.federated.participant import Board, Participant
from edgekit.daemon.federated.persistence import Kept, RoundFiles
from edgekit.daemon.federated.policy import Conditions
from edgekit.daemon.federated.using import learned_session
from edgekit.errors import EdgekitError, InputError
from edgekit.learning.federated.identity import step_digest
from edgekit.learning.federated.update import shapes_of
from edgekit.learning.files import open_step
from edgekit.messaging.commands import Result
from edgekit.messaging.payloads import FederatedMetrics, Label
from edgekit.messaging.topics import Topics
from edgekit.messaging.wire import Wire
from edgekit.pipeline.parts import Event, Firing, Inference, Sample
from edgekit.pipeline.runner import Tap

_log = logging.getLogger(__name__)
_NOBODY = time(0)
_OWNER = "federated"

Pipelines = Callable[[], Mapping[str, Pipeline]]


@dataclass(frozen=True)
class _Job:
    table: FederatedTable
    bundle: str
    data: LocalData
    participant: Participant

    def close(self) -> None:
        self.participant.__exit__(None, None, None)
        self.data.close()


class Federation:
    """Inside its `with` block the board takes part in its jobs. A sink of rules that fire.

    A job whose bundle or settings change is begun anew: its samples stay where the new model takes
    samples of their kind, and what it remembers of rounds stays where the step is the same.
    """

    def __init__(
        self,
        state: Path,
        *,
        link: Wire,
        topics: Topics,
        boot: str,
        pipelines: Pipelines,
        cooling: Cooling,
        root: Path = Path("/"),
    ) -> None:
        """Opens nothing yet.

        Args:
            state: the state directory.
            link: to the broker.
            topics: the board's.
            boot: the id of this run of the daemon.
            pipelines: gives those that run, by name.
            cooling: knows how hot the board is.
            root: where `/sys` is.
        """
        self._folder = state / "federated"
        self._link, self._topics, self._boot = link, topics, boot
        self._pipelines, self._cooling, self._root = pipelines, cooling, root
        self._jobs: dict[str, _Job] = {}
        self._turn = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pipeline in self._pipelines().values():
            pipeline.supervised.runner.show_to(_OWNER, None)
        for job in self._jobs.values():
            job.close()
        self._jobs.clear()

    def open(self, tables: Mapping[str, FederatedTable]) -> None:
        """Begins the jobs of the settings.

        Raises:
            BundleError: a pipeline's bundle has no step that can be trained so.
            InputError: a file cannot be written, or not even one sample is within a limit.
        """
        for name, table in tables.items():
            self._jobs[name] = self._begun(name, table)
        self._tap()

    def follow(self, tables: Mapping[str, FederatedTable]) -> None:
        """Follows changed settings and bundles; a job that cannot go on is left out, and named."""
        for name in [*self._jobs]:
            job, table = self._jobs[name], tables.get(name)
            if table is None or job.table != table or job.bundle != self._bundle(table):
                job.close()
                del self._jobs[name]
        for name, table in tables.items():
            if name in self._jobs:
                continue
            try:
                self._jobs[name] = self._begun(name, table)
            except EdgekitError as error:
                _log.error("federated %s: left out: %s", name, error)
        self._tap()

    def label(self, arguments: Label) -> Result:
        """Labels one of the newest samples of a pipeline, as a command asks for.

        Raises:
            InputError: nothing is learned from the pipeline, or there is no such class or sample.
        """
        learning = sorted({job.table.pipeline for job in self._jobs.values()})
        pipeline = arguments.pipeline
        if pipeline is None and len(learning) == 1:
            pipeline = learning[0]
        if pipeline not in learning:
            raise InputError(
                f"say which pipeline; boards learn from {', '.join(learning) or 'none'}"
            )
        name = ""
        for job in self._of(pipeline):
            name = job.data.label(arguments.label, sequence=arguments.sequence, back=arguments.back)
        return Result(f"a sample of {pipeline} is {name}")

    def send(self, event: Event) -> bool:
        """Hears of a rule that fired, which may label the newest sample; see `Sink`."""
        if isinstance(event, Firing):
            for job in list(self._jobs.values()):
                label = job.table.samples.rules.get(event.rule)
                if label is None:
                    continue
                try:
                    job.data.label(label)
                except InputError as error:
                    _log.debug("rule %s labels nothing: %s", event.rule, error)
        return True

    def metrics(self) -> dict[str, FederatedMetrics]:
        """Where each job stands."""
        return {
            name: FederatedMetrics(
                state=job.participant.state,
                rounds=job.participant.rounds,
                last=job.participant.outcome or None,
                samples=len(job.data),
                dropped=job.data.dropped,
            )
            for name, job in list(self._jobs.items())
        }

    def _begun(self, name: str, table: FederatedTable) -> _Job:
        pipeline = self._pipelines()[table.pipeline]
        bundle = pipeline.supervised.runner.session.bundle
        folder, own = bundle.path / "train", self._folder / name
        files = open_step(folder)
        kind, shapes = kind_of(bundle, files), shapes_of(files.parameters)
        del files  # its session takes memory, which only training needs
        rounds, step = RoundFiles(own), step_digest(folder)
        data = LocalData(own / "samples.db", kind, table.samples, count_epsilon=table.count_epsilon)

        def use() -> None:
            if table.use:
                self._use(name, table, data, rounds.kept(step))

        participant = Participant(
            name,
            table,
            folder,
            step=step,
            shapes=shapes,
            data=data,
            files=rounds,
            board=Board(
                self._link,
                self._topics,
                self._boot,
                lambda: self._conditions(table.pipeline),
                self._turn,
                self._is_busy,
            ),
            on_counted=use,
        )
        job = _Job(table, bundle.digest, data, participant)
        use()
        participant.__enter__()
        return job

    def _use(self, name: str, table: FederatedTable, data: LocalData, kept: Kept) -> None:
        """Has the pipeline answer with what was learned, where that suits its own samples."""
        pipeline = self._pipelines().get(table.pipeline)
        if pipeline is None:
            return
        runner = pipeline.supervised.runner
        try:
            found = learned_session(runner.session.bundle, kept, data.samples)
        except EdgekitError as error:
            _log.warning("federated %s: what was learned is not used: %s", name, error)
            return
        if found is not None:
            runner.swap(found)
            _log.info("federated %s: %s answers with what was learned", name, table.pipeline)

    def _bundle(self, table: FederatedTable) -> str | None:
        pipeline = self._pipelines().get(table.pipeline)
        return None if pipeline is None else pipeline.supervised.runner.session.bundle.digest

    def _tap(self) -> None:
        """Has each pipeline show its samples to the jobs that learn from it."""
        for name, pipeline in self._pipelines().items():
            tap = _tap_of([job.data for job in self._of(name)])
            pipeline.supervised.runner.show_to(_OWNER, tap)

    def _of(self, pipeline: str) -> list[_Job]:
        return [job for job in list(self._jobs.values()) if job.table.pipeline == pipeline]

    def _is_busy(self) -> bool:
        return any(one.supervised.runner.busy_s() for one in self._pipelines().values())

    def _conditions(self, name: str) -> Conditions:
        pipeline = self._pipelines().get(name)
        return Conditions(
            local=_NOBODY,
            samples=0,
            rounds_today=0,
            temperature_c=self._cooling.temperature_c,
            held_back=self._cooling.words,
            waiting=0 if pipeline is None else pipeline.supervised.runner.waiting,
            on_mains=on_mains(self._root),
        )


def _tap_of(data: Sequence[LocalData]) -> Tap | None:
    if len(data) < 2:
        return data[0].take if data else None

    def tap(sample: Sample, inference: Inference) -> None:
        for one in data:
            one.take(sample, inference)

    return tap
