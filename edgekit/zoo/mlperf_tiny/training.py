"""Trains a small net where it stands, then gives it exact statistics."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import onnx_ir as ir

from edgekit.array import Array
from edgekit.graph.match import is_op
from edgekit.train import compile_step, fit
from edgekit.train.data.arrays import Arrays
from edgekit.train.engine import StepRunner
from edgekit.train.losses import CrossEntropy, Loss, Mse
from edgekit.train.optimizers import Adam, Sgd
from edgekit.train.schedules import cosine

_STATISTICS = 256
"""How many samples the statistics at the end are of."""
_SMOOTHING = 0.1
_OPTIMIZER = Adam(beta2=0.99, epsilon=1e-7)
_WARM_UP = 0.2


def train(
    model: ir.Model,
    samples: Array,
    targets: Array,
    *,
    epochs: int = 1,
    batch: int = 16,
    rate: float = 5e-3,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Changes the weights of a net so that it gives the targets.

    Adam with one warm-up and cosine decay; cross-entropy with smoothed labels for classes, else
    mean squared error. The statistics of each BatchNormalization are those of the training samples
    at the end.

    Args:
        model: for classes with a Softmax at the end.
        samples: float32 `[N, ...]`, as the model takes them but for the batch.
        targets: int64 `[N]` classes, or float32 `[N, outputs]`.
        epochs: passes over the samples.
        batch: samples a step.
        rate: the highest learning rate.
        seed: of the order.
        progress: called with steps done and all.
    """
    loss: Loss = CrossEntropy(_SMOOTHING) if targets.ndim == 1 else Mse()
    steps = epochs * (len(samples) // batch)
    fitted = fit(
        compile_step(model, loss, _OPTIMIZER, rows=batch, seed=seed),
        Arrays(samples, targets),
        epochs=epochs,
        rate=cosine(rate, steps=steps, warm_up=round(_WARM_UP * steps)),
        seed=seed,
        progress=None if progress is None else _Counted(progress),
    )
    _hold(model, fitted.parameters)
    few = min(_STATISTICS, len(samples))
    _fit_statistics(model, loss, samples[:few], targets[:few])


@dataclass(frozen=True)
class _Counted:
    """Tells a function of the steps."""

    told: Callable[[int, int], None]

    def count(self, title: str, done: int, total: int) -> None:
        """See `Progress`."""
        self.told(done, total)


def _fit_statistics(model: ir.Model, loss: Loss, samples: Array, targets: Array) -> None:
    """Gives each BatchNormalization the mean and variance of what it is fed.

    All samples go through a step that learns nothing, and averages nothing with what was before.
    """
    norms = [node for node in model.graph if is_op(node, "BatchNormalization")]
    forgetful = model.clone()
    for node in forgetful.graph:
        if is_op(node, "BatchNormalization"):
            node.attributes["momentum"] = ir.AttrFloat32("momentum", 0.0)
    step = compile_step(forgetful, loss, Sgd(), rows=len(samples))
    runner = StepRunner(step)
    runner.run((samples, targets), 0.0)
    names = [str(value.name) for node in norms for value in node.inputs[3:5] if value is not None]
    carried = runner.carried
    _hold(model, {name: carried[name] for name in names})


def _hold(model: ir.Model, arrays: Mapping[str, Array]) -> None:
    for name, array in arrays.items():
        model.graph.initializers[name].const_value = ir.tensor(array, name=name)
