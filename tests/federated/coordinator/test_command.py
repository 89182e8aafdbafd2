"""`edgekit federate serve`, from the file to the bundle that boards install."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import onnx_ir as ir
import pytest
from click.testing import CliRunner, Result

from edgekit.bundle import open_bundle, write_bundle
from edgekit.cli.serving import serve
from edgekit.compress import Recipe, pack_model
from edgekit.errors import InputError, Unavailable
from edgekit.federated import compile_federated_step
from edgekit.federated.coordinator.result import raised, write_result
from edgekit.federated.job import load_job, open_job
from edgekit.learning.federated import LocalTrainer
from edgekit.learning.federated.identity import step_digest
from edgekit.train.losses import CrossEntropy
from tests.federated.coordinator.conftest import Scene
from tools.bench.federated_crowd import Script


@pytest.fixture
def whole(scene: Scene) -> Path:
    """A whole bundle, as a board has it, with its step for rounds."""
    folder = scene.folder / "digits-1.0.0"
    model = scene.folder / "digits.onnx"
    ir.save(scene.task.model, model)
    packed = pack_model(
        model, task="classification", out=scene.folder / "packed", recipe=Recipe(name="digits")
    )
    step = compile_federated_step(
        scene.task.model, CrossEntropy(), rows=32, proximal=True, corrected=True
    )
    files = {name: (packed.path / name).read_bytes() for name in packed.manifest.files}
    files |= {f"train/{name}": data for name, data in step.files().items()}
    write_bundle(folder, packed.manifest, files=files)
    return folder


def job_text(scene: Scene, whole: Path, result: str = "") -> Path:
    path = scene.write('[result]\nbundle = "learned"\n' + result, count=2)
    path.write_text(path.read_text().replace(f"{scene.bundle}/bundle", str(whole)))
    return path


def command(path: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(Path(sys.executable).with_name("edgekit")), "federate", "serve", str(path), *more],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def in_process(path: Path) -> Result:
    return CliRunner().invoke(serve, [str(path)], standalone_mode=False)


def test_a_served_job_ends_in_a_bundle_with_what_was_learned(scene: Scene, whole: Path) -> None:
    path = job_text(scene, whole)
    with scene.crowd():
        done = command(path, "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    summary = lines[-1]["summary"]
    assert (summary["state"], summary["done"]) == ("finished", 2)
    assert any("round 2: accuracy" in line.get("what", "") for line in lines)
    assert "edgekit deploy" in done.stderr
    old, new = open_bundle(whole), open_bundle(scene.folder / "learned")
    assert (new.manifest.name, new.manifest.version) == ("digits", "1.0.1")
    assert step_digest(new.path / "train") == step_digest(old.path / "train")
    learned = LocalTrainer(new.path / "train").parameters
    assert np.abs(learned["w0"] - scene.trainer.parameters["w0"]).max() > 1e-3
    report = (scene.folder / "JOB.state" / "report.html").read_text()
    assert "Federated rounds of digits" in report
    again = in_process(path)  # it is over, and says so again
    assert again.return_value == 0
    assert "finished, 2 of 2 rounds" in again.output


def test_a_job_that_stops_leaves_with_another_code(scene: Scene) -> None:
    path = scene.write(count=1, minimum=2, deadline_s=0.2, pause_s=0.01, attempts=2)
    idle = {f"client{number:06}": Script(delivers=False) for number in range(10)}
    with scene.crowd(idle):
        done = in_process(path)
    assert done.return_value == 8
    assert "attempt 2 of 2 at round 1 is void: 0 updates came in time, 2 are needed" in done.output


def test_a_broker_that_is_not_there_is_said(scene: Scene) -> None:
    path = scene.write()
    scene.broker.stop()
    done = in_process(path)
    assert isinstance(done.exception, Unavailable)
    assert "no MQTT broker at" in str(done.exception)


def test_a_recipe_compresses_the_result(scene: Scene, whole: Path) -> None:
    (scene.folder / "int8.toml").write_text('task = "classification"\n')
    path = job_text(scene, whole, 'recipe = "int8.toml"\nversion = "2.0.0"\n')
    job = load_job(path)
    assert job.result is not None
    opened = open_job(job)
    made = write_result(opened, opened.first.parameters, job.result)
    assert made.manifest.version == "2.0.0"
    assert made.manifest.measured is not None
    assert made.manifest.measured.artifact.samples > 0
    assert made.manifest.name == "digits"
    assert "train/parameters.npz" in made.manifest.files


def test_a_model_without_the_parameters_is_refused_and_says_what_to_name(
    scene: Scene, whole: Path, tmp_path: Path
) -> None:
    from edgekit.federated.tasks import perceptron

    ir.save(perceptron((4, 2), 0), scene.folder / "other.onnx")
    path = job_text(scene, whole, 'model = "other.onnx"\n')
    job = load_job(path)
    assert job.result is not None
    opened = open_job(job)
    with pytest.raises(InputError, match="name the float model"):
        write_result(opened, opened.first.parameters, job.result)
    table = msgspec.structs.replace(job.result, model=None)
    assert write_result(opened, opened.first.parameters, table).manifest.version == "1.0.1"


def test_the_last_number_of_a_version_is_raised() -> None:
    assert raised("1.9.9") == "1.9.10"
