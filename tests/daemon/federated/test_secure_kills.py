"""A board that is killed in any phase of a secure sum holds nobody up, and is back for the next."""

from pathlib import Path

import numpy as np
import pytest

from edgekit.federated.tasks import Task
from edgekit.learning.federated.inbox import Inbox
from edgekit.learning.federated.messages import Secure, decode
from edgekit.learning.federated.secure import PHASES
from edgekit.messaging.topics import Topics
from tests.broker import Listener, listening
from tests.daemon.federated.test_kills import process
from tests.daemon.federated.test_system import documents, job, serving
from tools.private_broker import PrivateBroker

pytestmark = pytest.mark.broker
VICTIM = "victim"


def boards_in(folder: Path, task: Task, names: list[str]) -> Path:
    folder.mkdir()
    for number, name in enumerate(names):
        x, y = task.clients.samples(number)
        np.savez(folder / f"{name}.npz", x=x, target=y)
    return folder


def hear(listener: Listener, phase: str) -> None:
    """Waits until the victim has said something of a phase."""
    inbox = Inbox(1_000_000)
    while True:
        message = inbox.add(listener.next().payload)
        if message is None:
            continue
        said = decode(message)
        if isinstance(said, Secure) and said.phase == phase:
            return


@pytest.mark.parametrize("phase", PHASES)
def test_a_board_that_is_killed_in_a_phase_holds_nobody_up(
    tmp_path: Path, broker: PrivateBroker, step: Path, task: Task, phase: str
) -> None:
    pytest.importorskip("cryptography")
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "train").symlink_to(step)
    others = boards_in(tmp_path / "others", task, [f"board{number}" for number in range(4)])
    alone = boards_in(tmp_path / "alone", task, [VICTIM])
    path = job(
        tmp_path,
        tmp_path / "bundle",
        broker,
        task,
        "[rounds]\ncount = 2\nminimum = 4\nanswer_s = 5\ndeadline_s = 30\ngrace_s = 5\n"
        "pause_s = 1\n[training]\nepochs = 10\n[secure]\nclip = 4.0\n",
        shape=(-1, 64),
    )
    said = Topics("test", VICTIM).federated("digits", "up")
    with (
        listening(broker, said) as listener,
        process(others, step, broker),
        process(alone, step, broker) as victim,
        serving(path) as coordinator,
    ):
        hear(listener, phase)
        victim.kill()
        with process(alone, step, broker):
            told = documents(coordinator)
    last = told[-1]["summary"]
    assert (last["state"], last["done"]) == ("finished", 2)
    assert last["last"]["updates"] in (4, 5)
    assert not last["last"]["refused"]
    assert last["last"]["accuracy"] > 0.4
