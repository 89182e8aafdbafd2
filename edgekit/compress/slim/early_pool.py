"""Pools before the last layer instead of after it."""

import onnx_ir as ir

from edgekit.compress.layers import Layer, linear_layers
from edgekit.errors import UnsupportedModel
from edgekit.graph.edit import insert_before, replace_node
from edgekit.graph.match import ints_of, is_op, only_reader
from edgekit.graph.shapes import infer_shapes

_POINTWISE = ("Clip", "Elu", "HardSwish", "LeakyRelu", "Relu", "Sigmoid", "Tanh")


def late_pools(model: ir.Model) -> list[str]:
    """The outputs of 1 x 1 Convs that, perhaps activated, are only averaged over all positions.

    A Conv and an average over positions commute, so that pooling first is exact where no
    activation lies between them, and near where the activation is seldom off. MobileNetV3's last
    stage is drawn so by hand (Howard et al., 2019, arXiv:1905.02244, section 5.1): one position is
    computed in place of all.
    """
    return [
        str(layer.output.name)
        for layer in linear_layers(model)
        if _is_pointwise(layer) and _pool_after(layer) is not None
    ]


def pool_early(model: ir.Model, name: str) -> ir.Model:
    """Moves the pool in front of the layer, in place; gives the same model.

    Args:
        model: changed.
        name: one of `late_pools`.

    Raises:
        UnsupportedModel: there is none of that name.
    """
    layer = next((some for some in linear_layers(model) if some.output.name == name), None)
    pool = None if layer is None or not _is_pointwise(layer) else _pool_after(layer)
    if layer is None or pool is None or pool.inputs[0] is None:
        raise UnsupportedModel(f"{name!r} is not pooled in a way that could come first")
    early = ir.Node("", "GlobalAveragePool", [layer.input])
    early.outputs[0].name = f"{name}_pooled"
    insert_before(model, layer.node, 0, [early])
    replace_node(pool, with_value=pool.inputs[0])
    for node in model.graph:
        for value in node.outputs:
            if not value.is_graph_output():
                value.shape = None
    return infer_shapes(model)


def _pool_after(layer: Layer) -> ir.Node | None:
    reader = only_reader(layer.output)
    while reader is not None and is_op(reader, *_POINTWISE):
        reader = only_reader(reader.outputs[0])
    return reader if is_op(reader, "GlobalAveragePool") else None


def _is_pointwise(layer: Layer) -> bool:
    if not layer.is_conv or layer.groups > 1:
        return False
    sizes = {*(ints_of(layer.node, "strides") or [1]), *layer.weights.shape[2:]}
    return sizes == {1} and not any(ints_of(layer.node, "pads") or [0])
