"""How each operator on int8 tensors becomes calls of kernels: a table, and a file a family.

The arithmetic is XNNPACK's, as LiteRT runs it by default: sums of integers are multiplied by a
float32 scale and rounded to the nearest integer, ties to even.
"""

from collections.abc import Callable

from edgekit.convert.c import arithmetic, layers, moving
from edgekit.convert.c.lowering import Lowering
from edgekit.convert.c.reading import Network, Operator
from edgekit.errors import UnsupportedModel

_SAME_NUMBERS = frozenset({"EXPAND_DIMS", "RESHAPE", "SQUEEZE"})
_UNARY = frozenset(
    {"HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "QUANTIZE", "RELU", "RELU6", "RELU_N1_TO_1", "TANH"}
)
_LOWERINGS: dict[str, Callable[[Lowering, Operator], None]] = {
    "ADD": arithmetic.sum_,
    "AVERAGE_POOL_2D": moving.pool,
    "CONCATENATION": moving.join,
    "CONV_2D": layers.convolve,
    "DEPTHWISE_CONV_2D": layers.depthwise,
    "FULLY_CONNECTED": layers.dense,
    "MAX_POOL_2D": moving.pool,
    "MEAN": arithmetic.mean,
    "MUL": arithmetic.product,
    "PAD": moving.pad,
    "PADV2": moving.pad,
    "RESIZE_NEAREST_NEIGHBOR": moving.enlarge,
    "SUB": arithmetic.sum_,
    "TRANSPOSE": moving.transpose,
}


def lower(low: Lowering, op: Operator) -> None:
    """Adds the steps of an operator whose inputs and output are int8.

    Raises:
        UnsupportedModel: there are none; says what to do.
    """
    if op.code in _SAME_NUMBERS:
        low.program.aliases[op.outputs[0]] = op.inputs[0]
    elif op.code in _UNARY:
        arithmetic.lookup(low, op)
    elif op.code in _LOWERINGS:
        _LOWERINGS[op.code](low, op)
    else:
        known = ", ".join(sorted({*_LOWERINGS, *_SAME_NUMBERS, *_UNARY}))
        raise op.unsupported("on int8", f"replace it, or leave it to a board; C has {known}")


def require_int8(network: Network, op: Operator) -> None:
    """Refuses an operator that computes in anything but int8.

    Raises:
        UnsupportedModel: names the operator and says what to do.
    """
    is_known = op.code in _LOWERINGS or op.code in _SAME_NUMBERS or op.code in _UNARY
    for index in (*op.inputs[: int(is_known)], *op.outputs):
        tensor = network.tensors[index]
        if not tensor.is_int8:
            raise UnsupportedModel(
                f"{op.code} computes {tensor.name[:60]!r} in {tensor.dtype}, and C computes in "
                "int8: let the recipe's quantize step take that layer too"
            )
