"""What the builder of backward graphs spares the engine."""

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.autodiff.backward import Backward


def value(*shape: int) -> ir.Value:
    return ir.Value(name="x", shape=ir.Shape(shape), type=ir.TensorType(ir.DataType.FLOAT))


@pytest.mark.parametrize(
    ("shape", "wanted"), [((8, 1000, 1, 1), (1, 1, 1, 1)), ((8, 4), ()), ((), ())]
)
def test_a_number_beside_a_last_axis_of_1_has_as_many_axes(
    shape: tuple[int, ...], wanted: tuple[int, ...]
) -> None:
    made = Backward(["x"]).op("Mul", value(*shape), 0.5)
    number = made.producer().inputs[1]  # type: ignore[union-attr]
    assert number is not None
    assert number.const_value is not None
    assert (number.const_value.numpy() == np.float32(0.5)).all()
    assert tuple(number.const_value.shape) == wanted
    assert made.shape == shape


def test_what_an_operator_takes_as_a_scalar_stays_one() -> None:
    padded = Backward(["x"]).op("Pad", value(3, 1), np.array([1, 0, 0, 0]), -1.0, shape=(4, 1))
    filler = padded.producer().inputs[2]  # type: ignore[union-attr]
    assert filler is not None
    assert filler.shape == ()


@pytest.mark.parametrize(
    ("shape", "perm", "kind"),
    [
        ((8, 1, 5), [0, 2, 1], "Reshape"),
        ((1, 8, 1, 5), [1, 0, 3, 2], "Reshape"),
        ((8, 1, 5), [2, 1, 0], "Transpose"),
        ((8, 5), [1, 0], "Transpose"),
    ],
)
def test_axes_of_1_are_moved_without_a_copy(
    shape: tuple[int, ...], perm: list[int], kind: str
) -> None:
    moved = Backward(["x"]).transpose(value(*shape), perm)
    assert moved.producer().op_type == kind  # type: ignore[union-attr]
    assert moved.shape == tuple(shape[axis] for axis in perm)
