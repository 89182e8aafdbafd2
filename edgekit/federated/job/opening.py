"""Opens what a job names: its step, held-out samples and strategy."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from edgekit.array import Array
from edgekit.errors import ConfigError
from edgekit.federated.job.loading import inner_of, strategy_from
from edgekit.federated.job.schema import Job, PrivacyTable
from edgekit.federated.model import GlobalModel
from edgekit.federated.personalisation import Personal
from edgekit.federated.privacy.asked import Asked
from edgekit.federated.privacy.budget import Budget
from edgekit.federated.privacy.mechanisms import Mechanism
from edgekit.federated.strategies import FedBuff, Scaffold, Strategy
from edgekit.learning.federated.checks import Limits
from edgekit.learning.federated.identity import step_digest
from edgekit.learning.federated.trainer import LocalTrainer
from edgekit.learning.federated.update import shapes_of
from edgekit.learning.npz import read_arrays

_BESIDE_BYTES = 4096
"""What a message holds beside its numbers."""
_SHARES_BYTES = 256 * 1024
"""What a message of secure aggregation holds for a board's neighbours."""


@dataclass(frozen=True)
class OpenJob:
    """A job, and what it names, loaded.

    Attributes:
        job: as it was written.
        strategy: what decides.
        trainer: judges models.
        step: what boards have to say that they train.
        held: the held-out samples, one array for each input of a batch.
        mechanism: makes rounds private; `None` where they are not.
        budget: of privacy, of which nothing is spent; `None` without.
    """

    job: Job
    strategy: Strategy
    trainer: LocalTrainer
    step: str
    held: tuple[Array, ...]
    mechanism: Mechanism | None = None
    budget: Budget | None = None

    @property
    def first(self) -> GlobalModel:
        """The model of version 0: what all boards share of the bundle's parameters."""
        whole, patterns = self.trainer.parameters, self.job.training.personal
        return GlobalModel(Personal(patterns).shared(whole) if patterns else whole)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each shared parameter by name."""
        return shapes_of(self.first.parameters)

    @property
    def is_buffered(self) -> bool:
        """Whether updates are combined as they come, without rounds."""
        return isinstance(inner_of(self.strategy), FedBuff)

    @property
    def needs_control(self) -> bool:
        """Whether each update has to bring its control variate."""
        return isinstance(inner_of(self.strategy), Scaffold)

    @property
    def largest_bytes(self) -> int:
        """What the largest message of a board may hold: two float32 for each number."""
        beside = _BESIDE_BYTES if self.job.secure is None else _SHARES_BYTES
        return 8 * sum(prod(shape) for shape in self.shapes.values()) + beside

    def limits(self, version: int) -> Limits:
        """What an update of a round may be."""
        table = self.job.limits
        epochs = self.job.training.epochs
        return Limits(self.shapes, version, table.longest, table.samples, epochs=epochs)

    def judged(self, parameters: Mapping[str, Array]) -> tuple[float | None, float]:
        """Accuracy and loss of a global model on the held-out samples.

        Returns:
            The accuracy, `None` where the last input of a batch is no class; and the mean loss.
        """
        whole = self.trainer.parameters | dict(parameters)
        loss, outputs = self.trainer.evaluate(whole, self.held)
        labels = self.held[-1]
        if labels.dtype.kind not in "iu" or labels.ndim != 1 or outputs.ndim != 2:
            return None, loss
        return float((outputs.argmax(axis=1) == labels).mean()), loss


def open_job(job: Job, *, source: str = "JOB.toml") -> OpenJob:
    """Loads what a job names.

    Args:
        job: checked.
        source: what to call its file in an error.

    Raises:
        ConfigError: the held-out samples do not fit the step.
        BundleError: the step is missing or damaged.
        InputError: nothing is shared, or the step takes whole batches only.
    """
    folder = job.bundle / "train"
    trainer = LocalTrainer(folder)
    strategy, mechanism, budget = strategy_from(job), None, None
    if job.privacy is not None:
        mechanism, budget = _private(job.privacy, strategy.share, job.rounds.count)
        strategy = mechanism.strategy(strategy.share)
    held = _held(job, trainer, source)
    opened = OpenJob(job, strategy, trainer, step_digest(folder), held, mechanism, budget)
    _ = opened.first  # says where nothing is shared
    return opened


def _private(table: PrivacyTable, share: float, rounds: int) -> tuple[Mechanism, Budget]:
    usual: Literal["poisson", "fixed"] = "poisson" if table.mechanism == "central" else "fixed"
    asked = Asked(
        kind=table.mechanism,
        longest=table.clip,
        noise=table.noise,
        epsilon=table.epsilon,
        delta=table.delta,
        sampling=table.sampling or usual,
        sharers=table.sharers,
    )
    return asked.settled(boards=table.boards, share=share, rounds=rounds)


def _held(job: Job, trainer: LocalTrainer, source: str) -> tuple[Array, ...]:
    path = job.evaluation.data
    try:
        arrays = read_arrays(path)
    except ValueError as error:
        raise ConfigError(source, [f"evaluation.data: {path}: {error}"]) from error
    mistakes, found = [], []
    for spec in trainer.inputs:
        array = arrays.get(spec.name)
        if array is None:
            has = ", ".join(arrays) or "nothing"
            mistakes.append(f"evaluation.data: {path}: lacks {spec.name!r}; it has {has}")
        elif array.shape[1:] != spec.shape[1:] or not np.can_cast(
            array.dtype, spec.dtype, "same_kind"
        ):
            mistakes.append(
                f"evaluation.data: {path}: {spec.name!r} is {array.dtype} {list(array.shape)}, "
                f"not {spec.dtype} [samples{''.join(f', {n}' for n in spec.shape[1:])}]"
            )
        else:
            found.append(array.astype(spec.dtype))
    if not mistakes and (len({len(array) for array in found}) != 1 or not len(found[0])):
        mistakes.append(f"evaluation.data: {path}: holds no samples, or not as many of each input")
    if mistakes:
        raise ConfigError(source, mistakes)
    return tuple(found)
