"""The steps that train: `distill` and `finetune`, on small nets."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.array import Array
from edgekit.compress import Recipe, compress_model, load_recipe
from edgekit.compress.progress import Silent
from edgekit.compress.quantize import quantize
from edgekit.compress.recipe import InputRecipe
from edgekit.compress.running import serialized
from edgekit.compress.sensitivity import answers_of, change_between
from edgekit.compress.single import apply_step
from edgekit.compress.steps import Distill, FineTune, PruneChannels, Quantize
from edgekit.compress.tuning import distill, finetune
from edgekit.errors import ConfigError, InputError, TrainingDiverged, UnsupportedModel
from edgekit.graph.build import GraphBuilder
from tests.compress.prune.nets import SIDE, Net
from tests.samples import conv_net, pictures, save

STEPS = [Distill(), FineTune()]


def samples(count: int = 40, seed: int = 0) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(1, 3, SIDE, SIDE)).astype(np.float32) for _ in range(count)]


def net() -> ir.Model:
    built = Net(3)
    x = built.op("Relu", built.conv(built.image(), 8))
    return built.classifier(built.op("Relu", built.conv(x, 8)))


def shaken(model: ir.Model, by: float = 0.3) -> ir.Model:
    """The model with noise on its weights: what a crude compression leaves."""
    rng = np.random.default_rng(5)
    model = model.clone()
    for value in model.graph.initializers.values():
        assert value.const_value is not None
        array = value.const_value.numpy()
        if array.dtype == np.float32:
            noise = by * array.std() * rng.normal(size=array.shape)
            value.const_value = ir.tensor((array + noise).astype(np.float32), name=value.name)
    return model


def changed(was: ir.Model, is_now: ir.Model, tensors: Sequence[Array]) -> float:
    return change_between(answers_of(was, tensors), answers_of(is_now, tensors))


def weights(model: ir.Model) -> dict[str, Array]:
    return {
        name: value.const_value.numpy()
        for name, value in model.graph.initializers.items()
        if value.const_value is not None
    }


def test_distillation_brings_a_model_nearer_to_the_original_on_samples_it_never_saw() -> None:
    model = net()
    worse = shaken(model)
    before = serialized(worse)
    outcome = distill(worse, samples(), original=model, epochs=40, rate=0.01)
    assert outcome.tuning is not None
    assert outcome.tuning.kept
    assert outcome.tuning.after < outcome.tuning.before
    assert (outcome.tuning.learned, outcome.tuning.judging) == (32, 8)
    fresh = samples(seed=1)
    assert changed(model, outcome.model, fresh) < 0.5 * changed(model, worse, fresh)
    assert serialized(worse) == before


def test_a_training_that_does_not_help_leaves_the_model_and_says_so() -> None:
    class Heard(Silent):
        said = ""

        def say(self, text: str) -> None:
            self.said += text

    model, heard = net(), Heard()
    outcome = distill(model, samples(), original=model, epochs=2, rate=0.1, progress=heard)
    assert outcome.tuning is not None
    assert not outcome.tuning.kept
    assert "stays as it was" in heard.said
    assert changed(model, outcome.model, samples()) < 1e-9


def test_the_same_seed_gives_the_same_model() -> None:
    model = net()
    train = partial(distill, shaken(model), samples(), original=model, epochs=3)
    first, second, other = (serialized(train(seed=seed).model) for seed in (1, 1, 2))
    assert first == second
    assert first != other


def test_a_model_that_gives_no_probabilities_learns_the_numbers() -> None:
    rng = np.random.default_rng(0)
    build = GraphBuilder("raw")
    x = build.input("x", np.float32, (1, 6))
    hidden = build.op("Tanh", build.op("MatMul", x, rng.normal(size=(6, 8)).astype(np.float32)))
    y = build.op("MatMul", hidden, rng.normal(size=(8, 4)).astype(np.float32))
    model = build.finish(y=(y, np.float32, (1, 4)))
    rows = [rng.normal(size=(1, 6)).astype(np.float32) for _ in range(60)]
    worse = shaken(model)
    better = distill(worse, rows[:40], original=model, epochs=40, rate=0.01).model
    assert changed(model, better, rows[40:]) < 0.5 * changed(model, worse, rows[40:])


def test_only_what_is_named_is_trained() -> None:
    model = net()
    worse = shaken(model)
    name = next(name for name, array in weights(worse).items() if array.ndim == 2)
    better = distill(worse, samples(), original=model, trainable=(name,), rate=0.01).model
    was, is_now = weights(worse), weights(better)
    assert {key for key in was if not np.array_equal(was[key], is_now[key])} == {name}


def test_finetuning_learns_labels() -> None:
    model = net()
    tensors = samples(80)
    targets = np.array([answer.argmax() for answer in answers_of(model, tensors)])
    targets[::8] = -1  # of no known class
    outcome = finetune(shaken(model, 0.6), tensors, targets=targets, rate=0.01, augment=False)
    assert outcome.tuning is not None
    assert outcome.tuning.kept
    assert outcome.tuning.learned + outcome.tuning.judging == 70


def test_what_cannot_be_trained_is_refused() -> None:
    model = net()
    with pytest.raises(UnsupportedModel, match="is quantised; train it before"):
        distill(quantize(model, samples()), samples(), original=model)
    with pytest.raises(InputError, match="3 of 3 calibration samples"):
        distill(model, samples(3), original=model)
    with pytest.raises(InputError, match="no labels"):
        finetune(model, samples(), targets=None)
    with pytest.raises(InputError, match="0 of 40 calibration samples"):
        finetune(model, samples(), targets=np.full(40, -1))
    with pytest.raises(InputError, match="the class 5 is not in 0..4"):
        finetune(model, samples(), targets=np.full(40, 5))
    with pytest.raises(InputError, match="no parameter is called 'head"):
        distill(model, samples(), original=model, trainable=("head.*",))


def test_a_training_that_blows_up_says_what_to_do() -> None:
    model = net()
    for value in model.graph.initializers.values():
        assert value.const_value is not None
        if value.const_value.numpy().ndim == 2:
            huge = np.full_like(value.const_value.numpy(), 1e38)
            value.const_value = ir.tensor(huge, name=value.name)
    with pytest.raises(TrainingDiverged, match="lower the learning rate"):
        distill(model, samples(), original=net())


@pytest.mark.parametrize("step", STEPS)
def test_a_recipe_that_trains_after_quantising_is_refused_before_any_work(
    tmp_path: Path, step: Distill | FineTune
) -> None:
    recipe = Recipe(steps=(Quantize(), step))
    with pytest.raises(ConfigError, match=r"steps\[1\]\.do: .* put it before 'quantize'"):
        compress_model(tmp_path / "no.onnx", data=tmp_path, out=tmp_path / "b", recipe=recipe)


def test_finetuning_without_labels_is_refused(tmp_path: Path) -> None:
    model = save(conv_net(), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(90, 60, (30, 3, 16, 16)))
    recipe = Recipe(steps=(FineTune(),))
    with pytest.raises(ConfigError, match="learns from labels, and the data has none"):
        compress_model(model, data=tmp_path / "x.npy", out=tmp_path / "b", recipe=recipe)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("epochs = 0", "epochs"),
        ("rate = 0", "rate"),
        ("rate = 1.5", "rate"),
        ("rows = 0", "rows"),
        ("temperature = 0", "temperature"),
        ("seed = -1", "seed"),
        ("temprature = 2", "did you mean temperature"),
    ],
)
def test_a_wrong_setting_is_one_line(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(f'[[steps]]\ndo = "distill"\n{line}\n')
    with pytest.raises(ConfigError, match=says) as caught:
        load_recipe(path)
    assert len(caught.value.mistakes) == 1


def test_a_recipe_prunes_distils_finetunes_and_quantises(tmp_path: Path) -> None:
    steps = (
        PruneChannels(keep_macs=0.8, multiple=1),
        Distill(epochs=4, rate=0.001),
        FineTune(epochs=2, rate=0.001),
        Quantize(),
    )
    made = compress_model(
        save(conv_net(padding=1), tmp_path / "m.onnx"),
        data=pictures(tmp_path / "pictures", count=40),
        out=tmp_path / "b",
        recipe=Recipe(input=InputRecipe(convention="caffe"), steps=steps),
    )
    done = {step.do: step for step in made.report.steps}
    assert list(done) == ["start", "prune-channels", "distill", "finetune", "quantize"]
    assert done["quantize"].tuning is None
    for name in ("distill", "finetune"):
        tuning = done[name].tuning
        assert tuning is not None
        assert (tuning.learned, tuning.judging) == (16, 4)
        assert tuning.kept == (tuning.after < tuning.before)
        assert str(tuning).partition(" -> ")[0] in (tmp_path / "b" / "report.html").read_text()


def test_a_file_learns_from_another(tmp_path: Path) -> None:
    model = net()
    good, worse = save(model, tmp_path / "o.onnx"), save(shaken(model), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", np.concatenate(samples(80)))
    train = partial(apply_step, Distill(epochs=40, rate=0.01), worse, data=tmp_path / "x.npy")
    with pytest.raises(InputError, match="--original"):
        train(out=tmp_path / "d.onnx")
    found = train(out=tmp_path / "d.onnx", original=good)
    assert found.tuning is not None
    assert found.tuning.kept
    assert found.kl is not None
    assert found.kl < changed(model, shaken(model), samples(80))
    other = save(conv_net(), tmp_path / "other.onnx")
    with pytest.raises(InputError, match="models of one signature|the samples have shape"):
        train(out=tmp_path / "e.onnx", original=other)
