"""Training recipes: what they may say, and one line for each mistake."""

from pathlib import Path

import pytest

from edgekit.errors import ConfigError
from edgekit.train.losses import Huber, Reconstruction
from edgekit.zoo.training import load_training_recipe
from edgekit.zoo.training.plan import Plan, planned
from tests.zoo.training.recipes import recipe

MODELS = Path(__file__).resolve().parents[3] / "models"


def _planned(path: Path) -> Plan:
    return planned(load_training_recipe(path), where=str(path), folder=path.parent)


@pytest.mark.parametrize(
    "path", sorted(MODELS.glob("*/training.toml")), ids=lambda p: p.parent.name
)
def test_every_recipe_that_ships_is_in_order(path: Path) -> None:
    assert _planned(path).loss is not None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"loss": '"cros-entropy"'}, "loss.kind: 'cros-entropy' is unknown; did you mean cr"),
        ({"perceptron": "perceptro"}, "model.kind: 'perceptro' is unknown; did you mean perc"),
        ({"hidden": "hiden"}, "model.hiden: unknown setting; did you mean hidden?"),
        ({"[8]": '"wide"'}, "model.hidden: expected `array`, got `str`"),
        ({"[8]": "[-3]"}, "model.hidden: expected `int` >= 1"),
        ({"head": "epochs = 4\noptimizer = {kind = 'adam', beta1 = 5.0}"}, "optimizer.beta1: exp"),
        ({"head": "epochs = 4\noptimizer = {kind = 'sgd', clip_norm = -1.0}"}, "optimizer.clip_"),
        ({"head": "epochs = 4\naugment = {crop = 2.0}"}, "augment.crop: expected `float` < 1.0"),
        ({"rate": "-1"}, "schedule.rate: -1 is not above 0"),
        ({"constant": "cosin"}, "schedule.kind: 'cosin' is unknown; did you mean cosine?"),
        ({"head": "epoch = 4"}, "epoch: unknown setting; did you mean epochs?"),
        ({"head": "epochs = 4\noptimizer = {kind = 'adm'}"}, "optimizer.kind: 'adm' is unknown"),
        ({"head": "epochs = 4\naugment = {flipp = true}"}, "augment.flipp: unknown setting; did"),
        ({"head": "epochs = 4\nscore = 'acuracy'"}, "score: invalid enum value 'acuracy'"),
        ({'"arrays"': '"array"'}, "data.kind: 'array' is unknown; did you mean arrays?"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_file_and_key(
    tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    path = recipe(tmp_path, **changes)
    with pytest.raises(ConfigError) as caught:
        _planned(path)
    assert f"{path}: {said}" in str(caught.value)


def test_every_mistake_in_named_things_is_told_at_once(tmp_path: Path) -> None:
    path = recipe(tmp_path, loss='"mze"', rate="0", hidden="hiden")
    with pytest.raises(ConfigError) as caught:
        _planned(path)
    assert [mistake.partition(":")[0] for mistake in caught.value.mistakes] == [
        "loss.kind",
        "schedule.rate",
        "model.hiden",
    ]


def test_a_reconstruction_may_be_judged_by_huber(tmp_path: Path) -> None:
    path = recipe(tmp_path, loss='"reconstruction"\ndelta = 0.5\nof = "scaled"')
    assert _planned(path).loss == Reconstruction(by=Huber(0.5), of="scaled")
