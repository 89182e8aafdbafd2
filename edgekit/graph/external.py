"""Finds the weights that an ONNX file keeps in other files."""

from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import external_data_helper

from edgekit.errors import UnsupportedModel


def resolve_external_data(model: onnx.ModelProto, path: Path, *, in_memory_bytes: int) -> None:
    """Reads external data into the model, or makes the model refer to it by full path.

    Args:
        model: changed in place.
        path: the file it was read from.
        in_memory_bytes: how large it may become; if it would be larger, nothing is read.

    Raises:
        UnsupportedModel: a file is missing, too short, or outside the model's folder.
    """
    tensors = [tensor for tensor in _tensors(model.graph) if _is_external(tensor)]
    if not tensors:
        return
    folder = path.parent.resolve()
    external_bytes = 0
    for tensor in tensors:
        info = external_data_helper.ExternalDataInfo(tensor)
        file = (folder / info.location).resolve()
        here = f"{path}: the tensor {tensor.name!r} is in the file {info.location!r}"
        if not file.is_relative_to(folder):
            raise UnsupportedModel(f"{here}, which is outside the model's folder")
        if not file.is_file():
            raise UnsupportedModel(f"{here}, which is not there; put it into {folder}")
        size, offset = file.stat().st_size, info.offset or 0
        length = size - offset if info.length is None else info.length
        if length < 0 or offset + length > size:
            raise UnsupportedModel(
                f"{here}, which ends at byte {size}, before the tensor does at {offset + length}"
            )
        external_bytes += length
    if path.stat().st_size + external_bytes <= in_memory_bytes:
        external_data_helper.load_external_data_for_model(model, str(folder))
        return
    for tensor in tensors:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = str(folder / entry.value)


def _is_external(tensor: onnx.TensorProto) -> bool:
    return bool(tensor.data_location == onnx.TensorProto.EXTERNAL)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)
