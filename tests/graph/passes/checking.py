"""What every test of a pass asks: the same numbers and signature, and nothing more to do."""

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from edgekit.array import Array
from edgekit.graph.build import GraphBuilder
from edgekit.graph.edit import infer_shapes
from edgekit.graph.passes.graph_pass import GraphPass
from edgekit.graph.verify import require_same_outputs, snapshot

RNG = np.random.default_rng(0)


def rewritten(one: GraphPass, model: ir.Model) -> list[str]:
    """Runs a pass that must find something; gives the operators that are left."""
    before = snapshot(model)
    assert one(model).modified
    check_still_the_same(one, before, model)
    return kinds(model)


def check_still_the_same(one: GraphPass, before: Any, model: ir.Model) -> None:
    """The numbers and the signature are as before, the model is valid, and the pass is done."""
    require_same_outputs(before, model, by=type(one).__name__)
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    assert not one(model).modified


def declined(one: GraphPass, model: ir.Model) -> bool:
    """Whether a pass says that it did nothing, and is right."""
    before = ir.to_proto(model).SerializeToString()
    modified = one(model).modified
    assert modified == (ir.to_proto(model).SerializeToString() != before)
    return not modified


def kinds(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


def numbers(*shape: int) -> Array:
    """Random float32, none of them zero."""
    return RNG.uniform(0.5, 2, shape).astype(np.float32) * RNG.choice([-1, 1], shape).astype("f4")


class Net:
    """One input `x`, one output `y`; `of` finishes it."""

    def __init__(self, *shape: int | str, dtype: Any = np.float32) -> None:
        self.build = GraphBuilder("net")
        self.x = self.build.input("x", dtype, shape)
        self.op = self.build.op

    def of(self, y: ir.Value, *more: ir.Value, dtype: Any = np.float32) -> ir.Model:
        """The model; values besides `y` are public too, as `y1`, `y2` ..."""
        outputs = {"y": y, **{f"y{place}": value for place, value in enumerate(more, 1)}}
        model = self.build.finish(**{name: (v, dtype, ()) for name, v in outputs.items()})
        for value in model.graph.outputs:
            value.shape = None
        return infer_shapes(model)
