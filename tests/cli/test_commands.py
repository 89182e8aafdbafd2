"""The commands, as a user calls them: output, exit codes, and one clear line for a mistake."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.cli import COMMANDS
from tests.cli.running import run
from tests.samples import conv_net, picture_bundle, pictures, save, window_bundle, window_model

ROOT = Path(__file__).resolve().parent.parent.parent


def test_every_command_is_documented() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in COMMANDS:
        assert f"edgekit {name}" in readme
        shown = run(name, "--help")
        assert shown.returncode == 0
        assert shown.stdout.count("\n") > 5


def test_compress_prints_one_json_document_and_nothing_else(tmp_path: Path) -> None:
    model, folder = save(conv_net(), tmp_path / "m.onnx"), pictures(tmp_path / "p")
    done = run("compress", model, "--data", folder, "--out", tmp_path / "b", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["artifacts"][0]["measured"]["size_bytes"] > 0
    assert "preprocessing:" in done.stderr


def test_predict_json_of_pictures_is_the_documented_form(tmp_path: Path) -> None:
    bundle = picture_bundle(tmp_path / "b").path
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[8:, :8] = 4
    cv2.imwrite(str(tmp_path / "x.png"), picture)
    done = run("predict", bundle, tmp_path / "x.png", "--json")
    (result,) = json.loads(done.stdout)["results"]
    assert result["input"] == str(tmp_path / "x.png")
    assert result["top"][0]["label"] == "bl"
    assert set(result["top"][0]) == {"id", "label", "p"}


def test_predict_json_of_windows_is_the_documented_form(tmp_path: Path) -> None:
    bundle = window_bundle(tmp_path / "b").path
    np.save(tmp_path / "x.npy", np.full((4, 2), 12.0))
    (tmp_path / "y.csv").write_text("b,a\n" + "1,1\n" * 8)
    done = run("predict", bundle, tmp_path / "x.npy", tmp_path / "y.csv", "--json")
    results = json.loads(done.stdout)["results"]
    assert [(r["score"], r["threshold"], r["anomalous"]) for r in results] == [
        (12.0, 10.0, True),
        (1.0, 10.0, False),
        (1.0, 10.0, False),
    ]


def test_inspect_counts_what_is_in_a_model(tmp_path: Path) -> None:
    done = run("inspect", save(conv_net(), tmp_path / "m.onnx"), "--json")
    document = json.loads(done.stdout)
    assert document["parameters"] == 8 * 3 * 3 * 3 + 8 + 8 * 4
    assert document["macs"] == 14 * 14 * 8 * 27 + 8 * 4
    assert document["operators"]["Conv"] == 1
    assert "runs on zeros" in document["smoke_test"]
    shown = run("inspect", picture_bundle(tmp_path / "b").path)
    assert "golden vectors reproduced" in shown.stdout


def test_pack_then_predict(tmp_path: Path) -> None:
    model = save(window_model(), tmp_path / "m.onnx")
    packed = run("pack", model, "--task", "anomaly", "--threshold", 2, "--out", tmp_path / "b")
    assert packed.returncode == 0, packed.stderr
    np.save(tmp_path / "x.npy", np.full((4, 2), 12.0))
    assert "ANOMALOUS" in run("predict", tmp_path / "b", tmp_path / "x.npy").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ("inspect rubbish.onnx", 3, "rubbish.onnx"),
        ("inspect none.onnx", 2, "no such file"),
        ("inspect labels.txt", 3, "not a model"),
        ("compress rubbish.onnx --data p --out b", 3, "rubbish.onnx"),
        ("compress m.onnx --data none --out b", 2, "no such file or folder"),
        ("compress m.onnx --data p --out b --recipe none.toml", 2, "cannot be read"),
        ("compress m.onnx --data p --out p --force", 2, "not a bundle"),
        ("predict p p/p00.png", 4, "not a bundle"),
        ("predict picture labels.txt", 2, "labels.txt"),
        ("predict picture none.png", 2, "none.png"),
        ("predict window wrong.npy", 2, "wrong.npy"),
        ("predict window nan.npy", 2, "NaN"),
        ("predict window nan.csv", 2, "nan.csv:3"),
        ("config check none.toml", 2, "cannot be read"),
        ("pack rubbish.tflite --task raw --out b", 3, "rubbish.tflite"),
        ("build labels.toml --out b", 2, "unknown"),
        ("compres", 2, "No such command"),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path: Path, arguments: str, code: int, says: str) -> None:
    save(conv_net(), tmp_path / "m.onnx")
    pictures(tmp_path / "p")
    picture_bundle(tmp_path / "picture")
    window_bundle(tmp_path / "window")
    for name in ("rubbish.onnx", "rubbish.tflite"):
        (tmp_path / name).write_bytes(b"rubbish, truly rubbish")
    (tmp_path / "labels.txt").write_text("a\n")
    (tmp_path / "labels.toml").write_text('[build]\nmodel = "resnet"\n')
    np.save(tmp_path / "wrong.npy", np.zeros((3, 3)))
    np.save(tmp_path / "nan.npy", np.full((4, 2), np.nan))
    (tmp_path / "nan.csv").write_text("a,b\n1,1\nNaN,1\n")
    done = run(*arguments.split(), cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "b").exists()
