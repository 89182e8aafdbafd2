"""Whole models in C answer as LiteRT does: scores, classes, and each integer on the way."""

import re
import shutil
import subprocess
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edgekit.array import Array
from edgekit.bundle import Bundle
from edgekit.compress import Recipe, compress_trained, pack_model
from edgekit.compress.progress import Silent
from edgekit.compress.steps import Quantize
from edgekit.convert.c import export_c
from edgekit.runtime.interpret import interpret
from edgekit.runtime.litert_engine import LiteRtEngine
from edgekit.runtime.prediction import AnomalyScore
from edgekit.zoo.building import build_model
from edgekit.zoo.mlperf_tiny import build_dense_autoencoder, dense_autoencoder_samples
from tests.convert.c_harness import (
    Running,
    compressed,
    conv_autoencoder,
    conv_classifier,
    dense_autoencoder,
    readings,
)

SANITIZED = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover")
COLUMNS = ("x", "y", "z")
ROOT = Path(__file__).resolve().parent.parent.parent


def make(kind: str, out: Path) -> tuple[Bundle, Array]:
    """A bundle, and readings that it was not calibrated on."""
    match kind:
        case "dense autoencoder":
            model, shape = dense_autoencoder(), (64,)
            how = partial(compressed, task="anomaly", kind="reconstruction")
        case "conv autoencoder":
            model, shape = conv_autoencoder(), (48, 3)
            how = partial(compressed, task="anomaly", kind="score", columns=COLUMNS)
        case _:
            model, shape = conv_classifier(), (40, 3)
            how = partial(compressed, task="classification", kind="scores", columns=COLUMNS,
                          labels=("a", "b", "c", "d", "e"))  # fmt: skip
    return how(model, readings(shape, 60), out), readings((1, *shape), 2000, seed=9)


KINDS = ("dense autoencoder", "conv autoencoder", "conv classifier")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Bundle, Array]]:
    folder = tmp_path_factory.mktemp("bundles")
    return {kind: make(kind, folder / kind.replace(" ", "_")) for kind in KINDS}


def require_same(running: Running, inputs: Array) -> None:
    """Integers are LiteRT's; what is computed in float is within its last digits."""
    integers, outputs, answers = running.litert(inputs)
    np.testing.assert_array_equal(running.prepare(inputs), integers)
    found = running.run(integers)
    if running.model.gives_floats:
        np.testing.assert_allclose(found, outputs, rtol=1e-5, atol=1e-5 * np.abs(outputs).max())
    else:
        np.testing.assert_array_equal(found, outputs)
    if running.manifest.task == "classification":
        best, scores = running.probabilities(inputs)
        np.testing.assert_allclose(scores, answers, atol=2e-6)
        np.testing.assert_array_equal(best, scores.argmax(1))
    else:
        expected = [
            score_of(running, answer, one) for answer, one in zip(answers, inputs, strict=True)
        ]
        np.testing.assert_allclose(running.scores(inputs), expected, rtol=1e-5)


def score_of(running: Running, answer: Array, tensor: Array) -> float:
    found = interpret(answer, tensor, running.manifest, ())
    assert isinstance(found, AnomalyScore)
    return found.score


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_answers_as_in_litert(
    kind: str, made: dict[str, tuple[Bundle, Array]], tmp_path: Path
) -> None:
    bundle, inputs = made[kind]
    require_same(Running.of(bundle, tmp_path), inputs)


@pytest.mark.parametrize("kind", KINDS)
def test_every_integer_on_the_way_is_litert_s(
    kind: str, made: dict[str, tuple[Bundle, Array]], tmp_path: Path
) -> None:
    bundle, inputs = made[kind]
    whole = Running.of(bundle, tmp_path)
    names = [
        tensor.name
        for tensor in whole.tensors
        if tensor.is_int8 and tensor.data is None and tensor.index != whole.model.entry.target.index
    ]
    assert len(names) >= 3
    for name in (names[len(names) // 2], names[-1]):
        running = Running.up_to(whole.data, name, tmp_path / "part")
        integers, outputs, _ = running.litert(inputs)
        np.testing.assert_array_equal(running.run(integers), outputs, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_the_self_test_passes_under_sanitizers_and_fails_on_another_weight(
    kind: str, made: dict[str, tuple[Bundle, Array]], tmp_path: Path
) -> None:
    name = export_c(made[kind][0].path, out=tmp_path, name="net").name
    assert ran(name, tmp_path).returncode == 0
    source = tmp_path / f"{name}.c"
    text = source.read_text()
    first = re.search(r"bias_\d+\[\d+\] = \{\n +(-?\d+)", text)
    assert first is not None
    changed = text[: first.start(1)] + str(int(first[1]) + 40_000) + text[first.end(1) :]
    source.write_text(changed)
    failed = ran(name, tmp_path)
    assert failed.returncode == 1
    assert "FAILED" in failed.stdout


def ran(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The self-test, compiled with sanitizers."""
    program = folder / f"{name}_test"
    command = ["gcc", "-std=c99", *SANITIZED, f"{name}.c", f"{name}_test.c", "-o", program]
    subprocess.run(command, cwd=folder, check=True)
    return subprocess.run([program], capture_output=True, text=True, check=False)


def test_the_digits_of_the_zoo_in_c(tmp_path: Path) -> None:
    recipe = Recipe(
        name="digits",
        steps=(Quantize(),),
        build={"training": str(ROOT / "models" / "digits" / "training.toml")},
    )
    built = build_model(recipe, None, progress=Silent(), where=str(ROOT / "x.toml"))
    bundle = compress_trained(built.trained, built.samples, recipe, out=tmp_path / "b").bundle
    assert "litert" not in bundle.manifest.models  # of ONNX alone, the TFLite form is made
    running = Running.of(bundle, tmp_path / "c")
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (1000, 1, 8, 8, 3)).astype(np.uint8)
    require_same(running, noise)
    pictures = np.stack([np.asarray(one)[np.newaxis] for one in built.samples.data])
    best, _ = running.probabilities(pictures)
    assert np.mean(best == built.samples.targets) > 0.95


def test_mlperf_tiny_s_autoencoder_in_c(tmp_path: Path) -> None:
    model = build_dense_autoencoder(training=200)
    samples = dense_autoencoder_samples(training=200, test=60)
    bundle = compressed(
        model, samples.training[:60], tmp_path / "b", task="anomaly", kind="reconstruction"
    )
    running = Running.of(bundle, tmp_path / "c")
    assert running.model.macs == 2 * 640 * 128 + 6 * 128 * 128 + 2 * 128 * 8
    require_same(running, samples.test[:, np.newaxis].reshape(-1, 1, 640))


@pytest.mark.data
def test_the_published_ad01_in_c(data: Path, tmp_path: Path) -> None:
    source = data / "mlperf_tiny"
    bundle = pack_model(
        source / "models" / "ad01_int8.tflite", task="anomaly", threshold=10, out=tmp_path / "b"
    )
    running = Running.of(bundle, tmp_path / "c")
    real = np.fromfile(
        source / "inputs" / "ad01" / "normal_id_01_00000000_hist_librosa.bin", np.float32
    ).reshape(-1, 1, 640)
    first = running.model.entry.target
    steps = np.rint(real / first.scale) + first.zero_point
    integers = np.clip(steps, -128, 127).astype(np.int8)
    rng = np.random.default_rng(0)
    noise = rng.integers(-128, 128, (1500, 1, 640)).astype(np.int8)
    both = np.concatenate([integers, noise])
    _, outputs, _ = running.litert(both)
    np.testing.assert_array_equal(running.run(both), outputs)
    engine = LiteRtEngine(bundle.model_path("litert"))
    expected = [
        score_of(running, engine.run(one)[running.manifest.output.name], one) for one in integers
    ]
    np.testing.assert_allclose(running.scores(real), expected, rtol=1e-5)


@pytest.mark.data
def test_the_published_resnet_in_c(data: Path, tmp_path: Path) -> None:
    source = data / "mlperf_tiny" / "models" / "pretrainedResnet_quant.tflite"
    bundle = pack_model(source, task="classification", out=tmp_path / "b")
    running = Running.of(bundle, tmp_path / "c")
    rng = np.random.default_rng(0)
    blocks = rng.integers(-128, 128, (40, 1, 8, 8, 3)).repeat(4, axis=2).repeat(4, axis=3)
    pixels = np.clip(blocks + rng.integers(-20, 20, blocks.shape), -128, 127).astype(np.int8)
    _, outputs, answers = running.litert(pixels)
    np.testing.assert_array_equal(running.run(pixels), outputs)
    best, _ = running.probabilities(pixels.astype(np.float32) + 128)
    rows = np.arange(len(best))
    assert (answers[rows, best] == answers.max(1)).all()  # ties of int8 probabilities aside


@pytest.mark.skipif(shutil.which("clang") is None, reason="clang is not installed")
def test_clang_gives_the_same(made: dict[str, tuple[Bundle, Array]], tmp_path: Path) -> None:
    name = export_c(made["conv autoencoder"][0].path, out=tmp_path, name="net").name
    command = ["clang", "-std=c99", "-O3", f"{name}.c", f"{name}_test.c", "-o", "t"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert subprocess.run([tmp_path / "t"], check=False, capture_output=True).returncode == 0
