"""Sessions: prepare, run, interpret; and the self-test that a board begins with."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edgekit.bundle import InputSpec, PictureRule, Quantization, write_bundle
from edgekit.errors import BundleError, InputError, UnsupportedModel
from edgekit.runtime.fake import FakeEngine
from edgekit.runtime.interpret import softmax
from edgekit.runtime.litert_engine import LiteRtEngine
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from edgekit.runtime.prediction import AnomalyScore, Classification
from edgekit.runtime.prepare import prepare, preparer
from edgekit.runtime.selftest import check_golden
from edgekit.runtime.session import Session
from tests.samples import SIDE, picture_bundle, window_bundle, window_manifest


def picture(rule: PictureRule, **more: Any) -> InputSpec:
    return InputSpec(
        name="x",
        dtype=more.pop("dtype", "float32"),
        shape=rule.tensor_shape(),
        picture=rule,
        **more,
    )


def test_a_picture_is_turned_into_the_tensor_its_rule_describes() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 3), np.uint8)
    rule = PictureRule(
        height=2, width=3, layout="NCHW", channels="BGR", mean=(1.0, 2.0, 3.0), std=(2.0,)
    )
    tensor = prepare(pixels, picture(rule))
    assert tensor.shape == (1, 3, 2, 3)
    assert tensor.flags.c_contiguous
    assert tensor[0, 0, 1, 2] == (float(pixels[1, 2, 2]) - 1) / 2
    assert tensor[0, 2, 0, 1] == (float(pixels[0, 1, 0]) - 3) / 2


def test_pixels_become_a_quantised_models_integers() -> None:
    pixels = np.array([[[0, 128, 255]]], np.uint8)
    rule = PictureRule(height=1, width=1)
    spec = picture(rule, dtype="int8", quantization=Quantization(scale=1.0, zero_point=-128))
    np.testing.assert_array_equal(prepare(pixels, spec).reshape(-1), [-128, 0, 127])


@pytest.mark.parametrize("rule", [PictureRule(height=2, width=3), PictureRule(height=3, width=2)])
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_what_is_decided_beforehand_prepares_alike(rule: PictureRule, dtype: str) -> None:
    quantization = Quantization(scale=1.0, zero_point=-128) if dtype == "int8" else None
    spec = picture(rule, dtype=dtype, quantization=quantization)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 3), np.uint8)
    samples = [pixels, pixels.astype(np.float32), np.asfortranarray(pixels), pixels[:, :, ::-1]]
    for sample in samples:
        try:
            expected = prepare(sample, spec)
        except InputError as error:
            with pytest.raises(InputError) as caught:
                preparer(spec)(sample)
            assert str(caught.value) == str(error)
            continue
        tensor = preparer(spec)(sample)
        np.testing.assert_array_equal(tensor, expected)
        assert (tensor.dtype, tensor.shape) == (expected.dtype, expected.shape)
        assert tensor.flags.c_contiguous


@pytest.mark.parametrize(
    ("window", "says"),
    [
        (np.zeros((3, 2)), "windows of 4 rows with 2 columns"),
        (np.full((4, 2), np.nan), "NaN"),
        (np.full((4, 2), np.inf), "NaN or infinity"),
    ],
)
def test_a_window_that_does_not_fit_is_refused(tmp_path: Path, window: Any, says: str) -> None:
    session = Session.open(window_bundle(tmp_path / "b").path)
    with pytest.raises(InputError, match=says):
        session.predict(window)


def test_a_window_above_the_threshold_is_anomalous(tmp_path: Path) -> None:
    session = Session.open(window_bundle(tmp_path / "b").path)
    assert session.predict(np.full((4, 2), 3.0))[0] == AnomalyScore(3.0, 10.0)
    high, timing = session.predict(np.full((4, 2), 11.0))
    assert isinstance(high, AnomalyScore)
    assert high.anomalous
    assert timing.infer > 0


def test_classes_come_best_first_with_their_labels(tmp_path: Path) -> None:
    session = Session.open(picture_bundle(tmp_path / "b").path)
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    pixels[:8, 8:] = 3
    prediction, _ = session.predict(pixels)
    assert isinstance(prediction, Classification)
    assert [found.label for found in prediction.top[:1]] == ["tr"]
    wanted = np.sort(softmax(np.array([0.0, 3.0, 0.0, 0.0])))[::-1]
    np.testing.assert_allclose([found.p for found in prediction.top], wanted, atol=1e-6)


def test_a_model_that_answers_nan_is_named(tmp_path: Path) -> None:
    bundle = window_bundle(tmp_path / "b")
    real = OnnxRuntimeEngine(bundle.path / "model.onnx")
    fake = FakeEngine(lambda _: {"score": np.array([np.nan])}, inputs=real.inputs)
    fake.outputs = real.outputs
    with pytest.raises(UnsupportedModel, match="NaN"):
        Session(bundle, fake).predict(np.zeros((4, 2)))


def test_a_reconstruction_is_scored_by_its_mean_squared_error(tmp_path: Path) -> None:
    output = msgspec.structs.replace(window_manifest().output, kind="reconstruction")
    bundle = window_bundle(tmp_path / "b")
    changed = msgspec.structs.replace(bundle.manifest, output=output)
    object.__setattr__(bundle, "manifest", changed)
    real = OnnxRuntimeEngine(bundle.path / "model.onnx")
    fake = FakeEngine(lambda tensor: {"score": tensor + 2}, inputs=real.inputs)
    fake.outputs = real.outputs
    assert Session(bundle, fake).predict(np.ones((4, 2)))[0] == AnomalyScore(4.0, 10.0)


def test_golden_vectors_that_come_out_pass(tmp_path: Path) -> None:
    assert check_golden(Session.open(picture_bundle(tmp_path / "b").path)) == 4


def test_golden_vectors_that_come_out_otherwise_refuse_the_bundle(tmp_path: Path) -> None:
    bundle = window_bundle(tmp_path / "b")
    real = OnnxRuntimeEngine(bundle.path / "model.onnx")
    wrong = FakeEngine(lambda t: {"score": real.run(t)["score"] + 0.5}, inputs=real.inputs)
    wrong.outputs = real.outputs
    with pytest.raises(BundleError, match="off by"):
        check_golden(Session(bundle, wrong))


def test_a_manifest_that_names_other_tensors_is_refused(tmp_path: Path) -> None:
    bundle = window_bundle(tmp_path / "b")
    spec = msgspec.structs.replace(bundle.manifest.input, name="other")
    manifest = msgspec.structs.replace(bundle.manifest, input=spec)
    files = {name: (bundle.path / name).read_bytes() for name in manifest.files}
    other = write_bundle(tmp_path / "c", manifest, files=files)
    with pytest.raises(BundleError, match="names the input other"):
        Session.open(other.path)


def test_damaged_model_bytes_are_one_line() -> None:
    with pytest.raises(UnsupportedModel) as caught:
        OnnxRuntimeEngine(b"rubbish")
    assert "\n" not in str(caught.value)


def test_an_interpreter_that_imports_but_does_not_work_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As tflite-runtime does beside NumPy 2."""
    broken = "def Interpreter(**_): raise SystemError('built for NumPy 1')\n"
    (tmp_path / "unusable.py").write_text(broken)
    monkeypatch.syspath_prepend(tmp_path)
    model = tmp_path / "m.tflite"
    model.write_bytes(b"\0\0\0\0TFL3")
    unusable = ("numpy", "unusable")
    with pytest.raises(UnsupportedModel, match="LiteRT cannot load"):
        LiteRtEngine(
            model, interpreters=(unusable, ("ai-edge-litert", "ai_edge_litert.interpreter"))
        )
    with pytest.raises(InputError, match="numpy is there but does not work.*built for NumPy 1"):
        LiteRtEngine(model, interpreters=(unusable,))
