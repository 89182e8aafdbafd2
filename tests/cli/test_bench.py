"""`edgekit bench`, as a user calls it, on real engines and a board's sensors made of files."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.samples import picture_bundle, window_bundle

_RUN = "from edgekit.cli.bench import bench; bench()"


def bench(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _RUN, *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def document(*arguments: object) -> dict[str, Any]:
    done = bench(*arguments, "--samples", 20, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def put(path: Path, text: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")
    return path


def test_one_bundle_is_timed_stage_by_stage_and_weighed(tmp_path: Path) -> None:
    found = document(picture_bundle(tmp_path / "b").path, "--sensors", tmp_path / "none")
    (result,) = found["results"]
    ms = result["ms"]
    assert result["samples"] == 20
    assert 0 < ms["p50"] <= ms["p95"] <= ms["p99"]
    assert 0 < ms["infer"] < ms["p99"]
    assert min(ms["prepare"], ms["interpret"], result["per_second"]) > 0
    memory = result["memory"]
    assert memory["peak_bytes"] > memory["growth_bytes"] > 0
    assert memory["load_ms"] > 0
    assert result["ratio"] is None
    assert result["energy_mj"] is None
    assert (result["engine"], result["provider"]) == ("onnxruntime", "CPUExecutionProvider")


def test_two_bundles_are_held_against_each_other_round_by_round(tmp_path: Path) -> None:
    one, two = window_bundle(tmp_path / "one").path, picture_bundle(tmp_path / "two").path
    found = document(one, "--against", two, "--threads", 2)
    assert [(each["tag"], each["name"]) for each in found["bundles"]] == [
        ("A", "mean"),
        ("B", "brightest"),
    ]
    first, second = found["results"]
    assert (first["tag"], second["tag"], second["threads"]) == ("A", "B", 2)
    spread = second["ratio"]
    assert 0 < spread["low"] <= spread["median"] <= spread["high"]


def test_tables_name_every_figure_with_its_unit(tmp_path: Path) -> None:
    path = picture_bundle(tmp_path / "b").path
    shown = bench(path, "--against", path, "--samples", 20, "--sensors", tmp_path / "none")
    assert shown.returncode == 0, shown.stderr
    for text in ("p50", "p95", "p99", "a second", "prepare", "infer", "interpret", "load", " MB"):
        assert text in shown.stdout
    assert "time over A onnxruntime's" in shown.stdout
    assert "energy: no sensor that this user may read" in shown.stdout
    assert " mJ" not in shown.stdout


def test_energy_and_heat_are_told_where_the_board_tells_them(tmp_path: Path) -> None:
    chip = tmp_path / "board/sys/class/hwmon/hwmon0"
    put(chip / "name", "ina226")
    put(chip / "power1_input", 3_000_000)
    zone = tmp_path / "board/sys/class/thermal/thermal_zone0"
    put(zone / "type", "cpu-thermal")
    put(zone / "temp", 61000)
    put(tmp_path / "board/sys/devices/platform/soc/soc:firmware/get_throttled", "50005")
    path = picture_bundle(tmp_path / "b").path
    found = document(path, "--sensors", tmp_path / "board")
    assert found["heat"] == {"before_c": 61.0, "after_c": 61.0, "held_back": True}
    assert found["energy_source"] == "power monitor: ina226"
    assert found["results"][0]["energy_mj"] > 0
    shown = bench(path, "--samples", 20, "--sensors", tmp_path / "board").stdout
    for text in ("mJ", "temperature: 61 C, then 61 C", "held back", "power monitor: ina226"):
        assert text in shown


def test_what_does_not_run_here_is_told_and_the_rest_measured(tmp_path: Path) -> None:
    bundle = picture_bundle(tmp_path / "b")
    code = (
        "import sys; sys.modules['ai_edge_litert.interpreter'] = None\n"
        "sys.modules['tflite_runtime.interpreter'] = None\n"
        "from pathlib import Path; import msgspec\n"
        "from edgekit.bundle import Variant, open_bundle, write_bundle\n"
        "from edgekit.bench.measuring import bench_bundle\n"
        f"plain = open_bundle(Path({str(bundle.path)!r}))\n"
        "files = {name: (plain.path / name).read_bytes() for name in plain.manifest.files}\n"
        "files['m.tflite'] = b'0000TFL3'\n"
        "lite = Variant(name='lite', engine='litert', file='m.tflite')\n"
        "manifest = msgspec.structs.replace(plain.manifest, variants=(lite,))\n"
        f"both = write_bundle(Path({str(tmp_path / 'both')!r}), manifest, files=files)\n"
        "report = bench_bundle(both.path, engine='all', samples=5)\n"
        "print(*report.lines(), sep='\\n')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "lite/litert does not run here: a .tflite model needs LiteRT" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [(["none"], 4, "not a bundle"), (["b", "--engine", "litert"], 4, "has no model for litert")],
)
def test_a_mistake_is_one_clear_line(
    tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    picture_bundle(tmp_path / "b")
    program = (
        "import sys, click\n"
        "from edgekit.cli import COMMANDS, main\n"
        "COMMANDS['bench'] = 'edgekit.cli.bench:bench'\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "bench", *arguments],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_board_can_measure_without_the_workstations_libraries(tmp_path: Path) -> None:
    path = picture_bundle(tmp_path / "b").path
    code = (
        "import sys\n"
        "from edgekit.cli.bench import bench\n"
        f"bench([{str(path)!r}, '--samples', '5', '--json'], standalone_mode=False)\n"
        "print(*sorted(sys.modules), sep='\\n', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert "onnxruntime" in loaded
    assert not loaded & {"onnx", "onnx_ir", "rich", "sklearn", "jinja2", "cv2", "torch"}
