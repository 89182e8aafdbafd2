"""What is told of each epoch of a training."""

import msgspec


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """One pass over the data.

    Attributes:
        number: from 1.
        steps: how many it took.
        loss: the mean over the batches, each before its step.
        rate: the learning rate of the last step.
        validation_loss: the mean over the validation samples, after the epoch.
        score: of the validation samples; higher is better.
    """

    number: int
    steps: int
    loss: float
    rate: float
    validation_loss: float | None = None
    score: float | None = None

    @property
    def to_lower(self) -> float:
        """What early stopping compares: minus the score, or the validation loss, or the loss."""
        if self.score is not None:
            return -self.score
        return self.loss if self.validation_loss is None else self.validation_loss
