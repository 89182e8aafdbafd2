"""Training runs from end to end, tells what goes wrong, and goes on where it stopped."""

from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import InputError, TrainingDiverged
from edgekit.train import Epoch, compile_step, evaluate, fit
from edgekit.train.data.arrays import Arrays
from edgekit.train.data.windows import Windows
from edgekit.train.losses.cross_entropy import CrossEntropy
from edgekit.train.optimizers.adam import Adam
from edgekit.train.optimizers.sgd import Sgd
from edgekit.train.schedules import on_plateau
from tests.train.models import accuracy, cnn, digits, lstm, mlp


def test_a_perceptron_learns_digits_and_the_same_ones_twice() -> None:
    training, validation = digits(64)
    step = compile_step(mlp(), CrossEntropy(), Sgd(momentum=0.9), rows=32)
    first, second = (
        fit(step, training, epochs=15, rate=0.1, seed=7, validation=validation, score=accuracy)
        for _ in range(2)
    )
    assert first.history[first.best - 1].score is not None
    assert first.history[first.best - 1].score > 0.95
    assert first.history == second.history
    for name, array in first.parameters.items():
        np.testing.assert_array_equal(array, second.parameters[name])
    judged = evaluate(step, first.parameters, validation)
    assert accuracy(judged.outputs, judged.targets) == first.history[first.best - 1].score
    assert len(judged.losses) == len(validation)


def test_a_convolutional_net_learns_digits() -> None:
    training, validation = digits(1, 8, 8)
    step = compile_step(cnn(), CrossEntropy(smoothing=0.05), Adam(), rows=32)
    fitted = fit(step, training, epochs=8, rate=0.005, validation=validation, score=accuracy)
    assert max(epoch.score or 0 for epoch in fitted.history) > 0.95


@pytest.mark.parametrize("begins", [False, True])
def test_a_recurrent_net_learns_from_windows(begins: bool) -> None:
    rows = np.random.default_rng(0).normal(size=(1500, 3)).astype(np.float32)
    is_rising = (rows[:, 0] > np.roll(rows[:, 0], 1)).astype(np.int64)
    step = compile_step(lstm(begins=begins), CrossEntropy(), Adam(clip_norm=1.0), rows=32)
    fitted = fit(step, Windows(rows, 6, targets=is_rising), epochs=4, rate=0.02)
    assert fitted.history[-1].loss < 0.5 * fitted.history[0].loss


class Shown:
    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def count(self, title: str, done: int, total: int) -> None:
        assert title == "training"
        self.seen.append((done, total))


def test_progress_counts_steps_to_the_end() -> None:
    training, _ = digits(64)
    step = compile_step(mlp(), CrossEntropy(), Sgd(), rows=32)
    shown = Shown()
    fit(step, training, epochs=2, rate=0.1, progress=shown)
    assert shown.seen[0] == (0, 84)
    assert shown.seen[-1] == (84, 84)
    assert shown.seen == sorted(shown.seen)
    assert 20 < len(shown.seen) < 60


def test_another_seed_gives_other_parameters() -> None:
    training, _ = digits(64)
    step = compile_step(mlp(), CrossEntropy(), Sgd(), rows=32)
    first, second = (fit(step, training, epochs=1, rate=0.1, seed=seed) for seed in (0, 1))
    assert not np.array_equal(first.parameters["w0"], second.parameters["w0"])


class Interrupted(Exception):
    pass


def test_a_training_that_was_interrupted_ends_with_the_same_bits(tmp_path: Path) -> None:
    training, validation = digits(64)
    step = compile_step(mlp(), CrossEntropy(), Adam(clip_norm=1.0), rows=32)
    how = {"epochs": 6, "rate": on_plateau(0.01, patience=1), "validation": validation}
    whole = fit(step, training, **how)  # type: ignore[arg-type]

    def interrupt(epoch: Epoch) -> None:
        if epoch.number == 3:
            raise Interrupted

    with pytest.raises(Interrupted):
        fit(step, training, checkpoints=tmp_path, on_epoch=interrupt, **how)  # type: ignore[arg-type]
    seen: list[int] = []
    rest = fit(
        step,
        training,
        checkpoints=tmp_path,
        on_epoch=lambda e: seen.append(e.number),
        **how,  # type: ignore[arg-type]
    )
    assert seen == [4, 5, 6]
    assert rest.history == whole.history
    for name, array in whole.parameters.items():
        np.testing.assert_array_equal(array, rest.parameters[name])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint-000006.npz",
        "checkpoint.json",
    ]


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    training, _ = digits(64)
    step = compile_step(mlp(), CrossEntropy(), Sgd(), rows=32)
    fit(step, training, epochs=1, rate=0.1, checkpoints=tmp_path)
    with pytest.raises(InputError, match="belongs to another"):
        fit(step, training, epochs=1, rate=0.1, checkpoints=tmp_path, seed=1)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    training, _ = digits(64)
    step = compile_step(mlp(), CrossEntropy(), Sgd(), rows=32)
    (tmp_path / "checkpoint.json").write_text("{")
    with pytest.raises(InputError, match=r"checkpoint\.json: not a readable checkpoint"):
        fit(step, training, epochs=1, rate=0.1, checkpoints=tmp_path)


def test_what_a_power_cut_leaves_beside_a_checkpoint_does_no_harm(tmp_path: Path) -> None:
    training, _ = digits(64)
    step = compile_step(mlp(), CrossEntropy(), Sgd(), rows=32)
    whole = fit(step, training, epochs=3, rate=0.1)
    fit(step, training, epochs=2, rate=0.1, checkpoints=tmp_path)
    (tmp_path / "checkpoint-000003.npz").write_bytes(b"half")
    (tmp_path / "checkpoint.json.new").write_bytes(b"{")
    rest = fit(step, training, epochs=3, rate=0.1, checkpoints=tmp_path)
    np.testing.assert_array_equal(rest.parameters["w0"], whole.parameters["w0"])


def test_training_stops_when_validation_is_stuck_and_keeps_the_best() -> None:
    training, validation = digits(64)
    step = compile_step(mlp(), CrossEntropy(), Sgd(), rows=32)
    scores = iter([0.1, 0.3, 0.2, 0.3, 0.1, 0.9])
    fitted = fit(
        step,
        training,
        epochs=6,
        rate=0.1,
        validation=validation,
        score=lambda outputs, targets: next(scores),
        patience=2,
    )
    assert [epoch.score for epoch in fitted.history] == [0.1, 0.3, 0.2, 0.3, 0.1]
    assert fitted.best == 2
    after_two = fit(step, training, epochs=2, rate=0.1)
    np.testing.assert_array_equal(fitted.parameters["w0"], after_two.parameters["w0"])


def test_divergence_names_the_step_the_tensor_and_the_checkpoint(tmp_path: Path) -> None:
    training, _ = digits(64)
    step = compile_step(mlp(), CrossEntropy(), Sgd(), rows=32)

    def rate(number: int, losses: object) -> float:
        return 0.1 if number < 43 else 1e30

    with pytest.raises(TrainingDiverged) as caught:
        fit(step, training, epochs=2, rate=rate, checkpoints=tmp_path)
    assert caught.value.step == 44
    assert "step 44" in str(caught.value)
    assert "checkpoint-000001.npz" in str(caught.value)
    assert caught.value.tensor in {v.name for node in step.step.graph for v in node.outputs}


def test_parameters_that_are_not_finite_never_reach_a_checkpoint(tmp_path: Path) -> None:
    training, _ = digits(64)
    step = compile_step(mlp(), CrossEntropy(), Sgd(), rows=32)

    def rate(number: int, losses: object) -> float:
        return 0.1 if number < 83 else np.inf

    with pytest.raises(TrainingDiverged, match=r"step 83: 'learning_rate'.*checkpoint-000001"):
        fit(step, training, epochs=2, rate=rate, checkpoints=tmp_path)


def test_a_score_that_is_no_number_is_refused() -> None:
    training, validation = digits(64)
    step = compile_step(mlp(), CrossEntropy(), Sgd(), rows=32)
    with pytest.raises(InputError, match="the model's score on the validation data"):
        fit(
            step,
            training,
            epochs=1,
            rate=0.1,
            validation=validation,
            score=lambda outputs, targets: float("nan"),
        )


def test_a_sample_that_is_not_finite_is_named_as_such() -> None:
    x, y = np.zeros((8, 64), np.float32), np.zeros(8, np.int64)
    x[3, 5] = np.nan
    step = compile_step(mlp(), CrossEntropy(), Sgd(), rows=4)
    with pytest.raises(TrainingDiverged, match="'x' holds NaN"):
        fit(step, Arrays(x, y), epochs=1, rate=0.1)


@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        ((0, 64), (0,), "no samples to learn from"),
        ((3, 64), (3,), "3 samples do not fill a batch of 4"),
        ((8, 63), (8,), r"x: the data gives \[63\] a sample, but the model takes \[64\]"),
        ((8, 64), (8, 1), r"target: the data gives \[1\] a sample"),
    ],
)
def test_data_that_does_not_fit_is_one_clear_line(
    x: tuple[int, ...], y: tuple[int, ...], says: str
) -> None:
    step = compile_step(mlp(), CrossEntropy(), Sgd(), rows=4)
    data = Arrays(np.zeros(x, np.float32), np.zeros(y, np.int64))
    with pytest.raises(InputError, match=says):
        fit(step, data, epochs=1, rate=0.1)


@pytest.mark.parametrize("wrong", [10, -1])
def test_a_label_out_of_range_is_named(wrong: int) -> None:
    step = compile_step(mlp(), CrossEntropy(), Sgd(), rows=4)
    y = np.array([0, 1, wrong, 3])
    with pytest.raises(InputError, match=rf"target: the class {wrong} is not in 0\.\.9"):
        fit(step, Arrays(np.zeros((4, 64), np.float32), y), epochs=1, rate=0.1)


def test_a_wrong_label_is_found_in_whichever_epoch_it_comes() -> None:
    step = compile_step(mlp(), CrossEntropy(), Sgd(), rows=4)
    for wrong in range(5):
        y = np.zeros(5, np.int64)
        y[wrong] = 10
        with pytest.raises(InputError, match="the class 10 is not in"):
            fit(step, Arrays(np.zeros((5, 64), np.float32), y), epochs=20, rate=0.1)


def test_fractions_are_no_classes() -> None:
    step = compile_step(mlp(), CrossEntropy(), Sgd(), rows=4)
    data = Arrays(np.zeros((4, 64), np.float32), np.zeros(4, np.float32))
    with pytest.raises(InputError, match="target: the data is float32, not int64"):
        fit(step, data, epochs=1, rate=0.1)


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="4, 3 samples do not belong together"):
        Arrays(np.zeros((4, 2)), np.zeros(3))
