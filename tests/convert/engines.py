"""Runs a graph in onnxruntime and its TFLite form in LiteRT, on the same inputs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edgekit.array import Array
from edgekit.convert import schema, to_tflite

_INT8 = schema.tensor_type(np.int8)


def onnxruntime_gives(
    model: ir.Model, feeds: Mapping[str, Array], *, fuses: bool = True
) -> dict[str, Array]:
    """The outputs of an ONNX model; `fuses` lets quantised parts be computed in integers."""
    return _run(ir.to_proto(model), feeds, fuses=fuses)


def litert_gives(
    data: bytes, feeds: Mapping[str, Array], *, xnnpack: bool = True
) -> dict[str, Array]:
    """The outputs of a TFLite file; without XNNPACK, by TFLite's own kernels."""
    kind = OpResolverType.AUTO if xnnpack else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=data, num_threads=1, experimental_op_resolver_type=kind)
    interpreter.allocate_tensors()
    answers: dict[str, Array] = interpreter.get_signature_runner()(**feeds)
    return answers


def require_same(
    model: ir.Model,
    feeds: Mapping[str, Array],
    *,
    relative: float = 1e-5,
    xnnpack: bool = True,
    **how: Any,
) -> list[str]:
    """Exports a float model and wants the same of both; gives the names of the operators used.

    The tolerance is relative to each number, and to the largest of an output.
    """
    data = to_tflite(model, check=False, **how)
    expected = onnxruntime_gives(model, feeds, fuses=False)
    found = litert_gives(data, feeds, xnnpack=xnnpack)
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert found[name].shape == array.shape
        assert found[name].dtype == array.dtype
        scale = np.abs(array).max(initial=0.01)
        np.testing.assert_allclose(found[name], array, rtol=relative, atol=relative * scale)
    return operators(data)


def operators(data: bytes) -> list[str]:
    """The names of a TFLite file's operators, in order."""
    model = schema.unpack(data)
    codes = [code.builtinCode for code in model.operatorCodes]
    names = {
        number: name
        for name, number in vars(schema.generated.BuiltinOperator).items()
        if isinstance(number, int)
    }
    return [names[codes[operator.opcodeIndex]] for operator in model.subgraphs[0].operators]


def onnxruntime_integers(model: ir.Model, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """What each QuantizeLinear of a uint8 QDQ graph gives, by the name of what it reads."""
    proto = ir.to_proto(model)
    nodes = [node for node in proto.graph.node if node.op_type == "QuantizeLinear"]
    known = {output.name for output in proto.graph.output}
    for node in nodes:
        if node.output[0] not in known:
            proto.graph.output.append(
                onnx.helper.make_tensor_value_info(node.output[0], onnx.TensorProto.UINT8, None)
            )
    answers = _run(proto, feeds, fuses=True)
    return {node.input[0]: answers[node.output[0]] for node in nodes}


def litert_integers(data: bytes, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Every int8 tensor that an operator gives, as uint8, by name."""
    model = schema.unpack(data)
    graph = model.subgraphs[0]
    made = {int(index) for operator in graph.operators for index in operator.outputs}
    wanted = [index for index in sorted(made) if graph.tensors[index].type == _INT8]
    graph.outputs = wanted
    model.signatureDefs[0].outputs = []
    for index in wanted:
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = graph.tensors[index].name, index
        model.signatureDefs[0].outputs.append(entry)
    for buffer in model.buffers:
        buffer.__class__ = schema.AlignedBufferT
        buffer.data = None if buffer.data is None else bytes(bytearray(buffer.data))
    answers = litert_gives(schema.pack(model, 2 * len(data)), feeds)
    return {
        name: (array.astype(np.int16) + 128).astype(np.uint8) for name, array in answers.items()
    }


def _run(proto: onnx.ModelProto, feeds: Mapping[str, Array], *, fuses: bool) -> dict[str, Array]:
    options = ort.SessionOptions()
    options.add_session_config_entry("session.disable_quant_qdq", "0" if fuses else "1")
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = ort.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))
