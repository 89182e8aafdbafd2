"""What turns a reading into the first int8: a chain of float operators, number by number."""

from dataclasses import dataclass

import numpy as np

from edgekit.array import Array
from edgekit.convert.c import text
from edgekit.convert.c.program import Program
from edgekit.convert.c.reading import Network, Operator, Tensor
from edgekit.errors import UnsupportedModel

_SIGNS = {"ADD": "+", "SUB": "-", "MUL": "*", "DIV": "/"}
_LIMITS = {"MAXIMUM": "<", "MINIMUM": ">"}
_SHAPES = frozenset({"EXPAND_DIMS", "RESHAPE", "SQUEEZE"})
_CLIPS = {"RELU": (0.0, None), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0),
          "RELU_0_TO_1": (0.0, 1.0)}  # fmt: skip
_ADVICE = "scale readings by constants before the first layer, or scale them in the firmware"


@dataclass(frozen=True)
class Entry:
    """How the first int8 tensor comes from the graph's input.

    Attributes:
        source: the graph's input.
        target: the first int8 tensor; the same where the graph takes int8.
        chain: operators from one to the other, without the last QUANTIZE.
    """

    source: Tensor
    target: Tensor
    chain: tuple[Operator, ...]

    @property
    def c_type(self) -> str:
        """The C type of a reading."""
        return "uint8_t" if self.source.dtype == np.uint8 else "float"


def find_entry(network: Network, target: Tensor) -> Entry:
    """The chain of operators in front of the first int8 tensor.

    Raises:
        UnsupportedModel: an operator mixes numbers, or the input is of another type.
    """
    chain: list[Operator] = []
    last = network.maker(target.index)
    index = target.index if last is None else last.inputs[0]
    while (op := network.maker(index)) is not None:
        if op.code in ("CONV_2D", "DEPTHWISE_CONV_2D", "DEQUANTIZE", "FULLY_CONNECTED"):
            raise UnsupportedModel(
                f"{op.code} computes in float in front of int8, and C computes in int8 from the "
                "first layer to the last: let the recipe's quantize step take every layer"
            )
        if op.code not in {*_SIGNS, *_LIMITS, *_SHAPES, *_CLIPS, "CAST"}:
            raise op.unsupported("in front of the first int8", _ADVICE)
        chain.insert(0, op)
        index = op.inputs[0] if network.tensors[op.inputs[0]].data is None else op.inputs[1]
    source = network.tensors[index]
    if index not in network.inputs or source.dtype not in (np.float32, np.uint8, np.int8):
        raise Operator("The input", (), (), None).unsupported(
            f"of {source.dtype}", "give float32, uint8 or int8"
        )
    if source.size != target.size:
        raise Operator("QUANTIZE", (), (), None).unsupported("of other sizes", _ADVICE)
    if chain and len(source.scales):
        raise chain[0].unsupported("on integers with a scale", _ADVICE)
    return Entry(source, target, tuple(chain))


def prepare_body(network: Network, entry: Entry, program: Program) -> list[str]:
    """The statements of `prepare`: from `in` to `out`, both of the target's size."""
    target = entry.target
    if entry.source.dtype == np.uint8 and not entry.chain and len(entry.source.scales):
        return _shifted(entry, program)
    statements, period = [], 1
    for op in entry.chain:
        said, repeats = _statement(network, entry, program, op)
        statements += said
        period = int(np.lcm(period, repeats))
    grid = program.grid(target.zero_point)
    if entry.source.index == target.index:
        rounded = f"ek_nearest(v / {text.real(target.scale)})"
    else:
        rounded = f"ek_nearest(v * {text.real(np.float32(1) / target.scale)})"
    body = "\n".join(f"            {statement}" for statement in statements)
    return [
        "    int32_t i, j;",
        f"    for (i = 0; i < {target.size}; i += {period}) {{",
        f"        for (j = 0; j < {period}; ++j) {{",
        "            float v = (float)*in++;",
        *([body] if body else []),
        f"            *out++ = ek_clamp({rounded}, {grid});",
        "        }",
        "    }",
    ]


def _shifted(entry: Entry, program: Program) -> list[str]:
    source, target = entry.source, entry.target
    if source.scale != target.scale:
        raise Operator("QUANTIZE", (), (), None).unsupported(
            "from one scale to another", "give the input and the first layer one scale"
        )
    grid = program.grid(target.zero_point)
    return [
        "    int32_t i;",
        f"    for (i = 0; i < {target.size}; ++i) {{",
        f"        *out++ = ek_clamp((int32_t)*in++ - {source.zero_point}, {grid});",
        "    }",
    ]


def _statement(
    network: Network, entry: Entry, program: Program, op: Operator
) -> tuple[list[str], int]:
    """What an operator does to `v`, and after how many numbers its constant repeats."""
    if op.code in _SHAPES or op.code == "CAST":
        return [], 1
    if op.code in _CLIPS:
        return _clip(*_CLIPS[op.code]), 1
    tensors = [network.tensors[index] for index in op.inputs[:2]]
    turned = tensors[0].data is not None
    data = tensors[0].data if turned else tensors[1].data
    shape = tensors[1 if turned else 0].shape
    if data is None or data.dtype != np.float32:
        raise op.unsupported("of two readings", _ADVICE)
    try:
        repeated = _shortest(np.broadcast_to(data, shape).ravel())
    except ValueError as error:
        raise op.unsupported("that makes the reading larger", _ADVICE) from error
    if len(repeated) == 1:
        constant = text.real(repeated[0])
    else:
        name = program.constant("reading", repeated, np.float32)
        constant = f"{name}[j % {len(repeated)}]"
    if op.code in _LIMITS:
        said = [f"v = v {_LIMITS[op.code]} {constant} ? {constant} : v;"]
    else:
        pair = (constant, "v") if turned else ("v", constant)
        said = [f"v = {pair[0]} {_SIGNS[op.code]} {pair[1]};"]
    activation = getattr(op.options, "fusedActivationFunction", 0)
    names = {1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6"}
    if activation:
        if activation not in names:
            raise op.unsupported("with such an activation", _ADVICE)
        said += _clip(*_CLIPS[names[activation]])
    return said, len(repeated)


def _clip(low: float | None, high: float | None) -> list[str]:
    said = []
    if low is not None:
        said.append(f"v = v < {text.real(low)} ? {text.real(low)} : v;")
    if high is not None:
        said.append(f"v = v > {text.real(high)} ? {text.real(high)} : v;")
    return said


def _shortest(values: Array) -> Array:
    """The shortest beginning that, repeated, is the whole."""
    for length in range(1, len(values) // 2 + 1):
        if len(values) % length == 0:
            rows = values.reshape(-1, length)
            if (rows == rows[0]).all():
                return values[:length]
    return values
