"""Resize: along each axis a product with a matrix that is known beforehand."""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.autodiff.backward import Backward
from edgekit.autodiff.registry import Gradients, vjp
from edgekit.autodiff.shapes import constant_input, operand, shape_of, where
from edgekit.errors import UnsupportedModel
from edgekit.graph.match import int_of, ints_of, string_of


@vjp("Resize")
def resize(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY times the transposed matrix along each axis that changes.

    For the modes `nearest` and `linear` without antialiasing, and every coordinate transformation
    but `tf_crop_and_resize`.
    """
    x = operand(node, 0)
    for axis, (size, scale) in _changes(node, shape_of(x), shape_of(dy)).items():
        matrix = _matrix(node, size, shape_of(dy)[axis], scale)
        dy = _along(dy, axis, matrix, build)
    return [dy]


def _changes(
    node: ir.Node, before: Sequence[int], after: Sequence[int]
) -> dict[int, tuple[int, float]]:
    """The axes that change, with their size before and their scale."""
    given, scales = ints_of(node, "axes"), constant_input(node, 2)
    axes = [axis % len(before) for axis in given or range(len(before))]
    exact = dict(zip(axes, scales, strict=True)) if scales is not None and len(scales) else {}
    return {
        axis: (n, float(exact.get(axis, m / n)))
        for axis, (n, m) in enumerate(zip(before, after, strict=True))
        if n != m or exact.get(axis, 1) != 1
    }


def _matrix(node: ir.Node, size: int, count: int, scale: float) -> Array:
    """How much of each of `size` numbers is in each of `count`, `[count, size]`."""
    mode = string_of(node, "mode", "nearest")
    if mode not in ("nearest", "linear") or int_of(node, "antialias", 0):
        raise UnsupportedModel(
            f"{where(node)}: only the modes nearest and linear can be differentiated"
        )
    places = _places(node, size, count, scale)
    rows = np.arange(count)
    matrix = np.zeros((count, size))
    if mode == "nearest":
        matrix[rows, np.clip(_rounded(node, places), 0, size - 1)] = 1
        return matrix
    places = np.clip(places, 0, size - 1)
    low = np.minimum(np.floor(places).astype(int), max(size - 2, 0))
    high = np.minimum(low + 1, size - 1)
    np.add.at(matrix, (rows, low), 1 - (places - low))
    np.add.at(matrix, (rows, high), places - low)
    return matrix


def _places(node: ir.Node, size: int, count: int, scale: float) -> Array:
    """Where each of the new numbers lies among the old ones."""
    rule = string_of(node, "coordinate_transformation_mode", "half_pixel")
    new = np.arange(count, dtype=np.float64)
    if rule == "half_pixel" or (rule == "pytorch_half_pixel" and count > 1):
        return (new + 0.5) / scale - 0.5
    if rule == "half_pixel_symmetric":
        length = scale * size
        return size / 2 * (1 - count / length) + (new + 0.5) / scale - 0.5
    if rule == "asymmetric":
        return new / scale
    if rule == "align_corners":
        return new * (size - 1) / max(count - 1, 1)
    if rule == "pytorch_half_pixel":
        return new * 0
    raise UnsupportedModel(f"{where(node)}: {rule} cannot be differentiated")


def _rounded(node: ir.Node, places: Array) -> Array:
    rule = string_of(node, "nearest_mode", "round_prefer_floor")
    rounded = {
        "round_prefer_floor": lambda: np.ceil(places - 0.5),
        "round_prefer_ceil": lambda: np.floor(places + 0.5),
        "floor": lambda: np.floor(places),
        "ceil": lambda: np.ceil(places),
    }[rule]()
    return np.asarray(rounded).astype(int)


def _along(dy: ir.Value, axis: int, matrix: Array, build: Backward) -> ir.Value:
    """The product with `matrix` along one axis of dY."""
    shape = list(shape_of(dy))
    count, size = matrix.shape
    if axis == len(shape) - 1:
        return build.matmul(dy, build.constant(matrix, dtype=dy.dtype))
    before, after = int(np.prod(shape[:axis])), int(np.prod(shape[axis + 1 :]))
    flat = build.reshape(dy, (before, count, after))
    turned = build.constant(np.ascontiguousarray(matrix.T), dtype=dy.dtype)
    shape[axis] = size
    return build.reshape(build.matmul(turned, flat), shape)
