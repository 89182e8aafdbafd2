"""What came of one step of a recipe."""

from dataclasses import dataclass

import msgspec
import onnx_ir as ir


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """What training did to a model, judged by samples that it did not learn from.

    Attributes:
        before: the loss before, nats; of a model that gives no probabilities, the squared error
            over the variance of what it is to say.
        after: the loss after the training.
        kept: whether that is less, and the trained model was kept; else it is as it was.
        learned: how many samples it learned from.
        judging: how many others it was judged by.
    """

    before: float
    after: float
    kept: bool
    learned: int
    judging: int

    def __str__(self) -> str:
        line = f"loss {self.before:.4f} -> {self.after:.4f} on {self.judging} samples kept back"
        return line if self.kept else f"{line}: no better, so the model stays as it was"


@dataclass(frozen=True)
class Outcome:
    """A model with a step done to it.

    Attributes:
        model: the new model.
        tuning: how the training went, if it was one.
    """

    model: ir.Model
    tuning: Tuning | None = None
