"""Serves a job: from its file to its end, or to where it was left."""

import fcntl
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.daemon.assembly.broker import mqtt_settings
from edgekit.errors import InputError
from edgekit.federated.coordinator.clock import steady
from edgekit.federated.coordinator.coordinator import Coordinator, Show, show_nobody
from edgekit.federated.coordinator.inviting import SeedOf
from edgekit.federated.coordinator.judging import chosen_of
from edgekit.federated.coordinator.line import Line
from edgekit.federated.coordinator.memory import Memory
from edgekit.federated.coordinator.starting import begin
from edgekit.federated.coordinator.summary import Summary
from edgekit.federated.job.loading import state_of
from edgekit.federated.job.opening import OpenJob
from edgekit.federated.model import GlobalModel
from edgekit.federated.report import Report, Round, write_report
from edgekit.messaging.settings import MqttSettings
from edgekit.messaging.topics import FEDERATED_PREFIX, PREFIX

MEMORY = "rounds.db"
"""The file of a job's state folder that remembers it."""

_SPARE_BYTES = 65_536


@dataclass(frozen=True)
class Served:
    """Where a job is when it was served.

    Attributes:
        summary: in numbers.
        model: what became of the model, best or last as the job says; the first where no round
            counts.
        round: of that model; `None` where no round counts.
    """

    summary: Summary
    model: GlobalModel
    round: Round | None


def serve(
    opened: OpenJob,
    *,
    show: Show = show_nobody,
    seed_of: SeedOf | None = None,
    clock_s: Callable[[], float] | None = None,
) -> Served:
    """Serves a job until it is at its end; goes on where it was left.

    Args:
        opened: the job.
        show: is told what happens.
        seed_of: of each board's order of samples; follows from the job's seed where left out.
        clock_s: seconds since 1970; a clock that does not jump where left out.

    Raises:
        ConfigError: the broker's settings cannot be used.
        InputError: the state folder is of another job, or in use, or cannot be written.
        Unavailable: the broker cannot be reached, or does not let us.
    """
    job = opened.job
    folder = state_of(job)
    settings = line_settings(opened)
    with _alone(folder), Memory(folder / MEMORY) as memory:
        run = begin(opened, memory)
        client_id = f"edgekit-federate-{secrets.token_hex(6)}"
        with Line(
            settings,
            client_id,
            mark=f"{FEDERATED_PREFIX}/{job.fleet}/{job.name}/mark/{client_id}",
            most_bytes=2 * opened.largest_bytes + _SPARE_BYTES,
            sender_of=_sender_of,
        ) as line:
            turn = Coordinator(
                opened,
                line,
                memory,
                run=run,
                show=show,
                on_round=lambda rounds: report(opened, rounds, folder),
                seed_of=seed_of,
                clock_s=clock_s or steady(),
            )
            summary = turn.run()
        rounds = memory.rounds()
        report(opened, rounds, folder, ended=summary.reason)
        return _served(opened, memory, summary, rounds)


def line_settings(opened: OpenJob) -> MqttSettings:
    """How the coordinator reaches the broker.

    Raises:
        ConfigError: the password file cannot be read, or settings contradict.
    """
    settings = mqtt_settings(opened.job.mqtt)
    largest = opened.job.training.chunk_kb * 1024
    return replace(settings, max_received_bytes=max(settings.max_received_bytes, largest))


def report(opened: OpenJob, rounds: list[Round], folder: Path, *, ended: str = "") -> None:
    """Writes `report.json` and `report.html`."""
    job = opened.job
    settings = {
        "job": job.name,
        "fleet": job.fleet,
        "strategy": repr(opened.strategy),
        "epochs": str(job.training.epochs),
        "rate": str(job.training.rate),
        "codec": job.training.codec,
        "step": opened.step,
    }
    privacy, mechanism = job.privacy, opened.mechanism
    write_report(
        Report(
            settings=settings,
            clients=max((one.chosen or one.updates for one in rounds), default=0),
            parameters=sum(array.size for array in opened.first.parameters.values()),
            rounds=tuple(rounds),
            title=f"Federated rounds of {job.name}",
            epsilon=None if privacy is None else privacy.epsilon,
            delta=None if opened.budget is None else opened.budget.delta,
            privacy="" if mechanism is None else mechanism.meaning,
            ended=ended,
        ),
        folder,
    )


def _served(opened: OpenJob, memory: Memory, summary: Summary, rounds: list[Round]) -> Served:
    chosen = chosen_of(rounds, opened.job.evaluation)
    if chosen is None:
        return Served(summary, opened.first, None)
    return Served(summary, memory.model(chosen.number), chosen)


def _sender_of(topic: str) -> str:
    levels = topic.split("/")
    return levels[3] if topic.startswith(f"{PREFIX}/") and len(levels) > 3 else ""


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else serves from this folder meanwhile."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(f"{folder}: another edgekit serves this job already") from error
        yield
