"""A job on digits, a broker, and scripted boards."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import EdgekitError
from edgekit.federated.coordinator import Served, Summary, serve
from edgekit.federated.coordinator.changes import Change
from edgekit.federated.coordinator.inviting import SeedOf
from edgekit.federated.job import load_job, open_job
from edgekit.federated.job.opening import OpenJob
from edgekit.federated.tasks import Task
from edgekit.learning.federated import LocalTrainer
from tests.broker import need_program
from tools.bench.federated_crowd import Crowd, Script, ScriptedBoard, real_training
from tools.private_broker import PrivateBroker

FLEET, JOB = "plant", "digits"
BOARDS = tuple(f"client{number:06}" for number in range(10))


@pytest.fixture(scope="session")
def bundle(task: Task, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the step in `train`, and held-out samples beside."""
    from edgekit.federated import compile_federated_step
    from edgekit.train.losses import CrossEntropy

    folder = tmp_path_factory.mktemp("job")
    step = compile_federated_step(
        task.model, CrossEntropy(), rows=32, proximal=True, corrected=True
    )
    step.save(folder / "bundle" / "train")
    x, y = task.clients.test
    names = [spec.name for spec in LocalTrainer(folder / "bundle" / "train").inputs]
    np.savez(folder / "held.npz", **dict(zip(names, (x, y), strict=True)))
    return folder


@pytest.fixture
def broker() -> Iterator[PrivateBroker]:
    need_program("mosquitto", "mosquitto")
    with PrivateBroker() as running:
        yield running


@dataclass
class Scene:
    """A job that can be served, here or elsewhere, and its boards."""

    folder: Path
    bundle: Path
    broker: PrivateBroker
    task: Task
    trainer: LocalTrainer
    seen: list[Summary] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def write(
        self,
        text: str = "",
        *,
        strategy: str = 'name = "fedavg"',
        evaluation: str = "",
        **rounds: float,
    ) -> Path:
        """Writes JOB.toml."""
        wanted = {"count": 3, "minimum": 10, "deadline_s": 30, "pause_s": 0.1} | rounds
        path = self.folder / "JOB.toml"
        path.write_text(
            f'name = "{JOB}"\nfleet = "{FLEET}"\nbundle = "{self.bundle}/bundle"\n'
            f'[mqtt]\nhost = "{self.broker.host}"\nport = {self.broker.port}\n'
            f'[evaluation]\ndata = "{self.bundle}/held.npz"\n{evaluation}'
            f"[strategy]\n{strategy}\n[rounds]\n"
            + "".join(f"{key} = {value}\n" for key, value in wanted.items())
            + (text if "[training]" in text else "[training]\nepochs = 2\n" + text)
        )
        return path

    def opened(self, text: str = "", **settings: object) -> OpenJob:
        """Writes and opens the job."""
        return open_job(load_job(self.write(text, **settings)))  # type: ignore[arg-type]

    def serve(self, text: str = "", *, seed_of: SeedOf | None = None, **settings: object) -> Served:
        """Serves it to its end."""
        return serve(self.opened(text, **settings), show=self._show, seed_of=seed_of)

    def crowd(
        self, scripts: Mapping[str, Script] | None = None, names: Sequence[str] = BOARDS
    ) -> Crowd:
        """The boards, each with its part of the digits."""
        clients = self.task.clients
        samples = {name: clients.samples(int(name[-6:])) for name in names}
        boards = [
            ScriptedBoard(
                name,
                len(samples[name][0]),
                tuple(float(n) for n in clients.label_counts(int(name[-6:]), 10)),
                (scripts or {}).get(name, Script()),
            )
            for name in names
        ]
        from edgekit.learning.federated.identity import step_digest
        from edgekit.learning.federated.update import shapes_of

        return Crowd(
            self.broker.host,
            self.broker.port,
            fleet=FLEET,
            job=JOB,
            step=step_digest(self.bundle / "bundle" / "train"),
            boards=boards,
            train=real_training(self.trainer, samples),
            shapes=shapes_of(self.trainer.parameters),
        )

    def _show(self, summary: Summary, changes: list[Change]) -> None:
        with self._changed:
            self.seen.append(summary)
            self.changes += changes
            self._changed.notify_all()

    def wait(self, holds: Callable[[Summary], bool], timeout_s: float = 30.0) -> Summary:
        """Waits until what is shown is so."""
        with self._changed:
            assert self._changed.wait_for(
                lambda: bool(self.seen) and holds(self.seen[-1]), timeout_s
            )
            return self.seen[-1]

    def said(self, who: str) -> list[str]:
        """What the history says of a board."""
        return [change.what for change in self.changes if change.who == who]


@pytest.fixture
def scene(
    tmp_path: Path, bundle: Path, broker: PrivateBroker, task: Task, trainer: LocalTrainer
) -> Scene:
    return Scene(tmp_path, bundle, broker, task, trainer)


class Later:
    """A serving on a thread of its own."""

    def __init__(self, work: Callable[[], Served]) -> None:
        self._answer: Served | EdgekitError | None = None
        self._thread = threading.Thread(target=self._run, args=(work,))
        self._thread.start()

    def _run(self, work: Callable[[], Served]) -> None:
        try:
            self._answer = work()
        except EdgekitError as error:
            self._answer = error

    def result(self, timeout_s: float = 60.0) -> Served:
        """What came of it."""
        self._thread.join(timeout_s)
        assert isinstance(self._answer, Served), self._answer or "it is still at it"
        return self._answer


@contextmanager
def served_later(work: Callable[[], Served]) -> Iterator[Later]:
    """Serves meanwhile."""
    later = Later(work)
    yield later
    later.result()
