from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.array import Array
from edgekit.errors import InputError, UnsupportedModel
from edgekit.graph.build import GraphBuilder
from edgekit.learning import Arrays, Learner
from edgekit.learning.changes import gaussian_noise, masking_noise
from edgekit.train import fit
from edgekit.train.engine import Evaluator
from edgekit.train.optimizers import Adam
from edgekit.train.tasks import (
    Contrastive,
    Denoising,
    Masked,
    Rotation,
    Task,
    TripletTask,
    Variational,
    compile_pretext,
    pretrain,
    with_parameters,
)
from tests.train.tasks.encoders import convolutional, moved, perceptron, probed, unlabelled

TASKS: dict[str, tuple[Task, int]] = {
    "contrastive": (Contrastive(moved), 128),
    "triplet": (TripletTask(moved, margin=1.0), 96),
    "rotation": (Rotation(), 128),
    "denoising": (Denoising(gaussian_noise(0.3)), 64),
    "denoising what was masked": (Denoising(masking_noise(0.5)), 64),
    "masked": (Masked((1, 2, 2), share=0.5), 64),
    "variational": (Variational(codes=8), 64),
}


def same(samples: Array, rng: np.random.Generator) -> Array:
    return samples


def arrays(encoder: ir.Model) -> dict[str, bytes]:
    return {
        name: value.const_value.numpy().tobytes()
        for name, value in encoder.graph.initializers.items()
        if value.const_value is not None
    }


@pytest.mark.parametrize(
    ("name", "make", "epochs", "margin"),
    [
        ("contrastive", perceptron, 30, 0.06),
        ("triplet", perceptron, 30, 0.06),
        ("rotation", convolutional, 30, 0.03),
        ("denoising", perceptron, 60, 0.06),
        ("denoising what was masked", perceptron, 60, 0.06),
        ("masked", perceptron, 60, 0.03),
        ("variational", perceptron, 60, 0.03),
    ],
)
def test_fifty_labels_go_further_after_learning_without_any(
    name: str, make: Callable[..., ir.Model], epochs: int, margin: float
) -> None:
    task, rows = TASKS[name]
    before, after = [], []
    for seed in (3, 4, 5):
        encoder = make(seed=seed)
        trained = pretrain(encoder, task, Arrays(unlabelled()), epochs=epochs, rate=3e-3, rows=rows)
        before.append(probed(encoder))
        after.append(probed(trained))
    assert np.mean(after) > np.mean(before) + margin


@pytest.mark.parametrize("name", TASKS)
def test_the_same_seed_gives_the_same_encoder(name: str) -> None:
    task, rows = TASKS[name]
    encoder, data = perceptron(), Arrays(unlabelled()[:256])
    first = arrays(encoder)
    found = [
        arrays(pretrain(encoder, task, data, epochs=2, rate=3e-3, rows=rows, seed=seed))
        for seed in (0, 0, 1)
    ]
    assert found[0] == found[1]
    assert found[0] != found[2]
    assert found[0].keys() == first.keys()
    assert all(found[0][name] != first[name] for name in first)
    assert arrays(encoder) == first


@pytest.mark.parametrize("name", TASKS)
def test_a_board_learns_the_same_from_its_own_samples(name: str, tmp_path: Path) -> None:
    task, rows = TASKS[name]
    encoder, data = perceptron(), Arrays(unlabelled()[:640])
    step = compile_pretext(encoder, task, rows=rows)
    step.save(tmp_path)
    asked = task.asked(data)
    fitted = fit(step, asked, epochs=2, rate=1e-3)
    learner = Learner(tmp_path)
    kept = tmp_path / "kept"
    turns = iter([False, False, True])
    learner.train(asked, epochs=2, rate=1e-3, checkpoint=kept, should_stop=turns.__next__)
    resumed = Learner(tmp_path)
    assert resumed.train(asked, epochs=2, rate=1e-3, checkpoint=kept).is_done
    assert fitted.best == 2
    for parameter, array in resumed.parameters.items():
        np.testing.assert_array_equal(array, fitted.parameters[parameter])
    learned = with_parameters(encoder, resumed.parameters)
    assert arrays(learned) == arrays(pretrain(encoder, task, data, epochs=2, rate=1e-3, rows=rows))


def test_what_could_be_seen_does_not_count() -> None:
    task = Masked((1, 2, 2), share=0.75)
    step = compile_pretext(perceptron(), task, rows=64)
    assert [spec.name for spec in step.batch] == ["x", "x_seen"]
    x, seen = task.asked(Arrays(unlabelled())).batch(np.arange(64), (0,))
    losses, answers = Evaluator(step).run((x, seen), step.parameters)
    flat, hidden = x.reshape(64, -1), ~seen.reshape(64, -1)
    np.testing.assert_array_equal(answers[~hidden], flat[~hidden])
    squares = np.square(answers - flat) * hidden
    np.testing.assert_allclose(losses, squares.mean(axis=1), rtol=1e-4)
    assert hidden.mean() == 0.75


def test_an_encoder_does_not_see_what_is_hidden() -> None:
    for patch in ((1, 8), (1, 8, 8), (0, 2, 2)):
        with pytest.raises(UnsupportedModel, match="cannot be cut into several blocks"):
            compile_pretext(perceptron(), Masked(patch), rows=4)
    step = compile_pretext(perceptron(), Masked((1, 4, 4)), rows=4)
    x, seen = Masked((1, 4, 4)).asked(Arrays(unlabelled())).batch(np.arange(4), (0,))
    evaluator = Evaluator(step)
    _, answers = evaluator.run((x, seen), step.parameters)
    _, others = evaluator.run((np.where(seen, x, 7), seen), step.parameters)
    np.testing.assert_array_equal(answers, others)


def test_the_bound_is_kingmas_and_wellings() -> None:
    task = Variational(codes=4, variance=0.1)
    step = compile_pretext(perceptron(), task, rows=32)
    x, noise = task.asked(Arrays(unlabelled())).batch(np.arange(32), (0,))
    losses, outputs = Evaluator(step).run((x, noise), step.parameters)
    made, mean, logarithm = np.split(outputs.astype(np.float64), [64, 68], axis=1)
    divergence = 0.5 * (np.exp(logarithm) + mean**2 - 1 - logarithm).sum(axis=1)
    squares = np.square(made - x.reshape(32, -1)).sum(axis=1)
    np.testing.assert_allclose(losses, squares / 0.2 + divergence, rtol=1e-4)
    _, quiet = Evaluator(step).run((x, 0 * noise), step.parameters)
    assert not np.array_equal(quiet[:, :64], outputs[:, :64])
    np.testing.assert_array_equal(quiet[:, 64:], outputs[:, 64:])


def test_a_picture_that_is_not_square_cannot_be_turned() -> None:
    build = GraphBuilder("wide")
    flat = build.op("Flatten", build.input("x", np.float32, (1, 1, 8, 6)), axis=1)
    encoder = build.finish(features=(flat, np.float32, (1, 48)))
    with pytest.raises(UnsupportedModel, match="not square"):
        compile_pretext(encoder, Rotation(), rows=8)


def test_an_encoder_of_several_inputs_is_refused() -> None:
    build = GraphBuilder("two")
    a, b = (build.input(name, np.float32, (1, 4)) for name in "ab")
    encoder = build.finish(features=(build.op("Add", a, b), np.float32, (1, 4)))
    with pytest.raises(UnsupportedModel, match="one input, not 2"):
        compile_pretext(encoder, Denoising(gaussian_noise(0.1)), rows=8)


def test_rows_that_hold_no_whole_views_are_refused() -> None:
    with pytest.raises(InputError, match="batches of 126 rows cannot hold 4 views"):
        pretrain(perceptron(), Rotation(), Arrays(unlabelled()), epochs=1, rate=0.1, rows=126)


def test_biases_that_a_file_stores_once_are_trained_apart() -> None:
    build = GraphBuilder("shared")
    value = build.op("Flatten", build.input("x", np.float32, (1, 1, 8, 8)), axis=1)
    rng = np.random.default_rng(0)
    for _ in range(2):
        weights = rng.normal(0, 0.1, (64, 64)).astype(np.float32)
        value = build.op("Gemm", value, weights, np.zeros(64, np.float32))
    encoder = build.finish(features=(value, np.float32, (1, 64)))
    task = Denoising(gaussian_noise(0.3))
    trained = pretrain(encoder, task, Arrays(unlabelled()), epochs=1, rate=3e-3, rows=64)
    biases = [a for a in arrays(trained).values() if len(a) == 4 * 64]
    assert len(set(biases)) == 2


def test_parameters_of_another_encoder_are_refused() -> None:
    with pytest.raises(InputError, match="none of the parameters is this encoder's"):
        with_parameters(perceptron(), {"other": np.zeros(3, np.float32)})
    with pytest.raises(InputError, match=r"'dense0.bias' has the shape \[64\], not \[3\]"):
        with_parameters(perceptron(), {"dense0.bias": np.zeros(3, np.float32)})


@pytest.mark.parametrize(
    "task",
    [
        Contrastive(same),
        Denoising(masking_noise(0.5)),
        Masked((4, 4, 3)),
        Rotation(axes=(1, 2)),
        TripletTask(same, margin=1.0),
        Variational(codes=4),
    ],
)
def test_pictures_may_be_bytes(task: Task) -> None:
    build = GraphBuilder("bytes")
    value = build.op("Cast", build.input("x", np.uint8, (1, 8, 8, 3)), to=ir.DataType.FLOAT)
    value = build.op("Flatten", build.op("Mul", value, 1 / 255), axis=1)
    weights = np.random.default_rng(0).normal(0, 0.1, (192, 8)).astype(np.float32)
    value = build.op("MatMul", value, build.constant(weights, "weights"))
    encoder = build.finish(features=(value, np.float32, (1, 8)))
    pictures = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 3), np.uint8)
    trained = pretrain(encoder, task, Arrays(pictures), epochs=1, rate=1e-3, rows=12)
    assert arrays(trained)["weights"] != weights.tobytes()


def test_an_optimiser_may_be_named() -> None:
    step = compile_pretext(perceptron(), Contrastive(moved), rows=8, optimizer=Adam(clip_norm=1.0))
    assert step.rows == 8
