"""The choice of an engine: by trying, with a margin, held to golden vectors, and remembered."""

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.bundle import Artifact, Bundle
from edgekit.errors import BundleError, InputError
from edgekit.runtime.choice import Choice, Contender, choice_key, recall
from edgekit.runtime.choosing import MARGIN, choose_engine
from edgekit.runtime.fake import FakeEngine
from edgekit.runtime.options import EngineOptions, choices_in
from edgekit.runtime.session import Session
from edgekit.runtime.timing import Ratio
from tests.samples import window_bundle

Speeds = dict[str, float]


def duel_by(speeds: Speeds) -> Callable[[Session, Session, Array, Array], Ratio]:
    """Times that are told, in place of a clock: seconds by label, 1 where none is told."""

    def duel(first: Session, second: Session, *_: Array) -> Ratio:
        one, two = (speeds.get(session.artifact.label, 1.0) for session in (first, second))
        return Ratio(two / one, two / one, two / one)

    return duel


def found(bundle: Bundle, speeds: Speeds, **more: Any) -> Choice:
    return choose_engine(bundle, duel=duel_by(speeds), **more)


ALL = [
    "onnxruntime",
    "litert",
    "fp32/onnxruntime",
    "fp32/litert",
    "fp16/onnxruntime",
    "fp16/litert",
]


def test_the_fastest_of_all_forms_and_engines_is_chosen(bundle: Bundle) -> None:
    choice = found(bundle, {"litert": 0.7, "fp32/litert": 0.5})
    assert (choice.engine, choice.variant, choice.threads) == ("litert", "fp32", 1)
    assert [way.label for way in choice.contenders] == ALL
    assert [way.ratio for way in choice.contenders] == pytest.approx([1, 0.7, 1, 0.5, 1, 1])


def test_what_is_faster_by_less_than_the_margin_does_not_win(bundle: Bundle) -> None:
    assert found(bundle, {"litert": 1 - MARGIN / 2}).label == "onnxruntime"
    assert found(bundle, {"litert": 1 - MARGIN * 2}).label == "litert"


def test_real_times_choose_something_that_passes(bundle: Bundle) -> None:
    choice = choose_engine(bundle, threads=(1, 2))
    assert len(choice.contenders) == 12
    assert all(way.out is None and (way.ratio or 0) > 0 for way in choice.contenders)
    assert choice.table().count("\n") == 11
    assert choice.table().count("<- chosen") == 1
    assert "\n" not in choice.line()


def wrong_for(label: str) -> Callable[[Bundle, Artifact, EngineOptions], Session]:
    """Opens everything, and one artifact so that it answers wrongly."""

    def open_artifact(bundle: Bundle, artifact: Artifact, options: EngineOptions) -> Session:
        session = Session.of(bundle, artifact, options)
        if artifact.label != label:
            return session
        real = session.engine
        fake = FakeEngine(
            lambda t: {k: v[..., ::-1] + 1 for k, v in real.run(t).items()}, inputs=real.inputs
        )
        fake.name, fake.outputs = artifact.engine, real.outputs
        return Session(bundle, fake, artifact)

    return open_artifact


def test_what_fails_the_golden_check_is_out_however_fast(bundle: Bundle) -> None:
    speeds = {"fp32/litert": 0.1, "litert": 0.5}
    choice = found(bundle, speeds, open_artifact=wrong_for("fp32/litert"))
    assert choice.label == "litert"
    out = {way.label: way.out for way in choice.contenders if way.out}
    assert list(out) == ["fp32/litert"]
    assert "off by" in out["fp32/litert"]
    assert "out: " in choice.table()


def test_an_engine_that_is_not_installed_is_out(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("ai_edge_litert.interpreter", "tflite_runtime.interpreter"):
        monkeypatch.setitem(sys.modules, module, None)
    choice = found(bundle, {"litert": 0.1, "fp16/onnxruntime": 0.5})
    assert choice.label == "fp16/onnxruntime"
    assert sum("edgekit[tflite]" in (way.out or "") for way in choice.contenders) == 3


def test_where_nothing_runs_every_reason_is_told(bundle: Bundle) -> None:
    def open_none(_: Bundle, artifact: Artifact, __: EngineOptions) -> Session:
        raise InputError(f"no {artifact.label} today")

    with pytest.raises(BundleError) as caught:
        found(bundle, {}, open_artifact=open_none)
    assert all(f"no {label} today" in str(caught.value) for label in ALL)


def test_a_bundle_without_golden_vectors_runs_the_first(tmp_path: Path) -> None:
    bundle = window_bundle(tmp_path / "b")
    assert choose_engine(bundle).contenders[0].ratio is None


def test_a_choice_is_remembered_with_all_it_depends_on(tmp_path: Path, bundle: Bundle) -> None:
    first = found(bundle, {"litert": 0.5}, state_dir=tmp_path)
    again = found(bundle, {"fp32/litert": 0.1}, state_dir=tmp_path)
    assert (first.remembered, again.remembered) == (False, True)
    assert (again.label, again.contenders) == ("litert", first.contenders)
    assert found(bundle, {"fp32/litert": 0.1}, state_dir=tmp_path, again=True).variant == "fp32"
    assert not found(bundle, {}, state_dir=tmp_path, threads=(2,)).remembered
    arena = EngineOptions(arena=True)
    assert not found(bundle, {}, state_dir=tmp_path, options=arena).remembered
    cpus = {choice_key(bundle, versions={}, cpu=cpu, settings=()) for cpu in ("one", "other")}
    assert len(cpus) == 2


def test_without_a_state_directory_each_start_chooses(bundle: Bundle) -> None:
    assert not found(bundle, {"litert": 0.5}).remembered
    assert found(bundle, {"fp32/litert": 0.1}).label == "fp32/litert"


def test_a_state_directory_that_cannot_be_written_is_a_warning(
    tmp_path: Path, bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        assert found(bundle, {"litert": 0.5}, state_dir=tmp_path / "file").label == "litert"
    assert "the next start chooses again" in caplog.text


def kept(state: Path) -> Path:
    (path,) = choices_in(state).iterdir()
    return path


def test_a_remembered_choice_of_what_the_bundle_does_not_have_is_ignored(
    tmp_path: Path, bundle: Bundle
) -> None:
    found(bundle, {"litert": 0.5}, state_dir=tmp_path)
    document = json.loads(kept(tmp_path).read_text())
    for changes in ({"variant": "fp8"}, {"engine": "tensorrt"}, {"threads": 64}, {"more": 1}):
        kept(tmp_path).write_text(json.dumps(document | changes))
        assert recall(choices_in(tmp_path), kept(tmp_path).stem, bundle) is None
        assert not found(bundle, {}, state_dir=tmp_path).remembered


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
_fields = st.dictionaries(
    st.sampled_from(["engine", "variant", "threads", "contenders", "remembered"]), _json
)


@given(data=st.binary(max_size=300) | _fields.map(lambda value: json.dumps(value).encode()))
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_a_choice_file_holds_it_is_read_or_ignored(
    tmp_path: Path, bundle: Bundle, data: bytes
) -> None:
    (tmp_path / "k.json").write_bytes(data)
    assert recall(tmp_path, "k", bundle) is None


def test_a_choice_says_all_on_one_line() -> None:
    ways = (
        Contender(label="onnxruntime", engine="onnxruntime", variant="main", threads=1, ratio=1.0),
        Contender(
            label="litert", engine="litert", variant="main", threads=2, ratio=0.5, low=0.4, high=0.6
        ),
        Contender(label="fp32/litert", engine="litert", variant="fp32", threads=1, out="broken"),
    )
    choice = Choice(engine="litert", variant="main", threads=2, contenders=ways)
    assert choice.line() == (
        "engine litert, 2 threads; times: onnxruntime 1.00, litert x 2 0.50 (0.40-0.60), "
        "fp32/litert out: broken"
    )
    assert np.shape(choice.rows()) == (3, 4)
