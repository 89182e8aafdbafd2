"""`edgekit export c`, as a user calls it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.bundle import Bundle
from tests.convert.c_harness import compressed, dense_autoencoder, readings
from tests.samples import window_bundle


def export(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = "from edgekit.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "export", "c", *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    out = tmp_path_factory.mktemp("cli") / "bundle"
    samples = readings((64,), 40)
    return compressed(dense_autoencoder(), samples, out, task="anomaly", kind="reconstruction")


def test_a_bundle_becomes_c_that_passes_its_self_test(bundle: Bundle, tmp_path: Path) -> None:
    done = export(bundle.path, "--out", tmp_path / "c", "--name", "pump")
    assert done.returncode == 0, done.stderr
    assert "wrote" in done.stdout
    assert "multiply-adds" in done.stdout
    command = ["gcc", "-std=c99", "pump.c", "pump_test.c", "-o", "t"]
    subprocess.run(command, cwd=tmp_path / "c", check=True)
    said = subprocess.run([tmp_path / "c" / "t"], capture_output=True, text=True, check=True)
    assert said.stdout == "pump: golden vectors reproduced, 0 wrong\n"


def test_json_names_the_files(bundle: Bundle, tmp_path: Path) -> None:
    done = export(bundle.path, "--out", tmp_path / "c", "--json")
    document = json.loads(done.stdout)
    assert {path.name for path in (tmp_path / "c").iterdir()} == set(document["files"])
    assert document["macs"] == 2 * 64 * 32 + 2 * 32 * 8


def test_a_second_time_needs_force(bundle: Bundle, tmp_path: Path) -> None:
    assert export(bundle.path, "--out", tmp_path).returncode == 0
    refused = export(bundle.path, "--out", tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert export(bundle.path, "--out", tmp_path, "--force").returncode == 0


def test_a_model_in_float_leaves_with_3_and_one_line(tmp_path: Path) -> None:
    done = export(window_bundle(tmp_path / "b").path, "--out", tmp_path / "c")
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith("edgekit: error:")
    assert "Traceback" not in done.stderr
