"""What the rounds' parameters become: a bundle that is read as the old one is."""

from pathlib import Path

import numpy as np
import pytest

from edgekit.bundle import open_bundle
from edgekit.compress import compress_trained, load_recipe
from edgekit.compress.progress import Silent
from edgekit.federated.coordinator.result import write_result
from edgekit.federated.job import load_job, open_job
from edgekit.runtime.loading import load_session
from edgekit.zoo.building import build_model

TRAINING = """
epochs = 1
rows = 32
[model]
kind = "autoencoder"
hidden = [4]
[data]
kind = "machine"
windows = 200
only_normal = true
[loss]
kind = "reconstruction"
of = "scaled"
[schedule]
kind = "constant"
rate = 1e-3
[rounds]
"""
JOB = """
name = "pumps"
fleet = "plant"
bundle = "old"
[mqtt]
host = "127.0.0.1"
[evaluation]
data = "held.npz"
[result]
bundle = "new"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "training.toml").write_text(TRAINING)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'name = "pumps"\nsteps = []\n[build]\ntraining = "training.toml"\non_board = true\n'
    )
    told = load_recipe(recipe)
    built = build_model(told, None, progress=Silent(), where=str(recipe))
    compress_trained(built.trained, built.samples, told, out=tmp_path / "old")
    np.savez(tmp_path / "held.npz", window=np.zeros((8, 32, 2), np.float32))
    (tmp_path / "JOB.toml").write_text(JOB)
    return tmp_path


def test_an_autoencoder_that_scores_itself_is_read_by_its_score_as_before(folder: Path) -> None:
    job = load_job(folder / "JOB.toml")
    opened = open_job(job)
    assert job.result is not None
    made = write_result(opened, opened.first.parameters, job.result)
    old = open_bundle(folder / "old")
    assert made.manifest.output == old.manifest.output
    assert made.manifest.version == "1.0.1"
    assert load_session(made.path).checked > 0
