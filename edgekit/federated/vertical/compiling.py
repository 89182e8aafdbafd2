"""Compiles the bottoms and the top of a split network into training steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from edgekit.autodiff import gradients
from edgekit.errors import UnsupportedModel
from edgekit.graph.edit import prune_unused
from edgekit.graph.shapes import infer_shapes
from edgekit.learning.federated.vertical.models import SLOPE, SLOPES
from edgekit.learning.specs import LOSS, LOSSES
from edgekit.train.building import StepBuilder, known_shape
from edgekit.train.compiling import compile_step
from edgekit.train.losses import Loss
from edgekit.train.optimizers import Optimizer, Sgd
from edgekit.train.rounds import OfPresent
from edgekit.train.step import Step


@dataclass(frozen=True)
class Followed:
    """The loss of a bottom, whose gradient is the one that the top asks for.

    The batch brings `slope`, float32 `[N, K]`: the gradient of the top's loss by the output. The
    mean over rows of N times their inner products has just that gradient.
    """

    def of_each(self, build: StepBuilder, output: ir.Value, inputs: Sequence[ir.Value]) -> ir.Value:
        """See `Loss`."""
        shape = known_shape(output)
        if len(shape) != 2:
            raise UnsupportedModel(
                f"a bottom says [N, K], but {output.name!r} is {list(shape)}; flatten it"
            )
        slope = build.batch_input(SLOPE, "float32", shape)
        products = build.op("ReduceSum", build.op("Mul", output, slope), [1], keepdims=0)
        return build.op("Mul", products, float(shape[0]))


@dataclass(frozen=True)
class TopStep:
    """A top's step, and the graph that says what the bottoms have to follow."""

    step: Step
    slopes: ir.Model

    def save(self, folder: Path) -> None:
        """Writes all files into a folder."""
        self.step.save(folder)
        (folder / SLOPES).write_bytes(ir.to_proto(self.slopes).SerializeToString())


def compile_bottom(model: ir.Model, *, rows: int, optimizer: Optimizer | None = None) -> Step:
    """A party's step.

    Args:
        model: from a party's features `[1, ...]` to `[1, K]`, with its first parameters.
        rows: how many samples a batch has, as in the top.
        optimizer: plain gradient descent where left out.

    Raises:
        UnsupportedModel: the model cannot be batched or differentiated, or says no `[1, K]`.
    """
    return compile_step(model, Followed(), optimizer or Sgd(), rows=rows)


def compile_top(
    model: ir.Model, loss: Loss, *, rows: int, optimizer: Optimizer | None = None
) -> TopStep:
    """The label holder's step.

    Args:
        model: from what the bottoms say, `[1, K]` each, to the output; its inputs' names are those
            of the parties.
        loss: what is to become small; the batch brings one array of labels.
        rows: how many samples a batch has.
        optimizer: plain gradient descent where left out.

    Raises:
        UnsupportedModel: the model cannot be batched, judged by this loss, or differentiated.
    """
    names = [str(value.name) for value in model.graph.inputs]
    step = compile_step(model, OfPresent(loss), optimizer or Sgd(), rows=rows)
    judged = step.evaluate.clone()
    judged.graph.outputs[:] = [one for one in judged.graph.outputs if one.name == LOSSES]
    build = StepBuilder(judged, "slopes")
    mean = build.op("ReduceMean", judged.graph.outputs[0], keepdims=0)
    mean.name = LOSS
    judged.graph.outputs[:] = [mean]
    infer_shapes(judged)
    prune_unused(judged)
    return TopStep(step, gradients(judged, LOSS, names))
