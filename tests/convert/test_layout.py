"""Orders: what ONNX does to axes, done to where they are stored."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.convert.layout import (
    NEW,
    Order,
    expanded,
    regrouped,
    same_memory,
    squeezed,
    stored,
    stored_shape,
    transposed,
    unsqueezed,
)

SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=5)


def numbered(shape: tuple[int, ...]) -> Array:
    return np.arange(np.prod(shape)).reshape(shape)


@st.composite
def values(draw: st.DrawFn) -> tuple[Array, Order]:
    shape = tuple(draw(SIZES))
    order = list(draw(st.permutations(range(len(shape)))))
    for _ in range(draw(st.integers(0, 2))):
        order.insert(draw(st.integers(0, len(order))), NEW)
    return numbered(shape), tuple(order)


@given(values(), st.data())
def test_a_transpose_is_a_change_of_order(value: tuple[Array, Order], data: st.DataObject) -> None:
    array, order = value
    permutation = tuple(data.draw(st.permutations(range(array.ndim))))
    moved = stored(array.transpose(permutation), transposed(order, permutation))
    np.testing.assert_array_equal(moved, stored(array, order))


@given(values(), st.data())
def test_an_axis_of_one_that_goes_leaves_its_place(
    value: tuple[Array, Order], data: st.DataObject
) -> None:
    array, order = value
    ones = [axis for axis, size in enumerate(array.shape) if size == 1]
    axes = set(data.draw(st.lists(st.sampled_from(ones), unique=True))) if ones else set()
    less = stored(array.squeeze(tuple(axes)), squeezed(order, axes))
    np.testing.assert_array_equal(less, stored(array, order))


@given(values(), st.data())
def test_a_new_axis_of_one_moves_no_number(value: tuple[Array, Order], data: st.DataObject) -> None:
    array, order = value
    places = st.integers(0, array.ndim + 1)
    axes = set(data.draw(st.lists(places, min_size=2, max_size=2, unique=True)))
    more = stored(np.expand_dims(array, tuple(axes)), unsqueezed(order, axes))
    np.testing.assert_array_equal(more.ravel(), stored(array, order).ravel())


@given(values(), st.data())
def test_a_reshape_of_what_is_stored_is_the_reshape_stored(
    value: tuple[Array, Order], data: st.DataObject
) -> None:
    array, order = value
    sizes = array.shape
    cut = data.draw(st.integers(0, len(sizes)))
    joined = (int(np.prod(sizes[:cut])), *sizes[cut:])
    split = [part for size in joined for part in ((2, size // 2) if size % 2 == 0 else (size,))]
    new = tuple(data.draw(st.sampled_from([joined, tuple(split), (*split, 1), (1, *joined)])))
    before, after = regrouped(array.shape, new, order)
    given_numbers = stored(array, before).reshape(stored_shape(new, after))
    np.testing.assert_array_equal(given_numbers, stored(array.reshape(new), after))


@given(values())
def test_splitting_an_axis_moves_nothing(value: tuple[Array, Order]) -> None:
    array, order = value
    new = tuple(part for size in array.shape for part in ((2, 2) if size == 4 else (size,)))
    before, _ = regrouped(array.shape, new, order)
    assert same_memory(before, order, array.shape)


@given(values(), st.data())
def test_same_memory_tells_whether_numbers_move(
    value: tuple[Array, Order], data: st.DataObject
) -> None:
    array, order = value
    other = tuple(data.draw(st.permutations(range(array.ndim))))
    stays = np.array_equal(stored(array, order).ravel(), stored(array, other).ravel())
    assert same_memory(order, other, array.shape) == stays


@given(values(), st.integers(0, 2))
def test_a_value_of_fewer_axes_broadcasts_in_any_order(
    value: tuple[Array, Order], missing: int
) -> None:
    array, order = value
    missing = min(missing, array.ndim)
    less = numbered(array.shape[missing:])
    together = stored(array, order) + stored(less, expanded(order, missing))
    np.testing.assert_array_equal(together, stored(array + less, order))
