"""A board's process is killed in each phase of a round, and goes on."""

import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from edgekit.daemon.federated.persistence import RoundFiles
from edgekit.federated.tasks import Task
from edgekit.learning.federated import Guidance, LocalTrainer
from edgekit.learning.federated.identity import step_digest
from tests.broker import BOARD, PASSWORD
from tests.daemon.federated.conftest import same
from tests.daemon.federated.coordinator import RUN, Coordinator, coordinating
from tests.daemon.process import until
from tools.private_broker import PrivateBroker

pytestmark = pytest.mark.broker


class Process:
    """A process of one board that only learns."""

    def __init__(self, folder: Path, step: Path, broker: PrivateBroker) -> None:
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tools.federated_board", str(folder)),
                *("--train", str(step), "--port", str(broker.port), "--ca", str(broker.ca)),
                *("--username", BOARD, "--password", PASSWORD),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def says(self, text: str) -> None:
        """Waits for a line with the text."""
        seen = []
        while text not in (line := self._lines.get(timeout=60)):
            seen.append(line)
            assert line, f"{text!r} was never said: {seen}"

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._lines.put(line)
        self._lines.put("")


@contextmanager
def process(folder: Path, step: Path, broker: PrivateBroker) -> Iterator[Process]:
    board = Process(folder, step, broker)
    try:
        board.says("running")
        yield board
    finally:
        board.kill()


@pytest.fixture
def folder(tmp_path: Path, task: Task) -> Path:
    (tmp_path / "boards").mkdir()
    x, y = task.clients.samples(0)
    np.savez(tmp_path / "boards" / "board.npz", x=x, target=y)
    return tmp_path / "boards"


def _counts(coordinator: Coordinator, files: RoundFiles) -> None:
    until(lambda: files.told().state == "counted", "the receipt")
    assert files.invited() is None
    assert files.trained() is None


def test_killed_while_it_waits_for_the_model_it_goes_on_without_another_invitation(
    broker: PrivateBroker, folder: Path, step: Path, trainer: LocalTrainer, task: Task
) -> None:
    first, files = trainer.parameters, RoundFiles(folder / "board")
    with coordinating(broker) as coordinator:
        with process(folder, step, broker):
            coordinator.next_ready()
            model = coordinator.publish_model(first, leave_out=(0,))
            invite = coordinator.invite("board", model, seed=5)
            assert coordinator.next_answer()[1].accepts
        coordinator.publish_model(first)
        with process(folder, step, broker):
            update, round_id = coordinator.next_update(first)
            assert round_id == (RUN, 1)
            coordinator.receipt("board", invite, "counted")
            _counts(coordinator, files)
    alone = trainer.train("board", first, task.clients.samples(0), Guidance(2, 0.1), seed=5)
    assert alone is not None
    assert same(update.change, alone.change)


def test_killed_while_it_trains_it_trains_again(
    broker: PrivateBroker, folder: Path, step: Path, trainer: LocalTrainer
) -> None:
    first, files = trainer.parameters, RoundFiles(folder / "board")
    with coordinating(broker) as coordinator:
        with process(folder, step, broker) as board:
            coordinator.next_ready()
            model = coordinator.publish_model(first)
            invite = coordinator.invite("board", model, epochs=1500)
            board.says("round 1: the model is there")
        assert files.invited() is not None
        with process(folder, step, broker):
            assert coordinator.next_update(first)[1] == (RUN, 1)
            coordinator.receipt("board", invite, "counted")
            _counts(coordinator, files)
    assert files.told().today == 1


def test_killed_before_the_receipt_it_sends_the_same_update_again(
    broker: PrivateBroker, folder: Path, step: Path, trainer: LocalTrainer
) -> None:
    first, files = trainer.parameters, RoundFiles(folder / "board")
    with coordinating(broker) as coordinator:
        with process(folder, step, broker):
            coordinator.next_ready()
            model = coordinator.publish_model(first)
            invite = coordinator.invite("board", model, codec="top-k:0.1+int8")
            message = coordinator.next_message(b"change")
        with process(folder, step, broker):
            assert coordinator.next_message(b"change") == message
            assert files.kept(step_digest(step)).residual is None
            coordinator.receipt("board", invite, "counted")
            _counts(coordinator, files)
    assert files.kept(step_digest(step)).after == (RUN, 1)


def test_killed_while_a_receipt_is_written_it_counts_once(
    broker: PrivateBroker, folder: Path, step: Path, trainer: LocalTrainer
) -> None:
    """What is kept was written, and the round not forgotten: as the disk is between the two."""
    first, files = trainer.parameters, RoundFiles(folder / "board")
    with coordinating(broker) as coordinator:
        with process(folder, step, broker):
            coordinator.next_ready()
            model = coordinator.publish_model(first)
            invite = coordinator.invite("board", model, codec="int8")
            coordinator.next_message(b"change")
        trained = files.trained()
        assert trained is not None
        files.count(trained)
        files.save_trained(trained)
        with process(folder, step, broker):
            coordinator.next_ready()
            coordinator.invite("board", model, round=2)
            assert coordinator.next_update(first)[1] == (RUN, 2)
    assert invite.round == 1
    assert files.kept(step_digest(step)).after == (RUN, 1)
