"""Daemons and `edgekit federate serve`, each a process of its own, learn digits together."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.daemon.standing import status_of
from edgekit.federated.tasks import Task
from edgekit.learning.federated.identity import step_digest
from edgekit.messaging.link import MqttLink
from edgekit.messaging.payloads import FederatedReady, encode
from edgekit.messaging.topics import Topics
from tests.broker import BOARD, PASSWORD, settings_for
from tests.daemon.federated.digits import digits_bundle, fill, settings_of
from tests.daemon.federated.test_kills import process
from tests.daemon.process import Daemon
from tools.private_broker import PrivateBroker

pytestmark = pytest.mark.broker
_EDGEKIT = str(Path(sys.executable).with_name("edgekit"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits_bundle(tmp_path_factory.mktemp("digits")).path


def job(
    folder: Path,
    bundle: Path,
    broker: PrivateBroker,
    task: Task,
    more: str,
    *,
    shape: tuple[int, ...] = (-1, 1, 64),
) -> Path:
    """Writes JOB.toml, and the samples that models are judged by."""
    x, y = task.clients.test
    np.savez(folder / "held.npz", x=x.reshape(shape), target=y)
    path = folder / "JOB.toml"
    path.write_text(
        f'name = "digits"\nfleet = "test"\nbundle = "{bundle}"\n'
        f'[mqtt]\nhost = "localhost"\nport = {broker.port}\nca = "{broker.ca}"\n'
        f'username = "{BOARD}"\npassword = "{PASSWORD}"\n'
        f'[evaluation]\ndata = "held.npz"\n{more}'
    )
    return path


@contextmanager
def daemons(
    folder: Path, bundle: Path, broker: PrivateBroker, task: Task, names: list[str]
) -> Iterator[dict[str, tuple[Path, Daemon]]]:
    """Boards with samples of their own, once they run."""
    with ExitStack() as stack:
        found = {}
        for number, name in enumerate(names):
            config = settings_of(folder / name, bundle, broker, name=name)
            fill(folder / name / "state", bundle, task.clients.samples(number))
            daemon = Daemon(config, {})
            stack.callback(daemon.kill)
            found[name] = (config, daemon)
        for _, daemon in found.values():
            daemon.says("running:")
        yield found


@contextmanager
def serving(path: Path) -> Iterator["subprocess.Popen[str]"]:
    """The coordinator's process; ended at the end where it still runs."""
    command = [_EDGEKIT, "federate", "serve", str(path), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()


def documents(process: "subprocess.Popen[str]") -> list[dict[str, Any]]:
    """What the coordinator printed, once it has ended."""
    timer = threading.Timer(120, process.kill)
    timer.start()
    out, err = process.communicate()
    timer.cancel()
    assert process.returncode == 0, err[-2000:] + out[-2000:]
    return [json.loads(line) for line in out.splitlines()]


def test_five_daemons_learn_though_one_is_killed_and_another_never_answers(
    tmp_path: Path, broker: PrivateBroker, bundle: Path, task: Task
) -> None:
    names = [f"board{number}" for number in range(5)]
    path = job(
        tmp_path,
        bundle,
        broker,
        task,
        "[rounds]\ncount = 3\nminimum = 5\nanswer_s = 3\ndeadline_s = 60\ngrace_s = 30\n"
        "pause_s = 0.5\n[training]\nepochs = 150\nrate = 0.1\n",
    )
    silent = MqttLink(settings_for(broker), Topics("test", "silent"), status_of("s", {}))
    ready = FederatedReady(boot="s", step=step_digest(bundle / "train"), willing=True, samples=99)
    with daemons(tmp_path, bundle, broker, task, names) as boards, silent:
        silent.publish(
            Topics("test", "silent").federated("digits", "ready"), encode(ready), retain=True
        )
        with serving(path) as coordinator:
            config, daemon = boards["board2"]
            daemon.says("round 1 begins")
            daemon.kill()
            restarted = Daemon(config, {})
            try:
                told = documents(coordinator)
            finally:
                restarted.kill()
    went_on = ("going on with round 1", "round 1 waits for its receipt")
    assert any(text in line for line in restarted.log for text in went_on)
    last = told[-1]["summary"]
    assert (last["state"], last["done"], last["last"]["updates"]) == ("finished", 3, 5)
    assert last["last"]["accuracy"] > 0.8
    assert [line["what"] for line in told if line.get("board") == "silent"] == [
        f"did not answer to round {number}" for number in (1, 2, 3)
    ]


def test_boards_that_only_learn_hide_their_updates_in_a_sum(
    tmp_path: Path, broker: PrivateBroker, step: Path, task: Task
) -> None:
    pytest.importorskip("cryptography")
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "train").symlink_to(step)
    folder = tmp_path / "boards"
    folder.mkdir()
    for number in range(4):
        x, y = task.clients.samples(number)
        np.savez(folder / f"board{number}.npz", x=x, target=y)
    path = job(
        tmp_path,
        tmp_path / "bundle",
        broker,
        task,
        "[rounds]\ncount = 2\nminimum = 4\ndeadline_s = 60\ngrace_s = 30\npause_s = 0.5\n"
        "[training]\nepochs = 20\n[secure]\nclip = 4.0\n",
        shape=(-1, 64),
    )
    with process(folder, step, broker) as boards, serving(path) as coordinator:
        boards.says("round 1 begins")
        boards.kill()
        with process(folder, step, broker) as restarted:
            told = documents(coordinator)
            restarted.says("is counted")
    last = told[-1]["summary"]
    assert (last["state"], last["done"], last["last"]["updates"]) == ("finished", 2, 4)
    assert last["last"]["accuracy"] > 0.5
