"""Every node can be spoken of by a name of its own."""

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.compress.layers import name_nodes
from edgekit.graph.build import GraphBuilder


def chain(*names: str) -> ir.Model:
    """Nodes of these names, whose outputs are `value_0`, `value_1` ..."""
    build = GraphBuilder("chain")
    value = build.input("x", np.float32, (1, 2))
    for place in range(len(names)):
        value = build.op("Neg", value)
        value.name = f"value_{place}"
    model = build.finish(**{str(value.name): (value, np.float32, (1, 2))})
    for node, name in zip(model.graph, names, strict=True):
        node.name = name
    return model


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("", "b"), ["value_0", "b"]),
        (("a", "a"), ["a", "value_1"]),
        (("", "value_0"), ["value_0_1", "value_0"]),
        (("value_1", ""), ["value_1", "value_1_1"]),
        (("value_1_1", "value_1", "", "value_1"), ["value_1_1", "value_1", "value_2", "value_3"]),
    ],
)
def test_no_two_nodes_have_one_name(before: tuple[str, ...], after: list[str]) -> None:
    model = chain(*before)
    name_nodes(model)
    assert [node.name for node in model.graph] == after
