"""The table of vector-Jacobian rules: which operator's rule is in which file.

A rule says how the gradient of a node's output becomes gradients of its inputs. Adding an
operator takes a function marked with `vjp` in a file of `edgekit.autodiff.rules`, and its name in
`FAMILIES`.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TypeAlias

import onnx_ir as ir

from edgekit.autodiff.backward import Backward
from edgekit.autodiff.shapes import where
from edgekit.errors import UnsupportedModel

Gradients: TypeAlias = Sequence[ir.Value | None]
"""A gradient for each input of a node, in order; `None`, or missing at the end, where an input
has none."""

Rule: TypeAlias = Callable[[ir.Node, ir.Value, Backward], Gradients]
"""From a node and the gradient of its first output."""

RuleOfMany: TypeAlias = Callable[[ir.Node, Gradients, Backward], Gradients]
"""From a node and the gradients of all its outputs, `None` for those that nothing depends on."""

FAMILIES: dict[str, tuple[str, ...]] = {
    "batch_normalization": ("BatchNormalization",),
    "choosing": ("Max", "Min", "Where"),
    "convolution": ("Conv", "ConvTranspose"),
    "dropping": ("Dropout",),
    "elementwise": ("Add", "Div", "Mul", "Pow", "Sub", "Sum"),
    "gathering": ("Gather", "GatherElements", "GatherND"),
    "gru": ("GRU",),
    "joining": ("Concat", "Pad", "Slice", "Split"),
    "lstm": ("LSTM",),
    "matrix": ("Gemm", "MatMul"),
    "normalization": ("InstanceNormalization", "LayerNormalization"),
    "pooling": ("AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool"),
    "quantization": ("DequantizeLinear", "QuantizeLinear"),
    "rectifier": ("Abs", "Clip", "HardSigmoid", "HardSwish", "LeakyRelu", "PRelu", "Relu"),
    "reduction": ("ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"),
    "reshaping": (
        *("Cast", "Expand", "Flatten", "Identity", "Reshape", "Squeeze"),
        *("Transpose", "Unsqueeze"),
    ),
    "resizing": ("Resize",),
    "smooth": (
        *("Cos", "Elu", "Erf", "Exp", "Gelu", "Log", "Neg", "Reciprocal", "Sigmoid", "Sin"),
        *("Softplus", "Sqrt", "Tanh"),
    ),
    "softmax": ("LogSoftmax", "Softmax"),
}
"""The files of `edgekit.autodiff.rules`, and the operators whose rules they hold."""

_FAMILY_OF = {kind: family for family, kinds in FAMILIES.items() for kind in kinds}
_RULES: dict[str, RuleOfMany] = {}


def vjp(*kinds: str) -> Callable[[Rule], Rule]:
    """Marks the rule of operators whose gradient comes from their first output alone."""

    def register(rule: Rule) -> Rule:
        def from_first(node: ir.Node, dys: Gradients, build: Backward) -> Gradients:
            if dys[0] is None or any(dy is not None for dy in dys[1:]):
                raise UnsupportedModel(
                    f"{where(node)}: only its first output has a gradient; "
                    "differentiate something that does not depend on the others"
                )
            return rule(node, dys[0], build)

        _RULES.update(dict.fromkeys(kinds, from_first))
        return rule

    return register


def vjp_of_many(*kinds: str) -> Callable[[RuleOfMany], RuleOfMany]:
    """Marks the rule of operators with several outputs that have gradients."""

    def register(rule: RuleOfMany) -> RuleOfMany:
        _RULES.update(dict.fromkeys(kinds, rule))
        return rule

    return register


def rule_of(node: ir.Node) -> RuleOfMany | None:
    """The rule of a node's operator, if there is one."""
    family = _FAMILY_OF.get(node.op_type) if node.domain in ("", "ai.onnx") else None
    if family is None:
        return None
    import_module(f"edgekit.autodiff.rules.{family}")
    return _RULES[node.op_type]
