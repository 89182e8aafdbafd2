"""Small float nets in canonical form, and what onnxruntime makes of them."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort

from edgekit.array import Array
from edgekit.graph.build import GraphBuilder
from edgekit.graph.load import canonical

Body = Callable[[GraphBuilder, ir.Value], ir.Value]


def net(body: Body, shape: Sequence[int] = (1, 4, 8, 8), dtype: type = np.float32) -> ir.Model:
    """The canonical form of a net from `x` to `y`."""
    build = GraphBuilder("net")
    model = build.finish(y=(body(build, build.input("x", dtype, shape)), np.float32, ()))
    model.graph.outputs[0].shape = None
    return canonical(ir.to_proto(model), where="net")


class Weights:
    """Seeded random weights of layers."""

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)

    def __call__(self, *shape: int, spread: float = 0.0) -> Array:
        """Float32; with a `spread`, outputs on the first axis are of different sizes."""
        sizes = np.exp(self._rng.normal(0, spread, shape[0])).reshape(-1, *[1] * (len(shape) - 1))
        fan_in = max(1, int(np.prod(shape[1:])))
        made = self._rng.normal(0, np.sqrt(2 / fan_in), shape) * sizes
        return np.asarray(made, np.float32)


def inputs_of(model: ir.Model, count: int = 8, seed: int = 0) -> list[Array]:
    """Random samples that the model takes."""
    value, rng = model.graph.inputs[0], np.random.default_rng(seed)
    shape = [int(axis) for axis in value.shape or ()]
    if value.dtype == ir.DataType.UINT8:
        return [rng.integers(0, 256, shape).astype(np.uint8) for _ in range(count)]
    return [rng.normal(0, 1, shape).astype(np.float32) for _ in range(count)]


def session(
    model: ir.Model, *, fuses: bool = True, written: Path | None = None
) -> ort.InferenceSession:
    """Stock onnxruntime with all optimisations; `fuses` lets it compute in integers."""
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.disable_quant_qdq", "0" if fuses else "1")
    if written is not None:
        options.optimized_model_filepath = str(written)
    return ort.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def answers(model: ir.Model, tensors: Sequence[Array], *, fuses: bool = True) -> Array:
    """The first output for each sample, stacked."""
    opened = session(model, fuses=fuses)
    name = opened.get_inputs()[0].name
    return np.stack([opened.run(None, {name: tensor})[0] for tensor in tensors])


def optimised(model: ir.Model) -> onnx.ModelProto:
    """The graph that onnxruntime runs."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "optimised.onnx"
        session(model, written=path)
        return onnx.load(path)


def fused(model: ir.Model) -> Counter[str]:
    """How many operators of each kind onnxruntime runs."""
    return Counter(node.op_type for node in optimised(model).graph.node)


def kinds(model: ir.Model) -> Counter[str]:
    """How many operators of each kind there are."""
    return Counter(node.op_type for node in model.graph)
