"""Measuring bundles in this process: what is timed, weighed, left out and heard of."""

from collections import Counter
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
import pytest

from edgekit.bench.measuring import bench_bundle
from edgekit.bench.memory import footprint
from edgekit.bench.samples import bench_samples
from edgekit.bundle import MAIN, Bundle, Variant, open_bundle, write_bundle
from edgekit.errors import BundleError, Unavailable, UnsupportedModel
from edgekit.runtime.options import DEFAULTS
from edgekit.runtime.session import Session
from tests.samples import picture_bundle, window_bundle


class SteadyMeter:
    """Two joules a turn."""

    source = "a steady meter"
    joules = 2.0
    turns = 0

    def __enter__(self) -> Self:
        self.turns += 1
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def damaged(tmp_path: Path) -> Bundle:
    """A bundle with a variant that does not load."""
    plain = picture_bundle(tmp_path / "plain")
    files = {name: (plain.path / name).read_bytes() for name in plain.manifest.files}
    files["bad.onnx"] = b"no model at all"
    bad = Variant(name="bad", engine="onnxruntime", file="bad.onnx")
    manifest = msgspec.structs.replace(plain.manifest, variants=(bad,))
    return write_bundle(tmp_path / "damaged", manifest, files=files)


def test_of_all_engines_what_does_not_load_is_left_out_with_the_reason(damaged: Bundle) -> None:
    report = bench_bundle(damaged.path, engine="all", samples=5)
    assert [result.label for result in report.results] == ["onnxruntime"]
    (left,) = report.excluded
    assert left.label == "bad/onnxruntime"
    assert "cannot load it" in left.reason
    with pytest.raises(UnsupportedModel, match="cannot load it"):
        bench_bundle(damaged.path, variant="bad", samples=5)


def test_an_artifact_that_answers_wrongly_is_not_measured(tmp_path: Path) -> None:
    path = picture_bundle(tmp_path / "b").path
    manifest = open_bundle(path).manifest
    golden = dict(open_bundle(path).golden())
    golden["onnxruntime"] = golden["onnxruntime"].astype(np.float32)[..., ::-1] + 1
    files = {name: (path / name).read_bytes() for name in manifest.files}
    np.savez(tmp_path / "golden.npz", **golden)  # type: ignore[arg-type]
    files["golden.npz"] = (tmp_path / "golden.npz").read_bytes()
    wrong = write_bundle(tmp_path / "wrong", manifest, files=files)
    for engine in (None, "all"):
        with pytest.raises(BundleError, match="off by"):
            bench_bundle(wrong.path, engine=engine, samples=5)


def test_energy_is_shared_out_among_the_samples_of_each(tmp_path: Path) -> None:
    meter, path = SteadyMeter(), picture_bundle(tmp_path / "b").path
    report = bench_bundle(path, against=path, samples=5, meter=meter, energy_turn_s=0.1)
    assert meter.turns % 2 == 0
    assert meter.turns > 2
    assert report.energy_source == "a steady meter"
    assert all(0 < (result.energy_mj or 0) < 2000 for result in report.results)


def test_progress_is_heard_to_its_end(tmp_path: Path) -> None:
    heard: Counter[str] = Counter()
    ends: dict[str, bool] = {}

    def progress(what: str, done: int, of: int) -> None:
        heard[what] += 1
        ends[what] = done == of

    bench_bundle(window_bundle(tmp_path / "b").path, samples=25, progress=progress)
    assert heard["timing"] == 4
    assert set(ends) >= {"timing", "measuring memory"}
    assert all(ends.values())


def test_samples_are_the_same_each_time_and_fit(tmp_path: Path) -> None:
    for bundle in (picture_bundle(tmp_path / "p"), window_bundle(tmp_path / "w")):
        session = Session.open(bundle.path)
        once, again = (bench_samples(bundle, session.artifact) for _ in range(2))
        assert all(np.array_equal(one, two) for one, two in zip(once, again, strict=True))
        for sample in once:
            session.predict(sample)


def test_a_process_that_fails_is_told_and_costs_only_its_figures(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="memory could not be measured"):
        footprint(tmp_path / "none", "onnxruntime", MAIN, DEFAULTS)
