"""Runs a job of split learning, through boards that go away and a workstation that stops."""

import contextlib
import secrets
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError, Unavailable
from edgekit.federated.vertical.job import VerticalJob
from edgekit.learning.durable import write_durably
from edgekit.learning.federated.vertical.holder import Ask, Epoch, LabelHolder
from edgekit.learning.federated.vertical.models import TopModel

_STATE = "state.json"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a job stands.

    Attributes:
        run: names it to the boards.
        epoch: how many epochs are behind.
    """

    run: str
    epoch: int = 0


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """One epoch.

    Attributes:
        number: from 1.
        samples: how many it learned from.
        loss: the mean over them, as each batch was before its step.
        held_loss: the mean over the held-out samples; `None` where there are none.
        accuracy: how many of those it gets right.
        bytes_up: what the boards said.
        bytes_down: what they were told.
    """

    number: int
    samples: int
    loss: float
    held_loss: float | None
    accuracy: float | None
    bytes_up: int
    bytes_down: int


def run_vertical(
    job: VerticalJob,
    labels: Array,
    keys: list[bytes | None],
    ask: Ask,
    *,
    on_epoch: Callable[[Passed], None] = lambda one: None,
    on_trouble: Callable[[str], None] = lambda line: None,
) -> Path:
    """Trains until all epochs are behind; goes on from where the state folder says.

    Args:
        job: what to do.
        labels: `[rows]`.
        keys: of each row.
        ask: reaches the parties.
        on_epoch: is told of each epoch.
        on_trouble: is told why an epoch is begun again.

    Returns:
        The file with the top's parameters.

    Raises:
        InputError: a board cannot take part, or nothing is common to all.
        Unavailable: a board stayed away for too long.
        LearningDiverged: a loss or a parameter is NaN or infinite.
    """
    assert job.state is not None
    job.state.mkdir(parents=True, exist_ok=True)
    top = TopModel(job.top)
    if missing := sorted(top.widths.keys() ^ job.parties.keys()):
        raise InputError(
            f"parties: the top takes {', '.join(top.widths)}; check {', '.join(missing)}"
        )
    standing = _read(job.state / _STATE)
    failures, must_begin = 0, True
    holder = LabelHolder(top, labels, keys, ask, run=standing.run, codec=job.codec)
    while standing.epoch < job.epochs:
        try:
            if must_begin:
                _load(top, job.state, standing.epoch)
                holder.begin(standing.epoch)
                must_begin = False
            passed = _epoch(holder, job, standing.epoch + 1)
        except Unavailable as error:
            failures += 1
            if failures >= job.attempts:
                raise
            on_trouble(f"{error}; epoch {standing.epoch + 1} is begun again")
            must_begin = True
            continue
        standing = msgspec.structs.replace(standing, epoch=passed.number)
        _keep(top, job.state, standing)
        failures = 0
        on_epoch(passed)
    return _kept(job.state, standing.epoch)


def _epoch(holder: LabelHolder, job: VerticalJob, number: int) -> Passed:
    held = round(holder.samples * job.held_out)
    numbers = np.arange(holder.samples)
    learned, judged = numbers[: holder.samples - held], numbers[holder.samples - held :]
    if not len(learned):
        raise InputError(f"{holder.samples} common samples are too few to hold some out")
    found: Epoch = holder.train(number, rate=job.rate, seed=job.seed, only=learned)
    loss = accuracy = None
    if len(judged):
        loss, outputs = holder.judge(judged)
        accuracy = float((outputs.argmax(axis=1) == holder.labels_of(judged)).mean())
    return Passed(
        number=number,
        samples=len(learned),
        loss=found.loss,
        held_loss=loss,
        accuracy=accuracy,
        bytes_up=found.bytes_up,
        bytes_down=found.bytes_down,
    )


def _read(path: Path) -> Standing:
    if not path.exists():
        return Standing(run=secrets.token_hex(8))
    try:
        return msgspec.json.decode(path.read_bytes(), type=Standing)
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(f"{path}: cannot be read: {error}; remove its folder") from error


def _load(top: TopModel, folder: Path, epoch: int) -> None:
    if epoch:
        top.trained.load(_kept(folder, epoch))
    else:
        top.trained.begin()


def _keep(top: TopModel, folder: Path, standing: Standing) -> None:
    """The parameters first: the state never names a file that is not there."""
    top.trained.save(_kept(folder, standing.epoch))
    document = msgspec.json.encode(standing)
    write_durably(folder / _STATE, lambda file: file.write(document))
    for old in folder.glob("top-*.npz"):
        if old != _kept(folder, standing.epoch):
            with contextlib.suppress(OSError):
                old.unlink()


def _kept(folder: Path, epoch: int) -> Path:
    return folder / f"top-{epoch}.npz"
