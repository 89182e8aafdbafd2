"""Compiles steps for rounds: of parts of batches, and steered by what the coordinator sends."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import onnx_ir as ir

from edgekit.learning.federated.trainer import PRESENT, PROXIMAL, anchor_name, correction_name
from edgekit.train import Step, compile_step
from edgekit.train.building import StepBuilder, known_shape
from edgekit.train.losses import Loss
from edgekit.train.optimizers import Optimizer, Sgd
from edgekit.train.optimizers.optimizer import State


@dataclass(frozen=True)
class OfPresent:
    """Another loss, of the rows that the batch says are present.

    Steps have a fixed number of rows, a board any number of samples: a batch that is not full is
    filled, and what fills it weighs nothing. The mean is that over the rows that are present. A
    BatchNormalization that is trained still sees all rows.

    Attributes:
        loss: of each row.
    """

    loss: Loss

    def of_each(self, build: StepBuilder, output: ir.Value, inputs: Sequence[ir.Value]) -> ir.Value:
        """See `Loss`."""
        rows = known_shape(output)[0]
        present = build.batch_input(PRESENT, "float32", [rows])
        losses = self.loss.of_each(build, output, inputs)
        share = build.op("Div", present, build.op("ReduceMean", present, keepdims=1))
        return build.op("Mul", losses, share)


@dataclass(frozen=True, kw_only=True)
class Steered(Optimizer):
    """Another optimiser, whose gradient is steered as a round says.

    With `proximal`, mu (w - anchor) is added to the gradient of each parameter: FedProx, Li et
    al., 2020, arXiv:1812.06127. With `corrected`, a constant is added, the difference of SCAFFOLD's
    control variates: Karimireddy et al., 2020, arXiv:1910.06378. All that steers is state that is
    loaded when a round begins and stays as it is; at zero it changes no bit.

    Attributes:
        inner: follows the gradient.
        proximal: compile the proximal term.
        corrected: compile the correction.
    """

    inner: Optimizer = field(default_factory=Sgd)
    proximal: bool = False
    corrected: bool = False

    def following(
        self,
        build: StepBuilder,
        parameters: Sequence[ir.Value],
        gradients: Sequence[ir.Value],
        rate: ir.Value,
    ) -> list[ir.Value]:
        """See `Optimizer`."""
        slopes = list(gradients)
        mu = _constant(build, PROXIMAL, ()) if self.proximal else None
        for number, value in enumerate(parameters):
            shape, name = known_shape(value), str(value.name)
            if mu is not None:
                away = build.op("Sub", value, _constant(build, anchor_name(name), shape))
                pull = build.op("Mul", away, mu)
                slopes[number] = build.op("Add", slopes[number], pull)
            if self.corrected:
                correction = _constant(build, correction_name(name), shape)
                slopes[number] = build.op("Add", slopes[number], correction)
            slopes[number].shape, slopes[number].type = ir.Shape(shape), value.type
        return self.inner.following(build, parameters, slopes, rate)

    def change(
        self, build: StepBuilder, slope: ir.Value, state: State, common: Sequence[ir.Value]
    ) -> ir.Value:
        """See `Optimizer`; `following` leaves it to `inner`."""
        return self.inner.change(build, slope, state, common)


def compile_federated_step(
    model: ir.Model,
    loss: Loss,
    *,
    rows: int,
    optimizer: Optimizer | None = None,
    proximal: bool = False,
    corrected: bool = False,
    trainable: Sequence[str] | None = None,
) -> Step:
    """A step for `edgekit.learning.federated.LocalTrainer`.

    Args:
        model: with the first global parameters.
        loss: what is to become small.
        rows: how many samples a whole batch has.
        optimizer: plain gradient descent where left out; SCAFFOLD and FedNova assume that.
        proximal: the step takes FedProx's mu.
        corrected: the step takes SCAFFOLD's control variates.
        trainable: see `compile_step`; `["head.*"]` is federated transfer: all else stays as it is,
            and is not sent.

    Raises:
        InputError: a name or pattern finds no parameter.
        UnsupportedModel: the model cannot be batched, judged by this loss, or differentiated.
    """
    inner = optimizer or Sgd()
    steered = Steered(inner=inner, proximal=proximal, corrected=corrected)
    return compile_step(model, OfPresent(loss), steered, rows=rows, trainable=trainable)


def _constant(build: StepBuilder, name: str, shape: Sequence[int]) -> ir.Value:
    value = build.carried(name, shape)
    build.carry(value, build.op("Identity", value))
    return value
