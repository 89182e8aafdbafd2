"""Puts layers behind an encoder, in place."""

import math

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import TopologicalSortPass

from edgekit.errors import UnsupportedModel
from edgekit.graph.edit import add_initializer
from edgekit.train.building import StepBuilder, known_shape


class HeadBuilder(StepBuilder):
    """Appends layers with weights to a model.

    Args:
        model: gets the nodes; it has one input.
        rng: gives the weights.

    Raises:
        UnsupportedModel: the model has several inputs.
    """

    def __init__(self, model: ir.Model, rng: np.random.Generator, prefix: str = "pretext") -> None:
        super().__init__(model, prefix)
        if len(model.graph.inputs) != 1:
            raise UnsupportedModel(f"an encoder has one input, not {len(model.graph.inputs)}")
        self._model, self._rng = model, rng

    @property
    def given(self) -> ir.Value:
        """The encoder's input."""
        return self._model.graph.inputs[0]

    def features(self) -> tuple[ir.Value, int]:
        """The encoder's first output as float32 `[N, F]`, and F.

        Raises:
            UnsupportedModel: it has another type, or no static shape.
        """
        value = self._model.graph.outputs[0]
        shape = known_shape(value)
        if value.dtype != ir.DataType.FLOAT or len(shape) < 2:
            raise UnsupportedModel(f"the output {value.name!r} is not float32 [N, features]")
        return self.flat(value), math.prod(shape[1:])

    def flat(self, value: ir.Value) -> ir.Value:
        """The value as float32 `[N, numbers]`."""
        if value.dtype not in (None, ir.DataType.FLOAT):
            value = self.op("Cast", value, to=ir.DataType.FLOAT)
        return self.op("Flatten", value, axis=1)

    def dense(self, value: ir.Value, inputs: int, outputs: int, name: str) -> ir.Value:
        """A layer of weights by He's rule and biases of zero; `name` begins their names."""
        weights = self._rng.normal(0, math.sqrt(2 / inputs), (inputs, outputs))
        w = add_initializer(self._model, f"{name}.weights", weights.astype(np.float32))
        b = add_initializer(self._model, f"{name}.bias", np.zeros(outputs, np.float32))
        return self.op("Gemm", value, w, b)

    def perceptron(
        self, value: ir.Value, inputs: int, hidden: int, outputs: int, name: str
    ) -> ir.Value:
        """Two layers with a Relu between them."""
        inner = self.op("Relu", self.dense(value, inputs, hidden, f"{name}.0"))
        return self.dense(inner, hidden, outputs, f"{name}.1")

    def finish(self, output: ir.Value, width: int, name: str = "answer") -> ir.Model:
        """The model with a float32 output `[1, width]` instead of its own."""
        self._model.graph.outputs.clear()
        self.output(
            output,
            name,
            like=ir.Value(
                name=name, shape=ir.Shape((1, width)), type=ir.TensorType(ir.DataType.FLOAT)
            ),
        )
        TopologicalSortPass()(self._model)
        return self._model


def numbers_of(value: ir.Value) -> int:
    """How many numbers one sample has."""
    return math.prod(known_shape(value)[1:])
