"""What a board runs imports nothing of the workstation's half, and cv2 only in the child."""

import json
import subprocess
import sys

BEYOND = (
    "onnx",
    "onnx_ir",
    "sklearn",
    "scipy",
    "sympy",
    "torch",
    "jinja2",
    "rich",
    "cv2",
)


def modules_after(statement: str) -> set[str]:
    code = f"import sys, json\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_the_daemon_imports_no_workstation_library_and_no_cv2() -> None:
    loaded = modules_after("import edgekit.daemon.main, edgekit.daemon.app")
    assert not loaded & set(BEYOND)
    assert "edgekit.daemon.app" in loaded
    assert "onnxruntime" in loaded


def test_the_capture_child_imports_no_engine() -> None:
    loaded = modules_after("import edgekit.pipeline.capture.child")
    assert "cv2" in loaded
    assert not loaded & {"onnxruntime", "onnx", "paho"}


def test_commands_of_a_board_import_no_workstation_library() -> None:
    loaded = modules_after(
        "import edgekit.cli.predict, edgekit.cli.config, edgekit.runtime.session"
    )
    assert not loaded & set(BEYOND)
