"""Weights in other files: read where they are small, left there where they are big."""

import os
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper

from edgekit.errors import UnsupportedModel
from edgekit.graph.load import canonical, load_onnx
from edgekit.graph.verify import require_same_outputs, snapshot
from tests.graph.generated import random_net

LAZY = 0
"""As `in_memory_bytes`: nothing external is read."""


def saved(folder: Path, *, seed: int = 0) -> tuple[Path, ir.Model]:
    """A net whose bigger weights are in `w.bin` beside it."""
    model = random_net(seed)
    onnx.save(
        ir.to_proto(model),
        folder / "x.onnx",
        save_as_external_data=True,
        location="w.bin",
        size_threshold=256,
    )
    assert (folder / "w.bin").stat().st_size
    return folder / "x.onnx", model


@pytest.mark.parametrize("in_memory_bytes", [LAZY, 2**30])
def test_a_model_in_two_files_says_what_it_said_in_one(
    tmp_path: Path, in_memory_bytes: int
) -> None:
    path, model = saved(tmp_path)
    before = snapshot(model)
    loaded = load_onnx(path, in_memory_bytes=in_memory_bytes)
    lazy = any(t.data_location == TensorProto.EXTERNAL for t in loaded.graph.initializer)
    assert lazy == (in_memory_bytes == LAZY)
    require_same_outputs(before, canonical(loaded, where="x"), by="canonical")


def test_a_lazy_model_does_not_depend_on_where_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, model = saved(tmp_path)
    before = snapshot(model)
    monkeypatch.chdir(tmp_path)
    loaded = load_onnx(Path(path.name), in_memory_bytes=LAZY)
    monkeypatch.chdir("/")
    require_same_outputs(before, canonical(loaded, where="x"), by="canonical")


@pytest.mark.parametrize("in_memory_bytes", [LAZY, 2**30])
def test_a_missing_file_is_named(tmp_path: Path, in_memory_bytes: int) -> None:
    path, _ = saved(tmp_path)
    (tmp_path / "w.bin").unlink()
    with pytest.raises(
        UnsupportedModel,
        match=r"^.*x\.onnx: the tensor '.*' is in .*'w\.bin', which is not there; put it into .*$",
    ):
        load_onnx(path, in_memory_bytes=in_memory_bytes)


def test_a_file_that_is_too_short_is_named(tmp_path: Path) -> None:
    path, _ = saved(tmp_path)
    os.truncate(tmp_path / "w.bin", 300)
    with pytest.raises(UnsupportedModel, match=r"'w\.bin', which ends at byte 300"):
        load_onnx(path)


@pytest.mark.parametrize("location", ["../w.bin", "/etc/hostname"])
def test_a_file_outside_the_models_folder_is_not_opened(tmp_path: Path, location: str) -> None:
    (tmp_path / "inner").mkdir()
    path, _ = saved(tmp_path / "inner")
    (tmp_path / "inner" / "w.bin").rename(tmp_path / "w.bin")
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UnsupportedModel, match="outside the model's folder"):
        load_onnx(path)


def test_nan_in_an_external_file_is_named(tmp_path: Path) -> None:
    path, _ = saved(tmp_path)
    data = np.fromfile(tmp_path / "w.bin", np.float32)
    data[:] = np.nan
    data.tofile(tmp_path / "w.bin")
    with pytest.raises(UnsupportedModel, match="x: the tensor '.*' has .* NaN"):
        canonical(load_onnx(path, in_memory_bytes=LAZY), where="x")


def test_a_model_of_more_than_two_gigabytes_is_made_canonical(tmp_path: Path) -> None:
    """Six tables of 361 MB each, in a file of holes."""
    rows, columns, count = 1_410_000, 64, 6
    size = rows * columns * 4
    with (tmp_path / "w.bin").open("wb") as file:
        file.truncate(count * size)
    nodes, tables = [], []
    for number in range(count):
        table = TensorProto(name=f"table{number}", data_type=TensorProto.FLOAT)
        table.dims.extend([rows, columns])
        table.data_location = TensorProto.EXTERNAL
        for key, value in (("location", "w.bin"), ("offset", number * size), ("length", size)):
            table.external_data.add(key=key, value=str(value))
        tables.append(table)
        nodes.append(helper.make_node("Gather", [table.name, "x"], [f"row{number}"]))
    nodes.append(helper.make_node("Sum", [f"row{number}" for number in range(count)], ["y0"]))
    nodes.append(helper.make_node("Identity", ["y0"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "big",
        [helper.make_tensor_value_info("x", TensorProto.INT64, ["N"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", columns])],
        tables,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    (tmp_path / "x.onnx").write_bytes(model.SerializeToString())
    new = canonical(load_onnx(tmp_path / "x.onnx"), where="big")
    assert [node.op_type for node in new.graph] == ["Gather"] * count + ["Sum"]
    assert list(new.graph.outputs[0].shape or ()) == [1, columns]
    tensors = [value.const_value for value in new.graph.initializers.values()]
    assert all(isinstance(tensor, ir.ExternalTensor) for tensor in tensors)
