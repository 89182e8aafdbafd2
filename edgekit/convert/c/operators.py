"""How each operator on int8 tensors becomes a call of a kernel: one table.

The arithmetic is XNNPACK's, as LiteRT runs it by default: sums of integers are multiplied by a
float32 scale and rounded to the nearest integer, ties to even; ADD and SUB are fixed-point with
20 bits; a mean on another grid is TFLite's own, in float.
"""

from collections.abc import Callable

import numpy as np

from edgekit.array import Array
from edgekit.convert import schema
from edgekit.convert.c.program import Program, Step, clamped, scale_bits
from edgekit.convert.c.reading import Network, Operator, Tensor
from edgekit.errors import UnsupportedModel

Lookup = Callable[[Operator], Array]
"""What LiteRT gives of an operator on each of -128 to 127."""

_ACTIVATIONS = {
    schema.activation(name): name for name in ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
}
_MOST = 2**31
_QUANTIZE = "quantise it by one scale a tensor, weights around zero (the recipe's quantize step)"


class Lowering:
    """Turns operators into steps of a program."""

    def __init__(self, network: Network, program: Program, lookup: Lookup) -> None:
        self.network = network
        self.program = program
        self.lookup = lookup

    def lower(self, op: Operator) -> None:
        """Adds the steps of an operator whose inputs and output are int8.

        Raises:
            UnsupportedModel: there are none; says what to do.
        """
        if op.code in _SAME_NUMBERS:
            self.program.aliases[op.outputs[0]] = op.inputs[0]
            return
        if op.code in _UNARY:
            _lookup(self, op)
            return
        if op.code not in _LOWERINGS:
            known = ", ".join(sorted({*_LOWERINGS, *_SAME_NUMBERS, *_UNARY}))
            raise op.unsupported("on int8", f"replace it, or leave it to a board; C has {known}")
        _LOWERINGS[op.code](self, op)

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
        if number not in _ACTIVATIONS:
            raise op.unsupported(f"with the fused activation {number}", "use Relu or Relu6")
        return _ACTIVATIONS[number]

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
            raise op.unsupported("with such weights", _QUANTIZE)
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
            raise op.unsupported("with such a bias", _QUANTIZE)
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


def _dense(low: Lowering, op: Operator) -> None:
    x = low.tensor(op.inputs[0])
    rows, arguments = low.layer(op)
    count = x.size // rows.shape[1]
    macs = count * rows.size
    if count == 1:
        low.add(op, "dense", f"ek_dense({{0}}, {{y}}, {arguments})", macs=macs)
    else:
        low.add(op, "rows", f"ek_dense_rows({{0}}, {{y}}, {count}, {arguments})", macs=macs)


def _convolve(low: Lowering, op: Operator) -> None:
    x, w, y = (low.tensor(index) for index in (op.inputs[0], op.inputs[1], op.outputs[0]))
    if w.shape[3] != x.shape[3]:
        raise op.unsupported("in groups", "use depthwise layers, or one group")
    rows, arguments = low.layer(op)
    numbers, has_edges = _window(op, x, y, w.shape[1:3])
    patch = rows.shape[1] if has_edges else 0
    low.add(
        op,
        "convolve",
        f"ek_convolve({{0}}, {{y}}, {{patch}}, {low.program.window(numbers)}, {arguments})",
        patch=patch,
        macs=y.size * rows.shape[1],
    )


def _depthwise(low: Lowering, op: Operator) -> None:
    x, w, y = (low.tensor(index) for index in (op.inputs[0], op.inputs[1], op.outputs[0]))
    rows, bias, scales = low.weights(op)
    numbers, _ = _window(op, x, y, w.shape[1:3])
    arguments = [
        low.program.window(numbers),
        str(w.shape[3] // x.shape[3]),
        low.program.constant("weights", rows.T, np.int8),
        low.program.constant("bias", bias, np.int32),
        low.program.constant("scale", scale_bits(scales), np.uint32),
        str(int(len(scales) > 1)),
        low.grid(op),
    ]
    low.add(
        op,
        "depthwise",
        f"ek_depthwise({{0}}, {{y}}, {', '.join(arguments)})",
        macs=y.size * rows.shape[1],
    )


def _window(
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


def _sum(low: Lowering, op: Operator) -> None:
    a, b, period, turned = _operands(low, op)
    y = low.tensor(op.outputs[0])
    ratios = np.array([a.scale / y.scale, b.scale / y.scale], np.float32)
    require_scales(op, ratios, 2.0**-10)
    shift = 20 - (int(ratios.max().view(np.uint32) >> 23) - 127)
    by_a, by_b = (int(np.rint(ratio * np.float32(2.0**shift))) for ratio in ratios)
    if op.code == "SUB":
        by_a, by_b = (-by_a, by_b) if turned else (by_a, -by_b)
    bias = (1 << (shift - 1)) - by_a * a.zero_point - by_b * b.zero_point
    second = "{1}" if b.data is None else low.program.constant("addend", b.data, np.int8)
    numbers = f"{y.size}, {period}, {bias}, {by_a}, {by_b}, {shift}"
    low.add(op, "add", f"ek_add({{0}}, {second}, {{y}}, {numbers}, {low.grid(op)})")


def _product(low: Lowering, op: Operator) -> None:
    a, b, period, _ = _operands(low, op)
    y = low.tensor(op.outputs[0])
    scale = np.array([(a.scale * b.scale) / y.scale], np.float32)
    require_scales(op, scale, 2.0**-16)
    second = "{1}" if b.data is None else low.program.constant("factor", b.data, np.int8)
    numbers = f"{y.size}, {period}, {a.zero_point}, {b.zero_point}, {scale_bits(scale)[0]}u"
    low.add(
        op, "multiply", f"ek_multiply({{0}}, {second}, {{y}}, {numbers}, {low.grid(op)})",
        macs=y.size,
    )  # fmt: skip


def _operands(low: Lowering, op: Operator) -> tuple[Tensor, Tensor, int, bool]:
    """The operands, a constant second; after how many it repeats; whether they were turned."""
    a, b = (low.tensor(index) for index in op.inputs[:2])
    turned = a.data is not None
    if turned:
        a, b = b, a
    y = low.tensor(op.outputs[0])
    trailing = b.shape[len(b.shape) - len(b.shape) :]
    while trailing and trailing[0] == 1:
        trailing = trailing[1:]
    fits = a.shape == y.shape and trailing == y.shape[len(y.shape) - len(trailing) :]
    if not (fits and a.is_int8 and b.is_int8):
        raise op.unsupported("of such shapes", "give both one shape, or a constant a channel")
    return a, b, b.size, turned


def _mean(low: Lowering, op: Operator) -> None:
    x, y = low.tensor(op.inputs[0]), low.tensor(op.outputs[0])
    axes_given = low.tensor(op.inputs[1]).data
    axes = [] if axes_given is None else sorted(int(axis) % len(x.shape) for axis in axes_given.ravel())
    kept = [axis for axis, size in enumerate(x.shape) if axis not in axes and size > 1]
    reduced = [axis for axis in axes if x.shape[axis] > 1]
    if kept and reduced and kept[0] < reduced[-1]:
        raise op.unsupported("over such axes", "pool over time or over the picture's sides")
    channels = y.size
    places = x.size // channels
    if (x.scale, x.zero_point) == (y.scale, y.zero_point):
        scale = np.array([np.float32(1) / np.float32(places)])
        numbers = f"{places}, {channels}, {x.zero_point}, {scale_bits(scale)[0]}u"
        low.add(op, "mean", f"ek_mean({{0}}, {{y}}, {numbers}, {low.grid(op)})")
        return
    ratio = x.scale / y.scale
    offset = np.float32(y.zero_point) - np.float32(x.zero_point) * ratio
    numbers = low.program.constant("mean", [ratio, offset], np.float32)
    low.add(
        op, "moved_mean",
        f"ek_moved_mean({{0}}, {{y}}, {places}, {channels}, {numbers}[0], {numbers}[1], "
        f"{low.grid(op)})",
    )  # fmt: skip


def _pool(low: Lowering, op: Operator) -> None:
    x, y = low.tensor(op.inputs[0]), low.tensor(op.outputs[0])
    if (x.scale, x.zero_point) != (y.scale, y.zero_point):
        raise op.unsupported("from one grid to another", "give both one scale")
    numbers, _ = _window(op, x, y, (op.options.filterHeight, op.options.filterWidth))
    kernel = op.code.removesuffix("_2D").lower()
    low.add(
        op, kernel, f"ek_{kernel}({{0}}, {{y}}, {low.program.window(numbers)}, {low.grid(op)})"
    )


def _pad(low: Lowering, op: Operator) -> None:
    x, y = low.tensor(op.inputs[0]), low.tensor(op.outputs[0])
    pads = low.tensor(op.inputs[1]).data
    value = x.zero_point
    if len(op.inputs) > 2:
        filler = low.tensor(op.inputs[2])
        value = int(filler.data.item()) if filler.data is not None else value
    shape = (1,) * (4 - len(x.shape)) + x.shape
    sides = np.zeros((4, 2), int)
    if pads is None or len(x.shape) > 4:
        raise op.unsupported("by numbers that are not constant", "use constant pads")
    sides[4 - len(x.shape) :] = pads
    if sides[[0, 3]].any():
        raise op.unsupported("of channels", "pad along time or a picture's sides")
    out = shape[1] + sides[1].sum(), shape[2] + sides[2].sum()
    numbers = [*shape[1:], *out, 1, 1, 1, 1, 1, 1, sides[1, 0], sides[2, 0], value, 0]
    assert out[0] * out[1] * shape[3] == y.size
    low.add(op, "pad", f"ek_pad({{0}}, {{y}}, {low.program.window(numbers)})")


def _transpose(low: Lowering, op: Operator) -> None:
    x = low.tensor(op.inputs[0])
    given = low.tensor(op.inputs[1]).data
    if given is None or len(x.shape) > 4:
        raise op.unsupported("of more than 4 axes", "use fewer")
    order = [int(axis) for axis in given.ravel()]
    steps = [int(np.prod(x.shape[axis + 1 :], dtype=np.int64)) for axis in order]
    lead = 4 - len(order)
    sizes = low.program.constant("sizes", [1] * lead + [x.shape[axis] for axis in order], np.int32)
    strides = low.program.constant("steps", [0] * lead + steps, np.int32)
    low.add(op, "transpose", f"ek_transpose({{0}}, {{y}}, {sizes}, {strides})")


def _enlarge(low: Lowering, op: Operator) -> None:
    x, y = low.tensor(op.inputs[0]), low.tensor(op.outputs[0])
    if y.shape[1] % x.shape[1] or y.shape[2] % x.shape[2] or op.options.alignCorners:
        raise op.unsupported("by a broken factor", "enlarge by whole factors")
    sizes = f"{x.shape[1]}, {x.shape[2]}, {x.shape[3]}"
    factors = f"{y.shape[1] // x.shape[1]}, {y.shape[2] // x.shape[2]}"
    low.add(op, "enlarge", f"ek_enlarge({{0}}, {{y}}, {sizes}, {factors})")


def _join(low: Lowering, op: Operator) -> None:
    y = low.tensor(op.outputs[0])
    parts = [low.tensor(index) for index in op.inputs]
    if any((p.scale, p.zero_point) != (y.scale, y.zero_point) or p.data is not None for p in parts):
        raise op.unsupported("of several grids", "give its inputs one scale")
    axis = op.options.axis % len(y.shape)
    inner = int(np.prod(y.shape[axis + 1 :], dtype=np.int64))
    runs, step = int(np.prod(y.shape[:axis], dtype=np.int64)), y.shape[axis] * inner
    begin, calls = 0, []
    for number, part in enumerate(parts):
        length = part.shape[axis] * inner
        calls.append(f"ek_join({{{number}}}, {{y}} + {begin}, {runs}, {length}, {step})")
        begin += length
    low.add(op, "join", ";\n    ".join(calls))


def _lookup(low: Lowering, op: Operator) -> None:
    x, y = low.tensor(op.inputs[0]), low.tensor(op.outputs[0])
    if not (x.is_int8 and y.is_int8):
        raise op.unsupported("from or to other than int8", _QUANTIZE)
    answers = low.program.constant("answers", low.lookup(op), np.int8)
    low.add(op, "lookup", f"ek_lookup({{0}}, {{y}}, {x.size}, {answers})")


_SAME_NUMBERS = frozenset({"EXPAND_DIMS", "RESHAPE", "SQUEEZE"})
_UNARY = frozenset(
    {"HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "QUANTIZE", "RELU", "RELU6", "RELU_N1_TO_1", "TANH"}
)
_LOWERINGS: dict[str, Callable[[Lowering, Operator], None]] = {
    "ADD": _sum,
    "AVERAGE_POOL_2D": _pool,
    "CONCATENATION": _join,
    "CONV_2D": _convolve,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _dense,
    "MAX_POOL_2D": _pool,
    "MEAN": _mean,
    "MUL": _product,
    "PAD": _pad,
    "PADV2": _pad,
    "RESIZE_NEAREST_NEIGHBOR": _enlarge,
    "SUB": _sum,
    "TRANSPOSE": _transpose,
}


def require_int8(network: Network, op: Operator) -> None:
    """Refuses an operator that computes in anything but int8.

    Raises:
        UnsupportedModel: names the operator and says what to do.
    """
    for index in (*op.inputs[:1], *op.outputs):
        tensor = network.tensors[index]
        if not tensor.is_int8:
            raise UnsupportedModel(
                f"{op.code} computes {tensor.name[:60]!r} in {tensor.dtype}, and C computes in "
                "int8: let the recipe's quantize step take that layer too"
            )
