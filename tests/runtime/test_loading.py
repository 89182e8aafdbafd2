"""Bundles loaded for service: checked whatever the caches hold, and beside one that runs."""

import hashlib
import json
import logging
import subprocess
import sys
from pathlib import Path

import msgspec
import onnx_ir as ir
import pytest

from edgekit.bundle import Bundle, write_bundle
from edgekit.errors import BundleError, InputError
from edgekit.runtime.loading import load_session
from edgekit.runtime.options import choices_in, graphs_in
from edgekit.runtime.session import Session
from tests.samples import picture_bundle, window_bundle, window_model


@pytest.fixture
def without_litert(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("ai_edge_litert.interpreter", "tflite_runtime.interpreter"):
        monkeypatch.setitem(sys.modules, module, None)


@pytest.mark.parametrize("engine", [None, "auto", "onnxruntime", "litert"])
def test_a_bundle_is_loaded_checked_with_and_without_a_state_directory(
    tmp_path: Path, bundle: Bundle, engine: object
) -> None:
    for state in (None, tmp_path / "state", tmp_path / "state"):
        loaded = load_session(bundle.path, engine=engine, state_dir=state)  # type: ignore[arg-type]
        assert loaded.checked == 4
        assert (loaded.choice is None) == (engine != "auto")
        if loaded.choice is not None:
            assert loaded.session.artifact.label == loaded.choice.label


@pytest.mark.usefixtures("without_litert")
def test_without_litert_the_next_engine_runs_with_a_warning(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        loaded = load_session(bundle.path, engine="litert")
    assert loaded.session.engine.name == "onnxruntime"
    (record,) = caplog.records
    assert "runs with onnxruntime" in record.message
    assert "edgekit[tflite]" in record.message


@pytest.mark.usefixtures("without_litert")
def test_a_bundle_of_litert_alone_says_what_to_install(tmp_path: Path, bundle: Bundle) -> None:
    manifest = msgspec.structs.replace(
        bundle.manifest, models={"litert": "model.tflite"}, variants=(), labels=None
    )
    files = {name: (bundle.path / name).read_bytes() for name in ("model.tflite", "golden.npz")}
    alone = write_bundle(tmp_path / "alone", manifest, files=files)
    with pytest.raises(InputError, match="edgekit\\[tflite\\]"):
        load_session(alone.path)


def test_another_models_graph_that_stands_in_the_cache_is_caught_by_the_golden_check(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whole, and named as the cache names it: only its answers are wrong."""
    bundle = window_bundle(tmp_path / "b")
    load_session(bundle.path, state_dir=tmp_path)
    (kept,) = graphs_in(tmp_path).glob("*.onnx")
    kept.unlink()
    wrong = window_model()
    node = next(node for node in wrong.graph if node.op_type == "ReduceMean")
    node.op_type = "ReduceMax"
    data = ir.to_proto(wrong).SerializeToString()
    name = f"{kept.name.split('.')[0]}.{hashlib.sha256(data).hexdigest()}.onnx"
    kept.with_name(name).write_bytes(data)
    with caplog.at_level(logging.WARNING):
        assert load_session(bundle.path, state_dir=tmp_path).checked == 4
    assert "its cached graph is made again" in caplog.text
    assert [path.name for path in graphs_in(tmp_path).iterdir()] == [kept.name]


def test_a_remembered_choice_that_does_not_run_any_more_is_made_again(
    tmp_path: Path, bundle: Bundle, without_litert: None, caplog: pytest.LogCaptureFixture
) -> None:
    load_session(bundle.path, engine="auto", state_dir=tmp_path)
    (kept,) = choices_in(tmp_path).iterdir()
    document = json.loads(kept.read_text())
    for way in document["contenders"]:
        way["out"] = None
    kept.write_text(json.dumps(document | {"engine": "litert", "variant": "main"}))
    with caplog.at_level(logging.WARNING):
        loaded = load_session(bundle.path, engine="auto", state_dir=tmp_path)
    assert loaded.session.engine.name == "onnxruntime"
    assert "ran before and does not now" in caplog.text
    assert json.loads(kept.read_text())["engine"] == "onnxruntime"


def test_a_bundle_that_answers_wrongly_here_is_refused(tmp_path: Path) -> None:
    bundle = picture_bundle(tmp_path / "b")
    files = {name: (bundle.path / name).read_bytes() for name in bundle.manifest.files}
    other = window_bundle(tmp_path / "w")
    files["golden.npz"] = (other.path / "golden.npz").read_bytes()
    wrong = write_bundle(tmp_path / "wrong", bundle.manifest, files=files)
    for engine in (None, "auto"):
        with pytest.raises(BundleError, match="golden"):
            load_session(wrong.path, engine=engine)  # type: ignore[arg-type]


def test_a_session_that_is_closed_is_closed_for_good(bundle: Bundle) -> None:
    with Session.open(bundle.path) as session:
        tensor = bundle.golden()["inputs"][0]
        session.engine.run(tensor)
    with pytest.raises(AssertionError, match="closed"):
        session.engine.run(tensor)


_SWAPS = """
import sys
from pathlib import Path
import numpy as np
from edgekit.runtime.loading import load_session

def anonymous_kb():
    text = Path("/proc/self/smaps_rollup").read_text()
    return next(int(l.split()[1]) for l in text.splitlines() if l.startswith("Anonymous:"))

path, state, engine = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
running = load_session(path, engine=engine, threads=2, state_dir=state).session
sizes = []
for swap in range(60):
    beside = load_session(path, engine=engine, threads=2, state_dir=state).session
    running.close()
    running = beside
    running.engine.run(running.bundle.golden()["inputs"][0])
    if swap in (9, 59):
        sizes.append(anonymous_kb())
print(*sizes)
"""


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("engine", ["onnxruntime", "litert"])
def test_fifty_swaps_do_not_grow_the_process(
    tmp_path: Path, large_bundle: Bundle, engine: str
) -> None:
    """Each model is 4 MB: a leak of one in ten would be 20 MB."""
    command = [sys.executable, "-c", _SWAPS, str(large_bundle.path), str(tmp_path), engine]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    early, late = map(int, done.stdout.split())
    assert late - early < 3_000
