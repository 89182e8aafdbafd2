"""Where a graph holds the answer that training compares."""

import onnx_ir as ir

from edgekit.graph.match import is_op


def answer_of(model: ir.Model) -> tuple[ir.Value, bool]:
    """The value that the model's answer is read off, and whether it is logits.

    A Softmax's input stands for its output: there the curvature is known in closed form.
    """
    value = model.graph.outputs[0]
    found: ir.Value | None = value
    while found is not None:
        producer = found.producer()
        if producer is not None and is_op(producer, "Softmax") and producer.inputs[0] is not None:
            return producer.inputs[0], True
        if producer is None or not is_op(producer, "Flatten", "Reshape", "Squeeze", "Identity"):
            break
        found = producer.inputs[0]
    return value, False
