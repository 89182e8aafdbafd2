"""Transposes and reshapings in a row become one, padding goes into the Conv, Softmax unwraps."""

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.graph.passes.cancel_transposes import CancelTransposes
from edgekit.graph.passes.fold_padding import FoldPadding
from edgekit.graph.passes.merge_reshapes import MergeReshapes
from edgekit.graph.passes.unwrap_softmax import UnwrapSoftmax
from tests.graph.passes.checking import Net, declined, kinds, numbers, rewritten

ORDERS = st.permutations(range(4))


@given(first=ORDERS, second=ORDERS, third=ORDERS)
def test_transposes_in_a_row_become_one_or_none(
    first: list[int], second: list[int], third: list[int]
) -> None:
    net = Net(2, 3, 4, 5)
    value = net.op("Relu", net.x)
    for order in (first, second, third):
        value = net.op("Transpose", value, perm=order)
    left = rewritten(CancelTransposes(), net.of(net.op("Neg", value)))
    is_none = list(np.arange(4)[first][second][third]) == [0, 1, 2, 3]
    assert left in (["Relu", "Transpose", "Neg"], ["Relu", "Neg"])
    assert ("Transpose" not in left) == is_none or len(left) == 3


def test_a_transpose_that_is_read_again_stays_for_its_reader() -> None:
    net = Net(2, 3)
    first = net.op("Transpose", net.x, perm=[1, 0])
    second = net.op("Transpose", first, perm=[1, 0])
    model = net.of(net.op("Relu", second), net.op("Neg", first))
    assert sorted(rewritten(CancelTransposes(), model)) == ["Neg", "Relu", "Transpose"]


def test_a_transpose_without_an_order_is_left_alone() -> None:
    net = Net(2, 3)
    value = net.op("Transpose", net.op("Transpose", net.x), perm=[1, 0])
    assert declined(CancelTransposes(), net.of(value))


def test_reshapings_in_a_row_become_one() -> None:
    net = Net(2, 3, 4)
    value = net.op("Flatten", net.op("Relu", net.x), axis=1)
    value = net.op("Unsqueeze", value, np.array([1]))
    value = net.op("Reshape", value, np.array([2, 2, -1]))
    model = net.of(net.op("Squeeze", net.op("Unsqueeze", value, np.array([0])), np.array([0])))
    assert rewritten(MergeReshapes(), model) == ["Relu", "Reshape"]


@pytest.mark.parametrize("first", [False, True])
def test_a_transpose_of_axes_of_size_one_is_a_reshaping(first: bool) -> None:
    net = Net(2, 1, 3, 1)
    value = net.op("Relu", net.x)
    if first:
        value = net.op("Reshape", net.op("Transpose", value, perm=[1, 0, 3, 2]), np.array([6]))
    else:
        value = net.op("Transpose", net.op("Flatten", value, axis=0), perm=[1, 0])
    assert rewritten(MergeReshapes(), net.of(value)) == ["Relu", "Reshape"]


def test_any_other_transpose_is_none() -> None:
    net = Net(2, 1, 3, 1)
    value = net.op("Flatten", net.op("Transpose", net.x, perm=[2, 1, 0, 3]))
    assert declined(MergeReshapes(), net.of(value))
    net = Net(2, 1, 3, 1)
    value = net.op("Transpose", net.op("Transpose", net.x, perm=[0, 1, 3, 2]), perm=[0, 2, 1, 3])
    assert declined(MergeReshapes(), net.of(value))


def test_a_reshaping_to_an_unknown_shape_is_left_alone() -> None:
    net = Net("N", 3, 4)
    flat = net.op("Flatten", net.x, axis=1)
    assert declined(MergeReshapes(), net.of(net.op("Unsqueeze", flat, np.array([1]))))


@pytest.mark.parametrize("own", [[0, 0, 0, 0], [1, 0, 2, 1]])
def test_padding_with_zeros_goes_into_the_conv(own: list[int]) -> None:
    net = Net(1, 3, 5, 5)
    padded = net.op("Pad", net.x, np.array([0, 0, 1, 2, 0, 0, 0, 3]))
    model = net.of(net.op("Conv", padded, numbers(4, 3, 3, 3), pads=own))
    assert rewritten(FoldPadding(), model) == ["Conv"]


@pytest.mark.parametrize(
    ("pads", "attributes", "fill"),
    [
        ([0, 0, 1, 1, 0, 0, 1, 1], {"mode": "reflect"}, None),
        ([0, 0, 1, 1, 0, 0, 1, 1], {}, np.float32(1)),
        ([0, 0, -1, 1, 0, 0, 1, 1], {}, None),
        ([1, 0, 1, 1, 0, 0, 1, 1], {}, None),
    ],
)
def test_other_padding_is_left_alone(
    pads: list[int], attributes: dict[str, str], fill: np.float32 | None
) -> None:
    net = Net(1, 3, 5, 5)
    padded = net.op("Pad", net.x, np.array(pads), fill, **attributes)
    assert declined(FoldPadding(), net.of(net.op("Conv", padded, numbers(4, 3, 3, 3))))


def test_padded_channels_are_left_alone() -> None:
    net = Net(1, 2, 5, 5)
    padded = net.op("Pad", net.x, np.array([0, 1, 0, 0, 0, 0, 0, 0]))
    assert declined(FoldPadding(), net.of(net.op("Conv", padded, numbers(4, 3, 3, 3))))


def test_a_conv_that_finds_its_padding_itself_is_left_alone() -> None:
    net = Net(1, 3, 5, 5)
    padded = net.op("Pad", net.x, np.array([0, 0, 1, 1, 0, 0, 1, 1]))
    conv = net.op("Conv", padded, numbers(4, 3, 3, 3), auto_pad="SAME_LOWER")
    assert declined(FoldPadding(), net.of(conv))


def test_padding_that_is_read_again_is_left_alone() -> None:
    net = Net(1, 3, 5, 5)
    padded = net.op("Pad", net.x, np.array([0, 0, 1, 1, 0, 0, 1, 1]))
    assert declined(FoldPadding(), net.of(net.op("Conv", padded, numbers(4, 3, 3, 3)), padded))


def wrapped(
    inner: list[int], outer: list[int], *, axis: int = -1, kind: str = "Softmax"
) -> ir.Model:
    net = Net(*outer)
    flat = net.op("Reshape", net.op("Relu", net.x), np.array(inner))
    return net.of(net.op("Reshape", net.op(kind, flat, axis=axis), np.array(outer)))


@pytest.mark.parametrize("kind", ["Softmax", "LogSoftmax"])
def test_a_softmax_over_classes_is_unwrapped(kind: str) -> None:
    model = wrapped([2, 6], [2, 6, 1, 1], kind=kind)
    assert rewritten(UnwrapSoftmax(), model) == ["Relu", kind]


def test_a_softmax_over_more_than_the_classes_stays_wrapped() -> None:
    assert declined(UnwrapSoftmax(), wrapped([2, 12], [2, 6, 2, 1]))
    assert declined(UnwrapSoftmax(), wrapped([2, 6], [2, 6, 1, 1], axis=0))


def test_a_softmax_that_is_read_again_stays_wrapped() -> None:
    net = Net(2, 6, 1, 1)
    made = net.op("Softmax", net.op("Flatten", net.x, axis=1), axis=1)
    model = net.of(net.op("Reshape", made, np.array([2, 6, 1, 1])), made)
    assert declined(UnwrapSoftmax(), model)
    assert kinds(model) == ["Flatten", "Softmax", "Reshape"]
