"""The same numbers in another order or dtype: whoever asks second gets what was made first."""

from collections.abc import Sequence

import numpy as np

from edgekit.convert import schema
from edgekit.convert.layout import NEW, Order, same_memory, stored_shape
from edgekit.convert.quantization import Grid
from edgekit.convert.versions import DEQUANTIZES_CHANNELS
from edgekit.convert.writer import Tensor, Writer
from edgekit.errors import UnsupportedModel


class Conversions:
    """Writes RESHAPE, TRANSPOSE, QUANTIZE and DEQUANTIZE, each once for a tensor."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._made: dict[tuple[object, ...], Tensor] = {}

    def reordered(
        self, tensor: Tensor, before: Order, after: Order, shape: tuple[int, ...]
    ) -> Tensor:
        """A tensor that stores a value of some shape in one order, in another."""
        moved = tensor
        if not same_memory(before, after, shape):
            old = tuple(axis for axis in before if axis != NEW)
            new = tuple(axis for axis in after if axis != NEW)
            moved = self.reshaped(moved, stored_shape(shape, old))
            permutation = [old.index(axis) for axis in new]
            if permutation != sorted(permutation):
                moved = self._moved(moved, "TRANSPOSE", permutation, stored_shape(shape, new))
        return self.reshaped(moved, stored_shape(shape, after))

    def reshaped(self, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
        """A tensor in another shape."""
        if tensor.shape == shape:
            return tensor
        return self._moved(tensor, "RESHAPE", shape, shape)

    def copied(self, tensor: Tensor) -> Tensor:
        """The same again, in a tensor of its own."""
        return self._new(tensor, "RESHAPE", tensor.shape, tensor.shape)

    def dequantized(self, tensor: Tensor, name: str) -> Tensor:
        """A tensor as float32; `name` is what to call it in an error.

        Raises:
            UnsupportedModel: it has integers that stand for no floats.
        """
        if tensor.dtype == np.float32:
            return tensor
        if tensor.grid is None and tensor.dtype != np.float16:
            raise UnsupportedModel(f"{name!r} is {tensor.dtype} where TFLite computes in float32")
        return self._converted(tensor, "DEQUANTIZE", np.dtype(np.float32), None)

    def quantized(self, tensor: Tensor, grid: Grid | None = None) -> Tensor:
        """A tensor as int8 on a grid, or on its own.

        From grid to grid it goes by float32: XNNPACK's own step has a factor of only 8 bits.
        """
        grid = grid or tensor.grid
        if tensor.dtype == np.int8 and tensor.grid == grid:
            return tensor
        if tensor.grid not in (None, grid):
            tensor = self._converted(tensor, "DEQUANTIZE", np.dtype(np.float32), None)
        return self._converted(tensor, "QUANTIZE", np.dtype(np.int8), grid)

    def shifted(self, tensor: Tensor, dtype: np.dtype[np.generic]) -> Tensor:
        """A tensor on the same grid, in the other of int8 and uint8."""
        if tensor.dtype == dtype:
            return tensor
        return self._converted(tensor, "QUANTIZE", dtype, tensor.grid)

    def _converted(
        self, tensor: Tensor, code: str, dtype: np.dtype[np.generic], grid: Grid | None
    ) -> Tensor:
        key = (tensor.index, code, dtype, grid)
        if key not in self._made:
            name = f"tensor_{tensor.index}/{code.lower()}"
            self._made[key] = self._writer.tensor(name, tensor.shape, dtype, grid)
            has_channels = tensor.grid is not None and len(tensor.grid.scales) > 1
            version = DEQUANTIZES_CHANNELS if has_channels else None
            self._writer.operator(code, [tensor], [self._made[key]], version=version)
        return self._made[key]

    def _moved(
        self, tensor: Tensor, code: str, how: Sequence[int], shape: tuple[int, ...]
    ) -> Tensor:
        key = (tensor.index, code, tuple(how))
        if key not in self._made:
            self._made[key] = self._new(tensor, code, how, shape)
        return self._made[key]

    def _new(self, tensor: Tensor, code: str, how: Sequence[int], shape: tuple[int, ...]) -> Tensor:
        made = self._writer.tensor(
            f"tensor_{tensor.index}/{code.lower()}", shape, tensor.dtype, tensor.grid
        )
        options = schema.NO_OPTIONS
        if code == "RESHAPE":
            options = schema.options("Reshape", newShape=list(how))
        numbers = self._writer.constant(code.lower(), np.array(how, np.int32))
        self._writer.operator(code, [tensor, numbers], [made], options)
        return made
