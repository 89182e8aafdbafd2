"""Loads an ONNX file, and brings it into a form that the rest of edgekit can rely on."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError
from onnx import checker, helper
from onnx_ir.passes.common import InlinePass, RemoveInitializersFromInputsPass

from edgekit.errors import InputError, UnsupportedModel
from edgekit.graph.build import IR_VERSION
from edgekit.graph.external import resolve_external_data
from edgekit.graph.fixing import fix_input_shapes, raise_opset, require_finite_weights
from edgekit.graph.passes.simplify import simplify

_STANDARD_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
IN_MEMORY_BYTES = 2**31 - 2**20
"""A protobuf cannot be larger; the weights of a larger model stay in its external files."""


def load_onnx(path: Path, *, in_memory_bytes: int = IN_MEMORY_BYTES) -> onnx.ModelProto:
    """Reads and checks an ONNX file, and changes nothing in it but its external data's place.

    Args:
        path: the file; external data is looked for beside it.
        in_memory_bytes: up to which size external data is read. Of a larger model it stays where
            it is, and the model refers to it by its full path.

    Raises:
        InputError: there is no such file.
        UnsupportedModel: it is damaged, not ONNX, lacks its external data, or has an operator
            from outside the standard.
    """
    if not path.is_file():
        raise InputError(f"{path}: {'not a file' if path.exists() else 'no such file'}")
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError, OSError) as error:
        raise UnsupportedModel(
            f"{path}: not a readable ONNX model: {_first_line(error)}"
        ) from error
    if not model.graph.node or not model.opset_import:
        raise UnsupportedModel(f"{path}: not an ONNX model: no graph in it; is the file whole?")
    _require_known_operators(model, path)
    resolve_external_data(model, path, in_memory_bytes=in_memory_bytes)
    try:
        checker.check_model(str(path))  # by path: it reads external data's sizes, and any size
    except checker.ValidationError as error:
        raise UnsupportedModel(f"{path}: not a valid ONNX model: {_first_line(error)}") from error
    return model


def canonical(
    model: onnx.ModelProto,
    *,
    where: str,
    input_shape: Sequence[int] | Mapping[str, Sequence[int]] | None = None,
) -> ir.Model:
    """The same function in edgekit's terms: one image of everything later passes may assume.

    Initialisers are no inputs, the opset is at least `edgekit.graph.build.OPSET`, a dynamic
    batch is 1, shapes are known, and the graph is as simple as `edgekit.graph.passes.simplify`
    makes it.

    Args:
        model: left as it is; the new model shares the weights that no pass changes.
        where: what to call it in errors.
        input_shape: of its only input, or of each by name; it fixes axes that are dynamic.

    Raises:
        UnsupportedModel: the model cannot be brought to that form; says why.
        InputError: the input shape does not fit the model.
    """
    if model.graph.sparse_initializer:
        name = model.graph.sparse_initializer[0].values.name
        raise UnsupportedModel(f"{where}: the tensor {name!r} is sparse; export it as a dense one")
    try:
        graph = ir.from_proto(model)
        RemoveInitializersFromInputsPass()(graph)
        if graph.functions:
            InlinePass()(graph)
        require_finite_weights(graph)
        graph = raise_opset(graph)
        graph.ir_version = max(IR_VERSION, _least_ir_version(graph))
        fix_input_shapes(graph, input_shape)
        simplify(graph)
    except (InputError, UnsupportedModel) as error:
        raise type(error)(f"{where}: {error}") from error
    return graph


def _require_known_operators(model: onnx.ModelProto, path: Path) -> None:
    own = {function.domain for function in model.functions}
    for node in model.graph.node:
        if node.domain not in _STANDARD_DOMAINS and node.domain not in own:
            raise UnsupportedModel(
                f"{path}: node {node.name or node.output[0]!r} uses the operator "
                f"{node.domain}::{node.op_type}, which is not a standard one; "
                "export the model without custom operators"
            )


def _least_ir_version(model: ir.Model) -> int:
    """The oldest file format for the model's opsets: an engine may not know the newest."""
    opsets = [helper.make_opsetid(*entry) for entry in model.opset_imports.items()]
    return int(helper.find_min_ir_version_for(opsets, ignore_unknown=True))


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
