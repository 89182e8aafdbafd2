"""Builds an ONNX graph a node at a time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from onnx_ir.tape import Tape

OPSET = 17
"""The opset of the graphs that edgekit makes: ReduceMean still takes its axes as an attribute,
LayerNormalization is there, and every onnxruntime since 1.12 runs it."""

IR_VERSION = 8
"""The ONNX file format that goes with `OPSET`."""

Operand = ir.Value | npt.ArrayLike | None
"""What a node may read: a value, a constant to be made, or nothing in an optional place."""


class GraphBuilder:
    """Collects nodes in the order in which they are computed; `finish` gives the model.

    Equal constants are stored once.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._tape = Tape()
        self._inputs: list[ir.Value] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], ir.Value] = {}

    def input(self, name: str, dtype: npt.DTypeLike, shape: Sequence[int | str | None]) -> ir.Value:
        """A graph input; a name or `None` in `shape` is a dynamic axis."""
        value = ir.Value(
            name=name,
            shape=ir.Shape(shape),
            type=ir.TensorType(ir.DataType.from_numpy(np.dtype(dtype))),
        )
        self._inputs.append(value)
        return value

    def constant(self, array: npt.ArrayLike, name: str | None = None) -> ir.Value:
        """An initialiser. Python floats become float32, whatever NumPy would say."""
        data = np.asarray(array)
        if isinstance(array, float):
            data = data.astype(np.float32)
        key = (data.dtype.str, data.shape, data.tobytes())
        if name is not None or key not in self._constants:
            name = name or f"constant_{len(self._constants)}"
            self._constants[key] = self._tape.initializer(
                ir.tensor(np.ascontiguousarray(data).reshape(data.shape), name=name), name=name
            )
        return self._constants[key]

    def op(self, kind: str, *inputs: Operand, **attributes: Any) -> ir.Value:
        """One node with one output; arrays and numbers among the inputs become constants."""
        return self._tape.op(kind, self._values(inputs), attributes or None)

    def op_many(
        self, kind: str, *inputs: Operand, outputs: int, **attributes: Any
    ) -> Sequence[ir.Value]:
        """One node with several outputs."""
        return self._tape.op_multi_out(
            kind, self._values(inputs), attributes or None, num_outputs=outputs
        )

    def finish(
        self, **outputs: tuple[ir.Value, npt.DTypeLike, Sequence[int | str | None]]
    ) -> ir.Model:
        """The model whose outputs are the given values, each by name with its dtype and shape."""
        for name, (value, dtype, shape) in outputs.items():
            value.name = name
            value.type = ir.TensorType(ir.DataType.from_numpy(np.dtype(dtype)))
            value.shape = ir.Shape(shape)
        graph = ir.Graph(
            self._inputs,
            [value for value, _, _ in outputs.values()],
            nodes=self._tape.nodes,
            initializers=self._tape.initializers,
            opset_imports={"": OPSET},
            name=self._name,
        )
        return ir.Model(graph, ir_version=IR_VERSION, producer_name="edgekit")

    def _values(self, operands: Sequence[Operand]) -> list[ir.Value | None]:
        return [
            operand if operand is None or isinstance(operand, ir.Value) else self.constant(operand)
            for operand in operands
        ]
