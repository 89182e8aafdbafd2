"""SqueezeNet 1.1: AlexNet's accuracy in 1.2 million parameters.

Iandola et al., 2016, arXiv:1602.07360; the 1.1 variant is the authors' own later one, which pools
earlier and so needs 2.4 times fewer multiplications.
"""

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.errors import UnsupportedModel
from edgekit.graph.build import GraphBuilder
from edgekit.graph.match import constant, is_op

_FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
"""Squeeze and expand widths of fire modules 2 to 9."""
_POOL_AFTER = (1, 3)
"""Fire modules, counted from 0, that a pool follows."""

_ALIVE = 2.0
"""The first bias of each class: a Relu follows, and a class that is never above 0 never learns."""

Weights = list[tuple[Array, Array]]
"""Weights float32 `[out, in, height, width]` and bias float32 `[out]` of the 26 Convs, in order."""


def build_squeezenet(
    weights: Weights | None = None,
    *,
    classes: int = 1000,
    size: int = 224,
    width: float = 1.0,
    seed: int = 0,
) -> ir.Model:
    """SqueezeNet 1.1 from pixels as it was trained on to probabilities.

    Args:
        weights: of the 26 Convs; without them, He-initialised ones.
        classes: how many classes it tells apart, where `weights` does not say.
        size: height and width of the picture.
        width: the share of the published numbers of channels that each layer has.
        seed: of the weights, where none are given.

    Returns:
        `data` float32 `[1, 3, size, size]` to `scores` float32 `[1, classes]`.

    Raises:
        UnsupportedModel: the weights are not SqueezeNet 1.1's.
    """
    weights = _random_weights(_shapes(classes, width), seed) if weights is None else weights
    _require_shapes(weights, width)
    classes = len(weights[-1][1])
    queue = iter(weights)
    build = GraphBuilder("squeezenet1.1")

    def conv(value: ir.Value, name: str, **attributes: object) -> ir.Value:
        kernel, bias = next(queue)
        attributes["kernel_shape"] = [int(axis) for axis in kernel.shape[2:]]
        held = [build.constant(kernel, f"{name}.weight"), build.constant(bias, f"{name}.bias")]
        return build.op("Relu", build.op("Conv", value, *held, **attributes))

    def pool(value: ir.Value) -> ir.Value:
        return build.op("MaxPool", value, kernel_shape=[3, 3], strides=[2, 2])

    data = build.input("data", np.float32, (1, 3, size, size))
    value = pool(conv(data, "first", strides=[2, 2]))
    for number in range(len(_FIRES)):
        name = f"fire{number + 2}"
        squeezed = conv(value, f"{name}.squeeze")
        narrow = conv(squeezed, f"{name}.narrow")
        wide = conv(squeezed, f"{name}.wide", pads=[1, 1, 1, 1])
        value = build.op("Concat", narrow, wide, axis=1)
        if number in _POOL_AFTER:
            value = pool(value)
    pooled = build.op("Flatten", build.op("GlobalAveragePool", conv(value, "head")), axis=1)
    scores = build.op("Softmax", pooled, axis=1)
    return build.finish(scores=(scores, np.float32, (1, classes)))


def weights_of(model: ir.Model) -> Weights:
    """The Convs' weights of a SqueezeNet 1.1 in any ONNX export, in order.

    Raises:
        UnsupportedModel: a Conv's weights are not constant, or they are not SqueezeNet 1.1's.
    """
    weights = []
    for node in model.graph:
        if not is_op(node, "Conv"):
            continue
        kernel = constant(node.inputs[1])
        bias = constant(node.inputs[2]) if len(node.inputs) > 2 else None
        if kernel is None or bias is None:
            raise UnsupportedModel(f"the Conv {node.name!r} has no constant weights and bias")
        weights.append((kernel, bias))
    _require_shapes(weights)
    return weights


def _shapes(classes: int, width: float = 1.0) -> list[tuple[int, int, int, int]]:
    channels = round(64 * width)
    shapes = [(channels, 3, 3, 3)]
    for fire in _FIRES:
        squeeze, expand = (max(1, round(published * width)) for published in fire)
        shapes += [(squeeze, channels, 1, 1), (expand, squeeze, 1, 1), (expand, squeeze, 3, 3)]
        channels = 2 * expand
    return [*shapes, (classes, channels, 1, 1)]


def _require_shapes(weights: Weights, width: float = 1.0) -> None:
    classes = len(weights[-1][1]) if weights else 0
    if [kernel.shape for kernel, _ in weights] != _shapes(classes, width):
        raise UnsupportedModel("its Convs are not those of SqueezeNet 1.1")


def _random_weights(shapes: list[tuple[int, int, int, int]], seed: int) -> Weights:
    """He et al., 2015, arXiv:1502.01852."""
    rng = np.random.default_rng(seed)
    weights = []
    for shape in shapes:
        deviation = np.sqrt(2 / np.prod(shape[1:]))
        kernel = rng.normal(0, deviation, shape).astype(np.float32)
        weights.append((kernel, np.zeros(shape[0], np.float32)))
    weights[-1][1].fill(_ALIVE)
    return weights
