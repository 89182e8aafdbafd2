import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.graph.build import GraphBuilder
from edgekit.learning import Arrays, Learner, LearningDiverged
from edgekit.learning.dataset import batches_in_order
from edgekit.train import compile_step, evaluate, fit
from edgekit.train.losses import CrossEntropy
from edgekit.train.optimizers import Adam, Sgd
from tests.learning.steps import ROWS, compiled, some_digits
from tests.train.models import mlp

EPOCHS, RATE = 3, 0.01


def after(steps: int) -> Callable[[], bool]:
    asked: Iterator[int] = count()
    return lambda: next(asked) >= steps


def assert_equal(ours: dict[str, Array], theirs: dict[str, Array]) -> None:
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)


def test_a_board_learns_to_the_last_bit_what_a_workstation_does(folder: Path) -> None:
    data, validation = some_digits()
    step = compiled()
    fitted = fit(step, data, epochs=EPOCHS, rate=RATE, seed=7)
    learner = Learner(folder)
    told: list[tuple[int, float]] = []
    learned = learner.train(
        data, epochs=EPOCHS, rate=RATE, seed=7, on_epoch=lambda *epoch: told.append(epoch)
    )
    assert fitted.best == EPOCHS
    assert learned.is_done
    assert_equal(learner.parameters, fitted.parameters)
    assert told == [(e.number, pytest.approx(e.loss)) for e in fitted.history]
    judged = learner.evaluate(validation)
    theirs = evaluate(step, fitted.parameters, validation)
    np.testing.assert_allclose(judged.losses, theirs.losses, rtol=1e-5, atol=1e-6)
    assert (judged.outputs.argmax(axis=1) == judged.targets).mean() > 0.85


@pytest.mark.parametrize("steps", [1, 42, 50, 84])
def test_a_training_that_was_stopped_goes_on_to_the_same_bits(folder: Path, steps: int) -> None:
    data, _ = some_digits()
    kept = folder.parent / "kept" / "training.npz"
    whole = Learner(folder)
    losses = whole.train(data, epochs=EPOCHS, rate=RATE).losses
    stopped = Learner(folder).train(
        data, epochs=EPOCHS, rate=RATE, checkpoint=kept, should_stop=after(steps)
    )
    assert (len(stopped.losses), stopped.is_done) == (steps, False)
    resumed = Learner(folder)
    learned = resumed.train(data, epochs=EPOCHS, rate=RATE, checkpoint=kept)
    np.testing.assert_array_equal(learned.losses, losses)
    assert_equal(resumed.parameters, whole.parameters)


def test_a_training_that_is_over_goes_on_to_nothing(folder: Path) -> None:
    data, _ = some_digits()
    kept = folder.parent / "training.npz"
    first = Learner(folder)
    first.train(data, epochs=1, rate=RATE, checkpoint=kept)
    second = Learner(folder)
    second.train(data, epochs=1, rate=RATE, checkpoint=kept, should_stop=after(0))
    assert_equal(second.parameters, first.parameters)


def test_averages_and_dropout_go_on_too(tmp_path: Path) -> None:
    build = GraphBuilder("noisy")
    rng = np.random.default_rng(0)
    value = build.input("x", np.float32, (1, 64))
    w0 = build.constant(rng.normal(0, 0.2, (64, 32)).astype(np.float32), "w0")
    ones, zeros = np.ones(32, np.float32), np.zeros(32, np.float32)
    statistics = [build.constant(a.copy(), n) for n, a in (("mean", zeros), ("variance", ones))]
    scale, bias = build.constant(ones, "scale"), build.constant(zeros, "bias")
    value = build.op("BatchNormalization", build.op("MatMul", value, w0), scale, bias, *statistics)
    value = build.op("Dropout", build.op("Relu", value), np.array(0.3, np.float32))
    w1 = build.constant(rng.normal(0, 0.2, (32, 10)).astype(np.float32), "w1")
    model = build.finish(out=(build.op("MatMul", value, w1), np.float32, (1, 10)))
    step = compile_step(model, CrossEntropy(), Adam(), rows=ROWS)
    step.save(tmp_path)
    data, validation = some_digits()
    fitted = fit(step, data, epochs=EPOCHS, rate=RATE)
    kept = tmp_path / "kept.npz"
    Learner(tmp_path).train(data, epochs=EPOCHS, rate=RATE, checkpoint=kept, should_stop=after(60))
    learner = Learner(tmp_path)
    learner.train(data, epochs=EPOCHS, rate=RATE, checkpoint=kept)
    assert fitted.best == EPOCHS
    assert {"mean", "variance"} < learner.parameters.keys()
    assert_equal(learner.parameters, fitted.parameters)
    judged = learner.evaluate(validation)
    assert (judged.outputs.argmax(axis=1) == judged.targets).mean() > 0.85


def test_a_second_training_begins_with_fresh_state(folder: Path) -> None:
    data, _ = some_digits()
    learner = Learner(folder)
    learner.train(data, epochs=1, rate=RATE)
    learner.load(Learner(folder).parameters)
    learner.train(data, epochs=1, rate=RATE)
    fresh = Learner(folder)
    fresh.train(data, epochs=1, rate=RATE)
    assert_equal(learner.parameters, fresh.parameters)


def test_a_checkpoint_of_other_samples_of_the_same_number_is_refused(folder: Path) -> None:
    data, _ = some_digits()
    kept = folder.parent / "training.npz"
    Learner(folder).train(data, epochs=1, rate=RATE, checkpoint=kept)
    x, y = data.batch(np.arange(len(data)), (0,))
    with pytest.raises(InputError, match="belongs to another step, first parameters, seed or"):
        Learner(folder).train(Arrays(x[::-1], y), epochs=1, rate=RATE, checkpoint=kept)
    with pytest.raises(InputError, match="belongs to another"):
        Learner(folder).train(data, epochs=1, rate=RATE, seed=1, checkpoint=kept)


def test_a_damaged_checkpoint_is_refused(folder: Path) -> None:
    data, _ = some_digits()
    kept = folder.parent / "training.npz"
    Learner(folder).train(data, epochs=1, rate=RATE, checkpoint=kept)
    kept.write_bytes(kept.read_bytes()[:1000])
    with pytest.raises(InputError, match="not a readable checkpoint"):
        Learner(folder).train(data, epochs=1, rate=RATE, checkpoint=kept)


def test_parameters_that_were_written_go_on_in_another_process(folder: Path) -> None:
    data, validation = some_digits()
    learner = Learner(folder)
    learner.train(data, epochs=1, rate=RATE)
    path = folder.parent / "learned.npz"
    learner.save_parameters(path)
    other = Learner(folder)
    with np.load(path) as file:
        other.load(dict(file))
    np.testing.assert_array_equal(
        other.evaluate(validation).losses, learner.evaluate(validation).losses
    )
    assert [p.name for p in folder.parent.iterdir() if p.suffix == ".new"] == []


@pytest.mark.parametrize("what", ["samples", "rate"])
def test_a_training_that_diverges_leaves_the_parameters_as_they_were(
    folder: Path, what: str
) -> None:
    x, y = some_digits()[0].batch(np.arange(4 * ROWS), (0,))
    if what == "samples":
        x[100, 3] = np.nan
    learner = Learner(folder)
    with pytest.raises(LearningDiverged, match="x is not" if what == "samples" else "diverged"):
        learner.train(Arrays(x, y), epochs=40, rate=RATE if what == "samples" else 1e38)
    assert_equal(learner.parameters, Learner(folder).parameters)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((64, 63), np.float32), np.zeros(64, np.int64), "model takes .64."),
        (np.zeros((64, 64), np.float32), np.full(64, 10), "the class 10 is not in 0..9"),
        (np.zeros((64, 64), np.float32), np.zeros(64, np.float32), "float32, not int64"),
        (np.zeros((9, 64), np.float32), np.zeros(9, np.int64), "do not fill a batch of 32"),
        (np.zeros((0, 64), np.float32), np.zeros(0, np.int64), "no samples"),
    ],
)
def test_data_that_does_not_fit_is_refused(folder: Path, x: Array, y: Array, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Learner(folder).train(Arrays(x, y), epochs=1, rate=RATE)


def test_parameters_that_do_not_fit_are_refused(folder: Path) -> None:
    learner = Learner(folder)
    for wrong in ({"w0": np.zeros((1, 1), np.float32)}, {"other": np.zeros(3, np.float32)}):
        with pytest.raises(InputError, match="no parameter"):
            learner.load(wrong)
    with pytest.raises(InputError, match="NaN"):
        learner.load({"b1": np.full(10, np.nan, np.float32)})


def test_a_board_learns_with_numpy_and_onnxruntime_alone(folder: Path) -> None:
    x, y = next(batches_in_order(some_digits()[0], ROWS))[0]
    np.savez(folder.parent / "samples.npz", x=x, y=y)
    code = """
import json, sys
from pathlib import Path
import numpy as np
from edgekit.learning import Learner, SampleBuffer
folder = Path(sys.argv[1])
learner = Learner(folder / "train")
with np.load(folder / "samples.npz") as file:
    x, y = file["x"], file["y"]
with SampleBuffer(folder / "buffer", learner.sample, limit_bytes=10**6) as buffer:
    for sample in zip(x, y):
        buffer.add(*sample)
    data = buffer.samples()
learned = learner.train(data, epochs=2, rate=0.01, checkpoint=folder / "checkpoint.npz")
learner.evaluate(data)
learner.save_parameters(folder / "learned.npz")
print(json.dumps([len(learned.losses), *sys.modules]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder.parent)], capture_output=True, text=True, check=True
    )
    steps, *loaded = json.loads(done.stdout)
    assert steps == 2
    forbidden = ("onnx", "onnx_ir", "sklearn", "scipy", "torch", "cv2")
    ours = ("graph", "autodiff", "train", "compress", "zoo", "cli")
    assert not set(loaded) & {*forbidden, *(f"edgekit.{name}" for name in ours)}


def test_a_parameter_that_the_last_step_spoilt_is_named(tmp_path: Path) -> None:
    compile_step(mlp(), CrossEntropy(), Sgd(l2=100.0), rows=ROWS).save(tmp_path)
    x, y = some_digits()[0].batch(np.arange(ROWS), (0,))
    learner = Learner(tmp_path)
    with pytest.raises(LearningDiverged, match="step 0: [wb][01] is not finite"):
        learner.train(Arrays(x, y), epochs=1, rate=1e38)
    assert_equal(learner.parameters, Learner(tmp_path).parameters)
    with pytest.raises(LearningDiverged, match="step 0: learning_rate is not finite"):
        learner.train(Arrays(x, y), epochs=1, rate=float("inf"))


def test_a_step_of_the_head_alone_keeps_the_body_and_is_small(tmp_path: Path) -> None:
    body, head = compiled(), compiled(trainable=["w1", "b1"])
    assert head.parameters.keys() == {"w1", "b1"}
    np.testing.assert_array_equal(
        head.step.graph.initializers["w0"].const_value.numpy(),  # type: ignore[union-attr]
        body.parameters["w0"],
    )
    nodes = [sum(1 for _ in step.step.graph) for step in (head, body)]
    assert nodes[0] < nodes[1]
    learned = 4 * (32 * 10 + 10)
    assert sum(spec.zeros().nbytes for spec in head.state) <= 2 * learned + 64
    head.save(tmp_path)
    whole = 4 * (64 * 32 + 32) + learned
    assert (tmp_path / "step.onnx").stat().st_size < whole + 8192
    learner = Learner(tmp_path)
    data, validation = some_digits()
    first = learner.evaluate(validation).loss
    learner.train(data, epochs=3, rate=RATE)
    assert learner.parameters.keys() == {"w1", "b1"}
    assert learner.evaluate(validation).loss < first / 2
