"""What the board's half imports, and what it says where a library is missing."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

MODULES = "edgekit.learning.federated.secure, edgekit.learning.federated.he"
SETTINGS = (
    "SecureSettings(session=bytes(16), size=1, boards=2, least=2, degree=1, threshold=2, "
    "largest=1.0, samples=1, word=32)"
)


def said(statement: str, *, without: str = "nothing") -> str:
    code = f"import sys\nsys.modules[{without!r}] = None\n{statement}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.stdout + done.stderr


def test_importing_the_boards_half_imports_no_cryptography() -> None:
    loaded = said(f"import {MODULES}\nprint(*sys.modules)").split()
    assert "edgekit.learning.federated.secure.board" in loaded
    beyond = {"cryptography", "Crypto", "tenseal", "cbor2", "onnx", "sklearn", "edgekit.federated"}
    assert not beyond & set(loaded)


@pytest.mark.parametrize(
    ("missing", "statement", "extra"),
    [
        ("cryptography", f"SecureBoard('a', {SETTINGS}).advertise()", "federated"),
        ("cbor2", f"SecureBoard('a', {SETTINGS}).advertise()", "federated"),
        ("tenseal", "make_keys()", "he"),
    ],
)
def test_a_missing_library_is_named_with_the_extra_that_brings_it(
    missing: str, statement: str, extra: str
) -> None:
    start = (
        "from edgekit.learning.federated.secure import SecureBoard, SecureSettings\n"
        "from edgekit.learning.federated.he import make_keys\n"
    )
    last = said(start + statement, without=missing).strip().splitlines()[-1]
    assert last.startswith("edgekit.errors.InputError: ")
    assert last.endswith(f"pip install 'edgekit[{extra}]'")


def test_the_measuring_command_prints_a_table_and_what_the_mean_is_off_by() -> None:
    from tools.bench.secure_aggregation import main

    done = CliRunner().invoke(main, ["--clients", "4,5", "--repeats", "1", "--he-up-to", "0"])
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert {line.count("|") for line in lines[:4]} == {8}
    assert lines[2].startswith("| secure sum, 4 boards, 3 neighbours, threshold 3 |")
    assert "5 boards: the mean is off by " in done.output
