"""A board that has nothing gets edgekit from a folder of wheels, without network; or stays bare."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from edgekit import __version__
from edgekit.bundle import Bundle
from edgekit.deploy.ssh.bootstrap import Installation
from edgekit.errors import InputError
from tests.daemon.process import until
from tests.deploy.ssh_board import ROOT, SshBoard, Told, stand_in_wheels
from tests.deploy.sshd import Sshd

SLOW = pytest.mark.skipif("EDGEKIT_SLOW" not in os.environ, reason="is slow: set EDGEKIT_SLOW=1")


@pytest.fixture
def bare(server: Sshd, tmp_path: Path) -> Iterator[SshBoard]:
    """A board without edgekit, whose settings wait on the workstation."""
    made = SshBoard(server, tmp_path / "board", tmp_path / "home")
    text = made.settings(Path(f"{made.state}/bundles/mean"))
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings" / "edgekit.toml").write_text(text)
    try:
        yield made
    finally:
        made.stop()


def installation(board: SshBoard, wheels: Path) -> Installation:
    return Installation(wheels=wheels, settings=board.prefix.parent / "settings")


def test_a_bare_board_runs_the_bundle_after_one_command_without_network(
    bare: SshBoard, means: Mapping[str, Bundle], tmp_path: Path
) -> None:
    wheels = stand_in_wheels(tmp_path / "wheels")
    (wheels / "numpy-9-cp39-cp39-manylinux_2_17_s390x.whl").write_bytes(b"of another machine")
    done = bare.run(
        "deploy", means["1.0.0"].path, "{}", "--bootstrap", "--wheels", wheels,
        "--config", tmp_path / "settings",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "runs mean 1.0.0" in done.stdout
    assert f"put mean 1.0.0 into {bare.state}/bundles/mean" in done.stderr
    assert (bare.prefix / "venv" / "bin" / "edgekitd").is_file()
    assert not (bare.prefix / "venv" / ".edgekit-incomplete").exists()
    assert not (bare.prefix / "wheels").exists()
    assert (bare.prefix / "etc" / "edgekit.toml").stat().st_mode & 0o777 == 0o640

    config = bare.prefix / "etc" / "edgekit.toml"
    config.write_text(config.read_text() + "# mine\n")
    told = Told()
    again = bare.deploy(means["1.0.0"], told, installation=installation(bare, wheels))
    assert (again.before, again.sent_bytes) == ("1.0.0", 0)
    assert not any("installing" in step for step in told.steps)
    assert config.read_text().endswith("# mine\n")

    assert bare.run("uninstall", "{}", "--yes", "--purge").returncode == 0
    assert not bare.prefix.exists()


@SLOW
def test_an_installation_that_fails_says_why_and_leaves_nothing(
    bare: SshBoard, means: Mapping[str, Bundle], tmp_path: Path
) -> None:
    wheels = stand_in_wheels(tmp_path / "wheels", ["no-such-thing-at-all"])
    with pytest.raises(InputError, match=r"could not install edgekit: ERROR: No matching dist"):
        bare.deploy(means["1.0.0"], installation=installation(bare, wheels))
    assert not (bare.prefix / "venv").exists()
    assert not (bare.prefix / "etc").exists()


def test_an_interrupted_installation_leaves_nothing(
    bare: SshBoard, means: Mapping[str, Bundle], tmp_path: Path
) -> None:
    wheels = stand_in_wheels(tmp_path / "wheels")
    process = subprocess.Popen(
        bare.words(
            "deploy", means["1.0.0"].path, "{}", "--bootstrap", "--wheels", wheels,
            "--config", tmp_path / "settings",
        ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=bare.environ,
        start_new_session=True,
    )  # fmt: skip
    venv = bare.prefix / "venv"
    until((venv / "pyvenv.cfg").exists, "an environment")
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait() == 130
    until(lambda: not venv.exists(), "the end of what was begun")
    assert not (bare.prefix / "etc").exists()


def test_a_folder_that_is_somebody_elses_is_left_alone(
    bare: SshBoard, means: Mapping[str, Bundle], tmp_path: Path
) -> None:
    (bare.prefix / "venv").mkdir(parents=True)
    (bare.prefix / "venv" / "mine").touch()
    wheels = stand_in_wheels(tmp_path / "wheels")
    with pytest.raises(InputError, match="holds something that is not edgekit's"):
        bare.deploy(means["1.0.0"], installation=installation(bare, wheels))
    refused = bare.run("uninstall", "{}", "--yes")
    assert refused.returncode == 2
    assert "there is no edgekit" in refused.stderr
    assert (bare.prefix / "venv" / "mine").exists()


@SLOW
def test_a_real_wheel_of_edgekit_and_all_it_needs_are_enough(
    bare: SshBoard, means: Mapping[str, Bundle], tmp_path: Path
) -> None:
    source, wheels = tmp_path / "source", tmp_path / "wheels"
    for name in ("edgekit", "systemd"):
        shutil.copytree(ROOT / name, source / name)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", wheels, source]
    subprocess.run(pip, check=True)
    done = bare.deploy(means["1.0.0"], installation=installation(bare, wheels))
    assert done.version == "1.0.0"
    where = subprocess.run(
        [bare.prefix / "venv/bin/python", "-I", "-c",
         "from edgekit.deploy.ssh.system_files import system_files\n"
         "from edgekit.deploy.ssh.layout import layout_of\n"
         "import edgekit; print(edgekit.__version__, len(system_files(layout_of(), systemd=255)))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert where.stdout.split() == [__version__, "6"]
