"""The set-up scripts say in one line what they lack; neither touches this machine here."""

import shutil
import subprocess
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).resolve().parents[2]
_NEEDED = ("sh", "cat", "cksum", "dirname", "grep")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder of programs with next to nothing in it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in _NEEDED:
        program = shutil.which(name)
        if program is None:
            pytest.skip(f"{name} is not on the path")
        (folder / name).symlink_to(program)
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What set-up reads of the repository, without an environment."""
    folder = tmp_path / "checkout"
    (folder / "tools").mkdir(parents=True)
    for name in ("pyproject.toml", "tools/setup.sh", "tools/apt.sh", "tools/constraints.txt"):
        shutil.copy(_REPOSITORY / name, folder / name)
    return folder


def _program(folder: Path, name: str, body: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def _run(path: Path, *command: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(path), **more}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_without_apt_get_nothing_is_installed_and_nothing_fails(bare: Path) -> None:
    done = _run(bare, _REPOSITORY / "tools/apt.sh", "mosquitto", "openssl")
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert "cannot install mosquitto openssl: there is no apt-get" in done.stderr


def test_without_rights_nothing_is_installed_and_nothing_fails(bare: Path) -> None:
    _program(bare, "id", "echo 1000")
    _program(bare, "apt-get", "exit 99")
    done = _run(bare, _REPOSITORY / "tools/apt.sh", "mosquitto")
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert "cannot install mosquitto: neither root nor sudo" in done.stderr


def test_what_is_installed_already_needs_no_word(bare: Path) -> None:
    _program(bare, "dpkg-query", "echo 'install ok installed'")
    done = _run(bare, _REPOSITORY / "tools/apt.sh", "mosquitto")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_without_a_suitable_python_set_up_fails_in_one_line(bare: Path, checkout: Path) -> None:
    _program(bare, "python3", "exit 1")  # as one does whose version does not suit
    done = _run(bare, checkout / "tools/setup.sh")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "no Python 3.11, 3.12 or 3.13 found" in done.stderr
    assert not (checkout / ".venv").exists()


def test_an_environment_that_stands_is_left_alone_until_another_python_is_asked_for(
    bare: Path, checkout: Path
) -> None:
    (checkout / ".venv/bin").mkdir(parents=True)
    _program(checkout / ".venv/bin", "python", "echo Python 3.11.2")
    stamp = _run(bare, "sh", "-c", f"cd {checkout}; cat pyproject.toml tools/*.txt | cksum").stdout
    (checkout / ".venv/edgekit-setup").write_text(stamp)
    same = _program(bare, "same", "echo Python 3.11.2")
    other = _program(bare, "other", 'echo Python 3.9.1; test "$1" = --version')
    assert _run(bare, checkout / "tools/setup.sh").returncode == 0
    assert _run(bare, checkout / "tools/setup.sh", PYTHON=str(same)).returncode == 0
    assert _run(bare, checkout / "tools/setup.sh", PYTHON=str(other)).returncode == 1
