"""Appends a loss or an optimiser to a graph, and notes the inputs and outputs of a step."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgekit.errors import UnsupportedModel
from edgekit.graph.match import static_shape
from edgekit.learning.specs import TensorSpec, next_name

Operand = ir.Value | npt.ArrayLike | None
"""What a node may read: a value, a constant to be made, or nothing in an optional place."""


class StepBuilder:
    """Appends nodes to a model's graph, in place.

    Python numbers and arrays of floats become float32. Equal constants are stored once.

    Args:
        model: gets the nodes.
        prefix: what names of values begin with; a model that has such names gets another.

    Attributes:
        batch: inputs of the batch that were added.
        state: inputs that the next step takes from this one's outputs, all zero at first.
    """

    def __init__(self, model: ir.Model, prefix: str) -> None:
        self.batch: list[TensorSpec] = []
        self.state: list[TensorSpec] = []
        self.inputs = list(model.graph.inputs)
        self._graph = model.graph
        self._taken = set(ir.convenience.create_value_mapping(model.graph))
        while any(name.startswith(f"{prefix}/") for name in self._taken):
            prefix += "_"
        self._prefix = prefix
        self._count = 0
        self._constants: dict[tuple[str, tuple[int, ...], bytes], ir.Value] = {}

    def op(self, kind: str, *inputs: Operand, **attributes: Any) -> ir.Value:
        """One node with one output."""
        return self.op_many(kind, *inputs, outputs=1, **attributes)[0]

    def op_many(
        self, kind: str, *inputs: Operand, outputs: int, **attributes: Any
    ) -> Sequence[ir.Value]:
        """One node with several outputs."""
        values = [
            operand if operand is None or isinstance(operand, ir.Value) else self.constant(operand)
            for operand in inputs
        ]
        node = ir.node(kind, values, attributes or None, num_outputs=outputs)
        node.name = f"{self._prefix}/{kind}_{self._count}"
        self._count += 1
        for index, output in enumerate(node.outputs):
            output.name = f"{node.name}.{index}" if index else node.name
        self._graph.append(node)
        return node.outputs

    def constant(self, array: npt.ArrayLike) -> ir.Value:
        """An initialiser; Python floats and float64 become float32."""
        data = np.asarray(array)
        if data.dtype == np.float64:
            data = data.astype(np.float32)
        key = (data.dtype.str, data.shape, data.tobytes())
        if key not in self._constants:
            name = f"{self._prefix}/constant_{len(self._constants)}"
            tensor = ir.tensor(np.ascontiguousarray(data).reshape(data.shape), name=name)
            value = ir.Value(
                name=name,
                const_value=tensor,
                shape=ir.Shape(data.shape),
                type=ir.TensorType(tensor.dtype),
            )
            self._graph.register_initializer(value)
            self._constants[key] = value
        return self._constants[key]

    def value(self, name: str) -> ir.Value:
        """What the model calls by this name.

        Raises:
            UnsupportedModel: nothing is called so.
        """
        found = ir.convenience.create_value_mapping(self._graph).get(name)
        if found is None:
            raise UnsupportedModel(f"the model has no value {name!r}")
        return found

    def batch_input(
        self, name: str, dtype: str, shape: Sequence[int], *, classes: int | None = None
    ) -> ir.Value:
        """A new input that each batch brings, such as its targets."""
        spec = TensorSpec(name, dtype, tuple(shape), classes)
        self.batch.append(spec)
        return self.input(spec)

    def carried(self, name: str, shape: Sequence[int]) -> ir.Value:
        """A new float32 input for state; `carry` says what it is in the next step."""
        spec = TensorSpec(f"{self._prefix}/{name}", "float32", tuple(shape))
        self.state.append(spec)
        return self.input(spec)

    def carry(self, value: ir.Value, following: ir.Value) -> None:
        """Gives as output what an input is to be in the next step."""
        self.output(following, next_name(str(value.name)), like=value)

    def input(self, spec: TensorSpec) -> ir.Value:
        """A new input of the graph.

        Raises:
            UnsupportedModel: the model has a value of that name.
        """
        if spec.name in self._taken:
            raise UnsupportedModel(
                f"rename the model's {spec.name!r}: an input of the step is called that"
            )
        self._taken.add(spec.name)
        value = ir.Value(
            name=spec.name,
            shape=ir.Shape(spec.shape),
            type=ir.TensorType(ir.DataType.from_numpy(np.dtype(spec.dtype))),
        )
        self._graph.inputs.append(value)
        return value

    def output(self, value: ir.Value, name: str, *, like: ir.Value) -> None:
        """Makes a value an output of the graph, with the type and shape of another."""
        if value.is_graph_input() or value.is_graph_output() or value.is_initializer():
            value = self.op("Identity", value)
        value.name, value.type, value.shape = name, like.type, like.shape
        self._graph.outputs.append(value)


def known_shape(value: ir.Value) -> tuple[int, ...]:
    """A static shape.

    Raises:
        UnsupportedModel: it is not known.
    """
    shape = static_shape(value)
    if shape is None:
        raise UnsupportedModel(f"the value {value.name!r} has no static shape; fix the model's")
    return shape


def spec_of(value: ir.Value) -> TensorSpec:
    """What an input of static shape takes."""
    assert value.dtype is not None
    return TensorSpec(str(value.name), str(value.dtype.numpy()), known_shape(value))
