"""Trainings by recipe: what they give, and that they learn."""

from pathlib import Path

import cv2
import msgspec
import numpy as np
import onnx_ir as ir
import pytest

from edgekit.compress.answers import Candidate
from edgekit.config import check
from edgekit.errors import ConfigError, InputError
from edgekit.learning.federated import Guidance, LocalTrainer
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from edgekit.zoo.training import Outcome, TrainingRecipe, load_training_recipe, train_recipe
from edgekit.zoo.training.machine import machine_windows
from edgekit.zoo.training.material import Material
from edgekit.zoo.training.splitting import split
from tests.zoo.training.recipes import arrays, recipe

MODELS = Path(__file__).resolve().parents[3] / "models"


def _trained(path: Path, **changes: object) -> Outcome:
    loaded = msgspec.structs.replace(load_training_recipe(path), **changes)
    return train_recipe(loaded, where=str(path), folder=path.parent)


def _candidate(outcome: Outcome) -> Candidate:
    engine = OnnxRuntimeEngine(ir.to_proto(outcome.trained.model).SerializeToString())
    return Candidate(engine, outcome.trained.input, outcome.trained.output)


def _made(**settings: object) -> Outcome:
    return train_recipe(check(settings, TrainingRecipe, source="recipe", folder=Path()))


def _accuracy(outcome: Outcome) -> float:
    candidate, samples = _candidate(outcome), outcome.samples
    answers = [candidate.answer(sample).argmax() for sample in samples.data]
    return float(np.mean(np.array(answers) == samples.targets))


@pytest.mark.parametrize(("name", "least"), [("digits", 0.95), ("window_lstm", 0.95)])
def test_a_classifier_of_the_zoo_answers_as_it_was_judged(name: str, least: float) -> None:
    outcome = _trained(MODELS / name / "training.toml")
    assert outcome.report.scores["accuracy"] > least
    assert _accuracy(outcome) == pytest.approx(outcome.report.scores["accuracy"])
    assert np.sum(outcome.report.confusion) == len(outcome.samples)


def test_a_narrow_squeezenet_answers_as_it_was_judged_with_pixels_in_its_first_conv() -> None:
    schedule = {"kind": "one-cycle", "rate": 2e-3}
    path = MODELS / "squeezenet_digits" / "training.toml"
    outcome = _trained(path, epochs=4, schedule=schedule)
    assert outcome.report.scores["accuracy"] > 0.3
    assert _accuracy(outcome) == pytest.approx(outcome.report.scores["accuracy"], abs=0.01)
    assert [node.op_type for node in outcome.trained.model.graph][:3] == [
        "Transpose",
        "Cast",
        "Conv",
    ]


def test_an_autoencoder_of_windows_tells_faults_from_normal_ones() -> None:
    outcome = _trained(MODELS / "window_autoencoder" / "training.toml")
    windows, classes = machine_windows(400, length=32, seed=9)
    scores = np.array([_candidate(outcome).answer(window).item() for window in windows])
    assert outcome.trained.thresholds is not None
    alarms = scores > outcome.trained.thresholds.anomaly
    assert alarms[classes > 0].mean() > 0.75
    assert alarms[classes == 0].mean() < 0.05


def test_transfer_changes_the_head_and_nothing_else(tmp_path: Path) -> None:
    arrays(tmp_path)
    path = recipe(tmp_path)
    outcome = _trained(path, trainable=("head.*",))
    first = _trained(path, trainable=("head.*",), epochs=1, patience=0)
    assert set(outcome.step.parameters) == {"head.weight", "head.bias"}
    held, other = (o.trained.model.graph.initializers for o in (outcome, first))
    for name in ("layer0.weight", "head.weight"):
        one, two = (values[name].const_value for values in (held, other))
        assert one is not None
        assert two is not None
        assert np.array_equal(one.numpy(), two.numpy()) == (name == "layer0.weight")


def test_folds_judge_every_sample_once_and_keep_a_model_of_all(tmp_path: Path) -> None:
    arrays(tmp_path)
    outcome = _trained(recipe(tmp_path), folds=4, epochs=6)
    assert len(outcome.report.folds) == 4
    assert np.sum(outcome.report.confusion) == 96
    assert outcome.report.scores["accuracy"] > 0.8


def test_the_step_goes_on_from_what_was_trained(tmp_path: Path) -> None:
    arrays(tmp_path)
    outcome = _trained(recipe(tmp_path))
    held = outcome.trained.model.graph.initializers["head.weight"].const_value
    assert held is not None
    np.testing.assert_array_equal(outcome.step.parameters["head.weight"], held.numpy())


def test_a_step_for_rounds_goes_on_from_what_was_trained(tmp_path: Path) -> None:
    arrays(tmp_path)
    path = recipe(tmp_path)
    path.write_text(path.read_text() + "\n[rounds]\nrows = 8\nproximal = true\n")
    outcome = _trained(path)
    outcome.step.save(tmp_path / "train")
    trainer = LocalTrainer(tmp_path / "train")
    with np.load(tmp_path / "x.npz") as file:
        samples = file["x"], file["y"]
    held = outcome.trained.model.graph.initializers["head.weight"].const_value
    assert held is not None
    np.testing.assert_array_equal(trainer.parameters["head.weight"], held.numpy())
    loss, _ = trainer.evaluate(trainer.parameters, samples)
    guidance = Guidance(epochs=2, rate=0.1, proximal=0.1)
    update = trainer.train("board", trainer.parameters, samples, guidance, seed=1)
    assert update is not None
    assert update.steps == 24
    moved = {name: array + update.change[name] for name, array in trainer.parameters.items()}
    assert trainer.evaluate(moved, samples)[0] < loss


def test_a_mistake_in_the_table_of_rounds_is_named(tmp_path: Path) -> None:
    arrays(tmp_path)
    path = recipe(tmp_path)
    path.write_text(path.read_text() + '\n[rounds]\noptimizer = { kind = "sdg" }\n')
    with pytest.raises(ConfigError, match=r"rounds\.optimizer.*sgd"):
        _trained(path)


def test_an_onnx_file_is_trained_further(tmp_path: Path) -> None:
    arrays(tmp_path)
    path = recipe(tmp_path)
    ir.save(_trained(path, epochs=1).trained.model, tmp_path / "m.onnx")
    outcome = _trained(path, model={"file": "m.onnx"}, epochs=8)
    assert outcome.report.scores["accuracy"] > 0.9


def test_pictures_in_folders_are_learned_from(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label, level in (("dark", 40), ("light", 200)):
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for number in range(20):
            picture = np.clip(level + rng.normal(0, 20, (9, 12, 3)), 0, 255).astype(np.uint8)
            cv2.imwrite(str(tmp_path / "pictures" / label / f"{number}.png"), picture)
    outcome = _made(
        model={"kind": "perceptron", "size": 4},
        data={"kind": "pictures", "path": str(tmp_path / "pictures")},
        augment={"flip": True},
        loss={"kind": "focal"},
        epochs=12,
        rows=8,
    )
    assert outcome.trained.labels == ("dark", "light")
    assert outcome.report.scores["accuracy"] == 1.0


def test_rows_of_a_file_are_learned_from(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(0, 1, (400, 2))
    fault = (np.arange(400) > 200).astype(int)
    rows[fault == 1, 0] += 3
    lines = ["a,b,fault", *(f"{a:.4f},{b:.4f},{c}" for (a, b), c in zip(rows, fault, strict=True))]
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    windows = {"kind": "rows", "path": str(tmp_path / "rows.csv"), "window": 8, "hop": 4}
    outcome = _made(
        model={"kind": "lstm", "hidden": 4},
        data=windows | {"target": "fault"},
        loss={"kind": "cross-entropy"},
        schedule={"kind": "constant", "rate": 0.02},
        epochs=8,
        rows=8,
    )
    rule = outcome.trained.input.window
    assert rule is not None
    assert rule.columns == ("a", "b")


def test_windows_that_validate_share_no_row_with_those_that_train() -> None:
    windows = Material(arrays=np.zeros((50, 8, 1), np.float32), overlap=3)
    training, validation = split(windows, 0.2, seed=0)
    assert validation.tolist() == list(range(40, 50))
    assert training.max() == 36


def test_classes_are_dealt_out_evenly() -> None:
    targets = np.repeat(np.arange(2), [80, 20])
    found = Material(arrays=np.zeros((100, 1), np.float32), targets=targets, labels=("a", "b"))
    training, validation = split(found, 0.25, seed=0)
    assert len(training) + len(validation) == 100
    assert targets[validation].sum() == 5


def test_one_sample_is_too_little() -> None:
    with pytest.raises(InputError, match="1 samples are too few"):
        split(Material(arrays=np.zeros((1, 2), np.float32)), 0.2, seed=0)


def test_data_of_a_generator_has_no_path(tmp_path: Path) -> None:
    path = MODELS / "window_lstm" / "training.toml"
    with pytest.raises(ConfigError, match=r"data\.kind: machine"):
        train_recipe(load_training_recipe(path), data=tmp_path)
