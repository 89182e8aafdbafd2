"""The nets that training is timed on, from an MLP to SqueezeNet, each with new weights."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import onnx_ir as ir

from edgekit.graph.build import GraphBuilder
from edgekit.train.initializers import reinitialized
from edgekit.train.losses import CrossEntropy, Loss, Reconstruction
from edgekit.zoo.squeezenet import build_squeezenet

CLASSES = 10
_OF_CLASSES = CrossEntropy()


@dataclass(frozen=True)
class Net:
    """What is trained.

    Attributes:
        name: what `--only` calls it.
        title: as its row is called.
        model: builds it, with a batch of 1 and zeros for weights, or weights of its own.
        rows: how many samples a batch has.
        aim: what share of PyTorch's time a step is to take at most.
        loss: what is to become small.
    """

    name: str
    title: str
    model: Callable[[], ir.Model]
    rows: int
    aim: float
    loss: Loss = _OF_CLASSES

    def built(self, seed: int = 0) -> ir.Model:
        """The model with He's weights."""
        return reinitialized(self.model(), seed=seed)


class _Layers:
    """Adds layers with parameters to a graph."""

    def __init__(self, name: str, *shape: int) -> None:
        self.build = GraphBuilder(name)
        self.input = self.build.input("x", np.float32, (1, *shape))
        self._count = 0

    def dense(self, value: ir.Value, inputs: int, outputs: int) -> ir.Value:
        """With a bias."""
        held = [self._zeros(inputs, outputs), self._zeros(outputs)]
        return self.build.op("Gemm", value, *held)

    def conv(
        self, value: ir.Value, inputs: int, outputs: int, kernel: int, pad: int, *, bias: bool
    ) -> ir.Value:
        """A square one that moves by one."""
        return self._conv(value, inputs, outputs, kernel, pad, 1, bias)

    def normalised(
        self, value: ir.Value, inputs: int, outputs: int, kernel: int, stride: int
    ) -> ir.Value:
        """A Conv that keeps the size, give or take its stride, and a BatchNormalization."""
        value = self._conv(value, inputs, outputs, kernel, kernel // 2, stride, False)
        held = [self._zeros(outputs) for _ in range(4)]
        return self.build.op("BatchNormalization", value, *held)

    def relu(self, value: ir.Value) -> ir.Value:
        """What is positive."""
        return self.build.op("Relu", value)

    def halved(self, value: ir.Value) -> ir.Value:
        """The largest of each four."""
        return self.build.op("MaxPool", value, kernel_shape=[2, 2], strides=[2, 2])

    def finish(self, value: ir.Value, outputs: int) -> ir.Model:
        """The model."""
        return self.build.finish(y=(value, np.float32, (1, outputs)))

    def _conv(
        self,
        value: ir.Value,
        inputs: int,
        outputs: int,
        kernel: int,
        pad: int,
        stride: int,
        bias: bool,
    ) -> ir.Value:
        held = [self._zeros(outputs, inputs, kernel, kernel)]
        if bias:
            held.append(self._zeros(outputs))
        return self.build.op("Conv", value, *held, pads=[pad] * 4, strides=[stride] * 2)

    def _zeros(self, *shape: int) -> ir.Value:
        self._count += 1
        return self.build.constant(np.zeros(shape, np.float32), f"parameter{self._count}")


def perceptron(*sizes: int) -> ir.Model:
    """Dense layers with Relus between them."""
    layers = _Layers("perceptron", sizes[0])
    value = layers.input
    for number, (inputs, outputs) in enumerate(pairwise(sizes)):
        value = layers.dense(layers.relu(value) if number else value, inputs, outputs)
    return layers.finish(value, sizes[-1])


def lenet() -> ir.Model:
    """LeCun et al., 1998, with Relus and maxima: 61,706 parameters, pictures of 28 x 28."""
    layers = _Layers("lenet", 1, 28, 28)
    value = layers.relu(layers.conv(layers.input, 1, 6, 5, 2, bias=True))
    value = layers.relu(layers.conv(layers.halved(value), 6, 16, 5, 0, bias=True))
    value = layers.build.op("Flatten", layers.halved(value), axis=1)
    value = layers.relu(layers.dense(value, 400, 120))
    value = layers.relu(layers.dense(value, 120, 84))
    return layers.finish(layers.dense(value, 84, CLASSES), CLASSES)


def resnet8() -> ir.Model:
    """MLPerf Tiny's, with padding that is the same on all sides, as PyTorch has it."""
    layers = _Layers("resnet8", 3, 32, 32)
    value = layers.relu(layers.normalised(layers.input, 3, 16, 3, 1))
    for inputs, outputs, stride in ((16, 16, 1), (16, 32, 2), (32, 64, 2)):
        inner = layers.relu(layers.normalised(value, inputs, outputs, 3, stride))
        inner = layers.normalised(inner, outputs, outputs, 3, 1)
        if stride > 1:
            value = layers.normalised(value, inputs, outputs, 1, stride)
        value = layers.relu(layers.build.op("Add", inner, value))
    value = layers.build.op("Flatten", layers.build.op("GlobalAveragePool", value), axis=1)
    return layers.finish(layers.dense(value, 64, CLASSES), CLASSES)


NETS = (
    Net("mlp", "MLP 64-128-10, batch 32", lambda: perceptron(64, 128, CLASSES), 32, 0.5),
    Net(
        "autoencoder",
        "autoencoder 640-128-8-128-640, batch 64",
        lambda: perceptron(640, 128, 8, 128, 640),
        64,
        0.7,
        Reconstruction(),
    ),
    Net("lenet", "LeNet, 28 x 28, batch 32", lenet, 32, 1.0),
    Net("resnet8", "ResNet-8, 32 x 32, batch 32", resnet8, 32, 1.5),
    Net(
        "squeezenet",
        "SqueezeNet 1.1, 64 x 64, batch 8",
        lambda: build_squeezenet(size=64),
        8,
        1.5,
    ),
)
