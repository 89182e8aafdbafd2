"""Where the axes of an ONNX value lie in the TFLite tensor that stores it.

ONNX puts channels first, TFLite's kernels want them last. So each value is stored in an *order*:
a tuple that says for each axis of the stored tensor which axis of the ONNX value it is, or `NEW`
for an axis of 1 that the value does not have. A Transpose in the ONNX graph is then a change of
order, and moves nothing.
"""

import numpy as np

from edgekit.array import Array

NEW = -1

Order = tuple[int, ...]

CHANNELS_LAST: dict[int, Order] = {3: (0, NEW, 2, 1), 4: (0, 2, 3, 1)}
"""What a convolution wants to read, by the rank of the value; a signal is a picture of height 1."""


def as_in_onnx(rank: int) -> Order:
    """The order of a value that is stored as ONNX has it."""
    return tuple(range(rank))


def stored_shape(shape: tuple[int, ...], order: Order) -> tuple[int, ...]:
    """The shape of the tensor that stores a value."""
    return tuple(1 if axis == NEW else shape[axis] for axis in order)


def stored(array: Array, order: Order) -> Array:
    """A constant as it is stored."""
    moved = array.transpose([axis for axis in order if axis != NEW])
    return moved.reshape(stored_shape(array.shape, order))


def transposed(order: Order, permutation: tuple[int, ...]) -> Order:
    """The order of `Transpose(value, permutation)` in the tensor that stores `value`."""
    return tuple(NEW if axis == NEW else permutation.index(axis) for axis in order)


def squeezed(order: Order, axes: set[int]) -> Order:
    """The order of a value without some of its axes of 1, in the tensor that stores it all."""
    return tuple(
        NEW if axis == NEW or axis in axes else axis - sum(gone < axis for gone in axes)
        for axis in order
    )


def unsqueezed(order: Order, axes: set[int]) -> Order:
    """An order for a value with new axes of 1, such that no number moves in memory.

    Each new axis comes before the axis that follows it in the value, or at the end.
    """
    kept = [axis for axis in range(len(order) + len(axes)) if axis not in axes]
    found = [NEW if axis == NEW else kept[axis] for axis in order if axis != NEW]
    for axis in sorted(axes, reverse=True):
        found.insert(found.index(axis + 1) if axis + 1 in found else len(found), axis)
    return tuple(found)


def moving(order: Order, shape: tuple[int, ...]) -> Order:
    """The axes of an order that hold more than one entry."""
    return tuple(axis for axis in order if axis != NEW and shape[axis] != 1)


def same_memory(one: Order, other: Order, shape: tuple[int, ...]) -> bool:
    """Whether a value's numbers come one after the other in the same way in both orders."""
    return moving(one, shape) == moving(other, shape)


def expanded(order: Order, missing: int) -> Order:
    """The order in which to read a value that lacks the first axes of what `order` is of."""
    return tuple(NEW if axis < missing else axis - missing for axis in order)


def regrouped(
    shape: tuple[int, ...], new_shape: tuple[int, ...], order: Order
) -> tuple[Order, Order]:
    """How a value can be reshaped with as little moving as possible.

    Axes that a Reshape splits or merges stay where they are in the stored tensor as long as those
    that merge lie next to each other.

    Returns:
        The order to have the value in, and the order of what a RESHAPE then gives.
    """
    groups = dict(_groups(shape, new_shape))
    chain: list[tuple[int, ...]] = [(axis,) for axis in moving(order, shape)]
    for group in groups:
        if len(group) > 1:
            at = min(chain.index((axis,)) for axis in group)
            chain = [link for link in chain if not set(link) & set(group)]
            chain.insert(at, group)
    out = [axis for link in chain for axis in groups[link]]
    units = {axis for axis, size in enumerate(new_shape) if size == 1}
    for axis in sorted(units, reverse=True):
        out.insert(out.index(axis + 1) if axis + 1 in out else len(out), axis)
    ones = [axis for axis, size in enumerate(shape) if size == 1]
    return (*ones, *(axis for link in chain for axis in link)), tuple(out)


def _groups(
    shape: tuple[int, ...], new_shape: tuple[int, ...]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The fewest axes that become the fewest axes, leaving axes of 1 out."""
    before = [axis for axis, size in enumerate(shape) if size != 1]
    after = [axis for axis, size in enumerate(new_shape) if size != 1]
    groups = []
    while before or after:
        left, right = [before.pop(0)], [after.pop(0)]
        while (a := _product(shape, left)) != (b := _product(new_shape, right)):
            if a < b:
                left.append(before.pop(0))
            else:
                right.append(after.pop(0))
        groups.append((tuple(left), tuple(right)))
    return groups


def _product(shape: tuple[int, ...], axes: list[int]) -> int:
    return int(np.prod([shape[axis] for axis in axes]))
