"""Resize: nearest and linear, by TFLite's own operators where they sample at the same places."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgekit.array import Array
from edgekit.convert import schema
from edgekit.convert.layout import CHANNELS_LAST, NEW
from edgekit.convert.op import Op
from edgekit.convert.tails import grid_wanted
from edgekit.convert.writer import Tensor

_ALIGNMENTS = ((False, True), (True, False), (False, False))
"""TFLite's `alignCorners` and `halfPixelCenters`."""


@dataclass(frozen=True)
class _Axis:
    """One axis that is resized.

    Attributes:
        axis: of the value.
        size: before.
        out: after.
        places: where each entry is sampled, in entries of the input: float32, not yet clamped.
    """

    axis: int
    size: int
    out: int
    places: Array


def can_be_integer(op: Op) -> bool:
    """Whether int8 is copied, or averaged and given on the same grid by TFLite's operator."""
    if op.text("mode", "nearest") == "nearest":
        return True
    keeps_grid = op.grid is not None and grid_wanted(op.node.outputs[0]) == op.grid
    return keeps_grid and _alignment(op, _axes(op)) is not None


def resize(op: Op) -> None:
    """Writes a Resize by constant scales or sizes."""
    mode = op.text("mode", "nearest")
    if mode not in ("nearest", "linear"):
        raise op.unsupported(f"in the mode {mode!r}")
    if op.integer("antialias", 0) or op.integer("exclude_outside", 0):
        raise op.unsupported("with antialias or exclude_outside")
    if op.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise op.unsupported("with a keep_aspect_ratio_policy")
    axes = _axes(op)
    alignment = _alignment(op, axes)
    if alignment is not None:
        _by_operator(op, mode, alignment)
        return
    x, order = op.read(0), op.order(0)
    for axis in axes:
        place = order.index(axis.axis)
        if mode == "nearest":
            x = _taken(op, x, place, _nearest(op, axis))
        else:
            x = _interpolated(op, x, place, axis)
    op.give(x, order)


def _axes(op: Op) -> list[_Axis]:
    """The axes whose entries are not all sampled where they are."""
    shape, new_shape = op.shape(0), op.result_shape
    given = list(op.ints("axes", range(len(shape))))
    scales = op.array(2)
    has_scales = op.input(2) is not None and (scales is None or scales.size > 0)
    if has_scales and scales is None:
        raise op.unsupported("by scales that are not constant")
    found = []
    for axis, (size, out) in enumerate(zip(shape, new_shape, strict=True)):
        scale = out / size
        if has_scales and scales is not None and axis in given:
            scale = float(scales[given.index(axis)])
        places = _places(op, size, out, scale)
        if out != size or not np.array_equal(places, np.arange(size)):
            found.append(_Axis(axis, size, out, places))
    return found


def _places(op: Op, size: int, out: int, scale: float) -> Array:
    mode = op.text("coordinate_transformation_mode", "half_pixel")
    index, by = np.arange(out, dtype=np.float32), np.float32(scale)
    if mode == "pytorch_half_pixel" and out == 1:
        return np.zeros(1, np.float32)
    if mode in ("half_pixel", "pytorch_half_pixel"):
        return (index + np.float32(0.5)) / by - np.float32(0.5)
    if mode == "asymmetric":
        return index / by
    if mode == "align_corners":
        return index * np.float32((size - 1) / (out - 1) if out > 1 else 0)
    raise op.unsupported(f"with the coordinates {mode!r}")


def _nearest(op: Op, axis: _Axis) -> Array:
    mode = op.text("nearest_mode", "round_prefer_floor")
    rounded: dict[str, Callable[[Array], Array]] = {
        "round_prefer_floor": lambda places: np.ceil(places - 0.5),
        "round_prefer_ceil": lambda places: np.floor(places + 0.5),
        "floor": np.floor,
        "ceil": np.ceil,
    }
    if mode not in rounded:
        raise op.unsupported(f"with the nearest_mode {mode!r}")
    return np.clip(rounded[mode](axis.places), 0, axis.size - 1).astype(np.int32)


def _alignment(op: Op, axes: list[_Axis]) -> tuple[bool, bool] | None:
    """How TFLite's operator samples at the same places, if it can."""
    rank = len(op.shape(0))
    if rank not in CHANNELS_LAST or any(axis.axis < 2 for axis in axes):
        return None
    nearest = op.text("mode", "nearest") == "nearest"
    for corners, centers in _ALIGNMENTS:
        theirs = [_theirs(axis, corners=corners, centers=centers) for axis in axes]
        if nearest:
            same = all(
                np.array_equal(_their_nearest(places, axis, corners), _nearest(op, axis))
                for places, axis in zip(theirs, axes, strict=True)
            )
        else:
            same = all(
                np.allclose(places - 0.5 * centers, axis.places, rtol=1e-6, atol=1e-6)
                for places, axis in zip(theirs, axes, strict=True)
            )
        if same:
            return corners, centers
    return None


def _theirs(axis: _Axis, *, corners: bool, centers: bool) -> Array:
    """Where TFLite samples; half an entry further where it looks from centers."""
    index = np.arange(axis.out, dtype=np.float32) + np.float32(0.5 * centers)
    if corners and axis.out > 1:
        return index * np.float32((axis.size - 1) / (axis.out - 1))
    return index * np.float32(axis.size / axis.out)


def _their_nearest(places: Array, axis: _Axis, corners: bool) -> Array:
    rounded = np.floor(places + 0.5) if corners else np.floor(places)
    return np.clip(rounded, 0, axis.size - 1).astype(np.int32)


def _by_operator(op: Op, mode: str, alignment: tuple[bool, bool]) -> None:
    order = CHANNELS_LAST[len(op.shape(0))]
    x = op.read(0, order)
    shape = tuple(1 if axis == NEW else op.result_shape[axis] for axis in order)
    kind, code = {
        "nearest": ("ResizeNearestNeighbor", "RESIZE_NEAREST_NEIGHBOR"),
        "linear": ("ResizeBilinear", "RESIZE_BILINEAR"),
    }[mode]
    options = schema.options(kind, alignCorners=alignment[0], halfPixelCenters=alignment[1])
    op.give(op.emit(code, [x, op.fixed("size", shape[1:3])], shape, options), order)


def _taken(op: Op, x: Tensor, place: int, indices: Array) -> Tensor:
    shape = (*x.shape[:place], len(indices), *x.shape[place + 1 :])
    options = schema.options("Gather", axis=place)
    return op.emit("GATHER", [x, op.fixed("indices", indices)], shape, options)


def _interpolated(op: Op, x: Tensor, place: int, axis: _Axis) -> Tensor:
    places = np.clip(axis.places, 0, axis.size - 1)
    low = np.floor(places).astype(np.int32)
    share = (places - low).reshape([-1 if at == place else 1 for at in range(len(x.shape))])
    parts = []
    for indices, weight in ((low, 1 - share), (np.minimum(low + 1, axis.size - 1), share)):
        part = _taken(op, x, place, indices)
        weights = op.fixed("share", weight, np.float32)
        parts.append(op.emit("MUL", [part, weights], part.shape, schema.unfused("Mul")))
    return op.emit("ADD", parts, parts[0].shape, schema.unfused("Add"))
