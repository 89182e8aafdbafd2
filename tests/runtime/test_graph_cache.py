"""Optimised graphs: kept, found again, and never believed when they are damaged."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.bundle import Bundle
from edgekit.runtime.graph_cache import GraphCache, GraphKey
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from edgekit.runtime.options import EngineOptions
from tests.samples import conv_net, save

KEY = GraphKey("0" * 64, "1.0", "cpu")


def answer(engine: OnnxRuntimeEngine, bundle: Bundle) -> Array:
    tensor: Array = bundle.golden()["inputs"][0]
    return engine.run(tensor)[bundle.manifest.output.name]


def opened(bundle: Bundle, cache: Path | None) -> OnnxRuntimeEngine:
    return OnnxRuntimeEngine(bundle.path / "model.onnx", options=EngineOptions(cache=cache))


def graph(folder: Path) -> Path:
    (path,) = folder.glob("*.onnx")
    return path


@pytest.mark.parametrize("variant", ["model", "model.fp32", "model.fp16"])
def test_the_second_start_loads_what_the_first_optimised_and_answers_alike(
    tmp_path: Path, bundle: Bundle, variant: str
) -> None:
    path, options = bundle.path / f"{variant}.onnx", EngineOptions(cache=tmp_path / "c")
    plain, first, second = (
        OnnxRuntimeEngine(path, options=each) for each in (EngineOptions(), options, options)
    )
    assert (plain.from_cache, first.from_cache, second.from_cache) == (False, False, True)
    np.testing.assert_array_equal(answer(first, bundle), answer(plain, bundle))
    np.testing.assert_array_equal(answer(second, bundle), answer(plain, bundle))
    assert [file.name for file in (tmp_path / "c").iterdir()] == [graph(tmp_path / "c").name]


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "a byte changed":
        path.write_bytes(bytes([data[0] ^ 1, *data[1:]]))
    elif how == "cut short":
        path.write_bytes(data[:-7])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "rubbish that its name vouches for":
        path.unlink()
        digest = hashlib.sha256(b"rubbish").hexdigest()
        path.with_name(f"{path.name.split('.')[0]}.{digest}.onnx").write_bytes(b"rubbish")
    elif how == "a folder":
        path.unlink()
        path.mkdir()


@pytest.mark.parametrize(
    "how", ["a byte changed", "cut short", "empty", "rubbish that its name vouches for"]
)
def test_a_damaged_graph_is_ignored_and_made_again(
    tmp_path: Path, bundle: Bundle, how: str
) -> None:
    wanted = answer(opened(bundle, tmp_path), bundle)
    whole = graph(tmp_path).name
    damage(graph(tmp_path), how)
    again = opened(bundle, tmp_path)
    assert not again.from_cache
    np.testing.assert_array_equal(answer(again, bundle), wanted)
    assert graph(tmp_path).name == whole
    assert opened(bundle, tmp_path).from_cache


def test_a_folder_where_the_graph_should_be_costs_only_time(tmp_path: Path, bundle: Bundle) -> None:
    opened(bundle, tmp_path)
    damage(graph(tmp_path), "a folder")
    assert not opened(bundle, tmp_path).from_cache


@given(data=st.binary(max_size=400), vouched=st.booleans())
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_lies_in_the_cache_the_answers_stay(
    tmp_path: Path, bundle: Bundle, data: bytes, vouched: bool
) -> None:
    folder = tmp_path / "c"
    engine = opened(bundle, folder)
    kept = graph(folder)
    digest = hashlib.sha256(data).hexdigest() if vouched else kept.name.split(".")[1]
    kept.unlink()
    kept.with_name(f"{kept.name.split('.')[0]}.{digest}.onnx").write_bytes(data)
    np.testing.assert_array_equal(answer(opened(bundle, folder), bundle), answer(engine, bundle))


def test_another_model_cpu_version_or_setting_is_another_graph() -> None:
    others = [
        GraphKey("1" * 64, "1.0", "cpu"),
        GraphKey("0" * 64, "1.1", "cpu"),
        GraphKey("0" * 64, "1.0", "other"),
        GraphKey("0" * 64, "1.0", "cpu", ("basic",)),
    ]
    assert len({key.name for key in [KEY, *others]}) == 5


def test_another_models_graph_is_not_found(tmp_path: Path, bundle: Bundle) -> None:
    opened(bundle, tmp_path)
    other = save(conv_net(padding=1), tmp_path / "other.model")
    assert not OnnxRuntimeEngine(other, options=EngineOptions(cache=tmp_path)).from_cache


def test_graphs_used_longest_ago_go_when_the_cap_is_reached(tmp_path: Path) -> None:
    cache = GraphCache(tmp_path, cap_bytes=250)
    keys = [GraphKey(str(number) * 64, "1.0", "cpu") for number in range(4)]
    for number, key in enumerate(keys[:2]):
        kept = kept_graph(cache, key, 100)
        os.utime(kept, (number, number))
    assert cache.find(keys[0]) is not None  # which makes it the one used last
    kept_graph(cache, keys[2], 100)
    assert [cache.find(key) is not None for key in keys] == [True, False, True, False]


def kept_graph(cache: GraphCache, key: GraphKey, size: int) -> Path:
    draft = cache.draft()
    assert draft is not None
    draft.write_bytes(bytes(size))
    kept = cache.keep(key, draft)
    assert kept is not None
    return kept


def test_a_graph_beyond_the_cap_is_not_kept(tmp_path: Path) -> None:
    cache = GraphCache(tmp_path, cap_bytes=10)
    draft = cache.draft()
    assert draft is not None
    draft.write_bytes(bytes(11))
    assert cache.keep(KEY, draft) is None
    assert list(tmp_path.iterdir()) == []


def test_drafts_of_starts_that_were_cut_short_are_swept_but_not_fresh_ones(tmp_path: Path) -> None:
    cache = GraphCache(tmp_path)
    old, fresh = cache.draft(), cache.draft()
    assert old is not None
    assert fresh is not None
    os.utime(old, (1, 1))
    cache.draft()
    assert not old.exists()
    assert fresh.exists()


def test_a_state_directory_that_cannot_be_written_costs_only_time(
    tmp_path: Path, bundle: Bundle
) -> None:
    (tmp_path / "file").write_text("not a folder")
    engine = opened(bundle, tmp_path / "file" / "graphs")
    assert not engine.from_cache
    np.testing.assert_array_equal(answer(engine, bundle), answer(opened(bundle, None), bundle))
