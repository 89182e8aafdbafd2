"""Boards that only learn: for measuring, and for many boards in one process.

`python -m tools.federated_board FOLDER --train TRAIN --port PORT ...` runs a board for each file
`NAME.npz` of the folder, which holds its samples: an array for each input of a batch, by its name.
What boards remember is in `FOLDER/NAME`. The policy lets them take part always. SIGTERM ends it.
"""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import time
from pathlib import Path

import click
import numpy as np

from edgekit.array import Array
from edgekit.config.federated import FederatedTable, PolicyTable
from edgekit.daemon.federated.participant import Board, Participant
from edgekit.daemon.federated.persistence import RoundFiles
from edgekit.daemon.federated.policy import Conditions
from edgekit.learning.federated.identity import step_digest
from edgekit.learning.federated.trainer import PRESENT
from edgekit.learning.federated.update import shapes_of
from edgekit.learning.files import StepFiles, open_step
from edgekit.messaging.link import MqttLink, MqttSettings
from edgekit.messaging.payloads import Status, Versions
from edgekit.messaging.topics import Topics

ALWAYS = PolicyTable(
    max_busy=1.0,
    min_samples=1,
    mains=False,
    max_temperature_c=150.0,
    max_waiting=100_000,
    rounds_a_day=10_000_000,
)
"""A policy that nothing speaks against."""


class FixedSamples:
    """Samples in memory, as `Participant` wants them."""

    def __init__(self, arrays: Sequence[Array]) -> None:
        self._arrays = tuple(arrays)

    def __len__(self) -> int:
        return len(self._arrays[0])

    def refresh(self) -> int:
        """See `edgekit.daemon.federated.participant.Samples`."""
        return len(self)

    def store(self) -> None:
        """See there: there is nothing to write."""

    def samples(self) -> tuple[Array, ...]:
        """See there."""
        return self._arrays

    def told_classes(self) -> tuple[float, ...] | None:
        """See there: they are not told."""
        return None


@contextmanager
def learning_board(
    link: MqttLink,
    topics: Topics,
    train: Path,
    files: StepFiles,
    samples: Sequence[Array],
    state: Path,
    *,
    job: str,
    boot: str,
    turn: threading.Lock,
) -> Iterator[Participant]:
    """A board that takes part in a job until the block ends."""
    nowhere = Conditions(time(0), samples=0, rounds_today=0)
    with Participant(
        job,
        FederatedTable(pipeline="none", policy=ALWAYS),
        train,
        step=step_digest(train),
        shapes=shapes_of(files.parameters),
        data=FixedSamples(samples),
        files=RoundFiles(state),
        board=Board(link, topics, boot, lambda: nowhere, turn),
    ) as participant:
        yield participant


def online(boot: str) -> Status:
    """What such a board says of itself."""
    versions = Versions(edgekit="0", python="0", onnxruntime="0")
    return Status(state="online", boot=boot, versions=versions)


def samples_in(path: Path, files: StepFiles) -> list[Array]:
    """The arrays of a file, in the order of the step's inputs."""
    names = [spec.name for spec in files.batch if spec.name != PRESENT]
    with np.load(path) as found:
        return [found[name] for name in names]


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--train", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--host", default="localhost")
@click.option("--port", type=int, required=True)
@click.option("--ca", type=click.Path(exists=True, path_type=Path))
@click.option("--username")
@click.option("--password")
@click.option("--fleet", default="test")
@click.option("--job", default="digits")
@click.option("--keepalive", "keepalive_s", default=60)
def main(
    folder: Path,
    train: Path,
    host: str,
    port: int,
    ca: Path | None,
    username: str | None,
    password: str | None,
    fleet: str,
    job: str,
    keepalive_s: int,
) -> None:
    """Runs a board for each NAME.npz of FOLDER."""
    import logging

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    files, turn = open_step(train), threading.Lock()
    broker = MqttSettings(
        host=host, port=port, ca=ca, username=username, password=password, keepalive_s=keepalive_s
    )
    boot = f"{threading.get_native_id():08x}"
    with ExitStack() as stack:
        for path in sorted(folder.glob("*.npz")):
            topics = Topics(fleet, path.stem)
            link = stack.enter_context(MqttLink(broker, topics, online(boot)))
            stack.enter_context(
                learning_board(
                    link,
                    topics,
                    train,
                    files,
                    samples_in(path, files),
                    folder / path.stem,
                    job=job,
                    boot=boot,
                    turn=turn,
                )
            )
        click.echo("running", err=True)
        ended.wait()


if __name__ == "__main__":
    main()
