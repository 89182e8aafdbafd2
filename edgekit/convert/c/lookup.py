"""Asks LiteRT itself what an int8 function of one number gives, for every number there is."""

from typing import Any

import numpy as np

from edgekit.array import Array
from edgekit.convert import schema
from edgekit.convert.c.reading import Operator, Tensor


def lookup(data: bytes, op: Operator) -> Array:
    """The int8 answers of one operator to -128 to 127, as LiteRT gives them.

    Args:
        data: the file that the operator is in.
        op: reads and gives one int8 tensor.
    """
    model = schema.unpack(data)
    graph = model.subgraphs[0]
    places = op.inputs[0], op.outputs[0]
    graph.operators = [entry for entry in graph.operators if op.outputs[0] in entry.outputs]
    graph.inputs, graph.outputs = [places[0]], [places[1]]
    for index in places:
        graph.tensors[index].shape = [1, 256]
        graph.tensors[index].shapeSignature = None
    every = np.arange(-128, 128, dtype=np.int8).reshape(1, 1, 256)
    answers: Array = run_all(_packed(model, data), every)[0].ravel()
    return answers


def run_all(data: bytes, inputs: Array) -> list[Array]:
    """Every output of a TFLite model for each of several inputs: `[N, *shape]` each."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    place = interpreter.get_input_details()[0]["index"]
    outputs = [detail["index"] for detail in interpreter.get_output_details()]
    found: list[list[Array]] = [[] for _ in outputs]
    for tensor in inputs:
        interpreter.set_tensor(place, tensor)
        interpreter.invoke()
        for values, index in zip(found, outputs, strict=True):
            values.append(interpreter.get_tensor(index).copy())
    return [np.stack(values) for values in found]


def giving(data: bytes, tensors: tuple[Tensor, ...]) -> bytes:
    """The file with these tensors as its outputs, in this order."""
    model = schema.unpack(data)
    model.subgraphs[0].outputs = [tensor.index for tensor in tensors]
    return _packed(model, data)


def _packed(model: Any, data: bytes) -> bytes:
    model.signatureDefs = []
    for buffer in model.buffers:
        buffer.__class__ = schema.AlignedBufferT
        buffer.data = None if buffer.data is None else bytes(bytearray(buffer.data))
    return schema.pack(model, 2 * len(data))
