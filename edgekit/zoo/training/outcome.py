"""What came of a training by recipe."""

from dataclasses import dataclass

import msgspec

from edgekit.compress.data import Samples
from edgekit.compress.machine import Machine
from edgekit.compress.trained import TrainedModel
from edgekit.train import Epoch, Step


class Fold(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of a cross-validation.

    Attributes:
        history: of each epoch.
        best: the number of the best epoch.
    """

    history: tuple[Epoch, ...]
    best: int


class TrainingReport(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of a training, as `report.json` has it.

    Attributes:
        name: of what was trained.
        task: what it is for.
        history: of each epoch.
        best: the number of the epoch whose parameters were kept.
        score: what the score of an epoch is; `None` where the loss judges.
        folds: the turns of a cross-validation, if there was one.
        validation_loss: of the model that was kept; `None` where all samples train.
        scores: other figures of it on the validation samples, by name.
        labels: one a class.
        confusion: how many samples of each class (row) were called each class (column).
        samples: how many there were, by what they were for.
        parameters: how many numbers were trained, and how many the model has.
        settings: what the recipe said, in short.
        facts: what is worth telling besides.
        machine: where it was trained.
        seconds: how long it took, on this run.
        provenance: tool versions.
    """

    name: str
    task: str
    history: tuple[Epoch, ...]
    best: int
    score: str | None
    folds: tuple[Fold, ...] = ()
    validation_loss: float | None = None
    scores: dict[str, float] = {}
    labels: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    samples: dict[str, int]
    parameters: dict[str, int]
    settings: dict[str, str]
    facts: dict[str, str | float] = {}
    machine: Machine
    seconds: float
    provenance: dict[str, str]


@dataclass(frozen=True)
class Outcome:
    """A trained model, and what was learned about it.

    Attributes:
        trained: the model, ready to be compressed: its preprocessing is in the graph.
        step: a step that goes on from the trained parameters.
        samples: those that validated, to calibrate on and to measure with.
        report: the figures.
    """

    trained: TrainedModel
    step: Step
    samples: Samples
    report: TrainingReport
