"""What every operator's lowering needs: weights, grids, windows, and where steps are put."""

from collections.abc import Callable

import numpy as np

from edgekit.array import Array
from edgekit.convert import schema
from edgekit.convert.c.program import Program, Step, clamped, scale_bits
from edgekit.convert.c.reading import Network, Operator, Tensor

Lookup = Callable[[Operator], Array]
"""What LiteRT gives of an operator on each of -128 to 127."""

ACTIVATIONS = {schema.activation(name): name for name in ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")}
_MOST = 2**31
QUANTIZE = "quantise it by one scale a tensor, weights around zero (the recipe's quantize step)"


class Lowering:
    """What operators are lowered with: the network they are in, and the program they become."""

    def __init__(self, network: Network, program: Program, lookup: Lookup) -> None:
        self.network = network
        self.program = program
        self.lookup = lookup

    def tensor(self, index: int) -> Tensor:
        """A tensor of the file."""
        return self.network.tensors[index]

    def add(self, op: Operator, kernel: str, call: str, *, patch: int = 0, macs: int = 0) -> None:
        """Appends a step that reads the operator's activations."""
        reads = tuple(
            index for index in op.inputs if index >= 0 and self.tensor(index).data is None
        )
        self.program.steps.append(Step(call, kernel, reads, op.outputs[0], patch, macs))

    def activation(self, op: Operator) -> str:
        """The name of the activation that is fused into an operator.

        Raises:
            UnsupportedModel: C has it not.
        """
        number = getattr(op.options, "fusedActivationFunction", 0)
        if number not in ACTIVATIONS:
            raise op.unsupported(f"with the fused activation {number}", "use Relu or Relu6")
        return ACTIVATIONS[number]

    def grid(self, op: Operator) -> str:
        """A reference to the grid of the operator's output, with the bounds of its activation."""
        y = self.tensor(op.outputs[0])
        return self.program.grid(y.zero_point, *clamped(y, self.activation(op)))

    def weights(self, op: Operator) -> tuple[Array, Array, Array]:
        """Int8 weights, an int32 bias with the zero point in it, and float32 scales.

        The weights are `[width, depth]`; of a depthwise layer the bias leaves the zero point out.

        Raises:
            UnsupportedModel: they are not constant, not around zero, or may overflow.
        """
        x, w, y = (self.tensor(index) for index in (op.inputs[0], op.inputs[1], op.outputs[0]))
        if w.data is None or w.dtype != np.int8 or not len(w.scales) or w.zero_points.any():
            raise op.unsupported("with such weights", QUANTIZE)
        is_depthwise = op.code == "DEPTHWISE_CONV_2D"
        rows = w.data.reshape(-1, w.shape[-1]).T if is_depthwise else w.data.reshape(w.shape[0], -1)
        bias = self.bias(op, len(rows))
        sums = rows.astype(np.int64).sum(1)
        if not is_depthwise:
            bias = bias - x.zero_point * sums
        reach = np.abs(rows.astype(np.int64)).sum(1) * 255 + np.abs(bias)
        if reach.max(initial=0) >= _MOST:
            raise op.unsupported("with sums beyond 32 bits", "make the layer narrower")
        scales = (x.scale * w.scales) / y.scale
        require_scales(op, scales, 2.0**-32)
        return rows, bias, scales

    def bias(self, op: Operator, width: int) -> Array:
        """The bias as int64, zeros where there is none."""
        given = op.inputs[2] if len(op.inputs) > 2 else -1
        if given < 0:
            return np.zeros(width, np.int64)
        stored = self.tensor(given)
        if stored.data is None or stored.dtype != np.int32:
            raise op.unsupported("with such a bias", QUANTIZE)
        return stored.data.astype(np.int64)

    def layer(self, op: Operator) -> tuple[Array, str]:
        """The weights of a dense layer or Conv, and the arguments that every such kernel takes."""
        rows, bias, scales = self.weights(op)
        each = int(len(scales) > 1)
        names = [
            self.program.constant("weights", interleaved(rows), np.int8),
            self.program.constant("bias", bias, np.int32),
            self.program.constant("scale", scale_bits(scales), np.uint32),
        ]
        sizes = f"{rows.shape[1]}, {rows.shape[0]}"
        return rows, f"{sizes}, {', '.join(names)}, {each}, {self.grid(op)}"


def require_scales(op: Operator, scales: Array, least: float) -> None:
    """Refuses scales that XNNPACK leaves to kernels that round otherwise.

    Raises:
        UnsupportedModel: one of them is out of range.
    """
    if not np.all((scales >= np.float32(least)) & (scales < np.float32(256))):
        raise op.unsupported(
            f"with a scale outside of {least:g} to 256", "calibrate on samples that vary more"
        )


def interleaved(rows: Array) -> Array:
    """Rows of weights as `ek_dense` reads them: four side by side, the rest one by one."""
    full = len(rows) // 4 * 4
    blocks = rows[:full].reshape(full // 4, 4, rows.shape[1]).transpose(0, 2, 1)
    return np.concatenate([blocks.ravel(), rows[full:].ravel()])


def window(
    op: Operator, x: Tensor, y: Tensor, kernel: tuple[int, ...]
) -> tuple[tuple[int, ...], bool]:
    """The numbers of an `ek_window`, and whether any window has to be gathered."""
    options = op.options
    strides = options.strideH, options.strideW
    dilations = getattr(options, "dilationHFactor", 1), getattr(options, "dilationWFactor", 1)
    begins = [0, 0]
    if options.padding == schema.padding("SAME"):
        for axis in range(2):
            reach = (kernel[axis] - 1) * dilations[axis] + 1
            total = (y.shape[1 + axis] - 1) * strides[axis] + reach - x.shape[1 + axis]
            begins[axis] = max(total, 0) // 2
    is_run = kernel[0] == 1 and begins[0] == 0 and (dilations[1] == 1 or kernel[1] == 1)
    last = (y.shape[2] - 1) * strides[1] - begins[1] + kernel[1]
    has_edges = not is_run or begins[1] > 0 or last > x.shape[2]
    geometry = (*x.shape[1:4], *y.shape[1:3], *kernel, *strides, *dilations, *begins)
    return (*geometry, x.zero_point, int(is_run)), has_edges
