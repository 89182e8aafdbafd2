"""Brokers and coordinators that die in the middle: no round is lost, and none counts twice."""

import os
import queue
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.federated.coordinator.changes import Change
from edgekit.federated.coordinator.memory import Memory
from edgekit.federated.coordinator.seats import Attempt, Seat, Standing
from edgekit.federated.coordinator.serving import MEMORY, serve
from edgekit.federated.model import GlobalModel
from edgekit.federated.report import Round
from tests.federated.coordinator.conftest import BOARDS, Later, Scene
from tools.bench.federated_crowd import Script

_KILLS = 12


class Process:
    """What serves, in children that can be killed."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.put(line.rstrip())

    def serve(self) -> int:
        """Begins to serve; gives the process id."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        while not (line := self.lines.get(timeout=60)).startswith("pid "):
            pass
        return int(line[4:])


@contextmanager
def serving(path: Path) -> Iterator[Process]:
    command = [sys.executable, "-m", "tests.federated.coordinator.serving_process", str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Process(process)
        finally:
            process.kill()
            assert process.stdin is not None
            process.stdin.close()
            process.wait()


def serve_and_kill(path: Path, seed: int) -> int:
    """Serves a job to its end, and kills what serves it again and again; how often."""
    rng, killed, is_over = random.Random(seed), 0, False
    with serving(path) as process:
        while not is_over:
            pid, patience = process.serve(), rng.randint(1, 14)
            for _ in range(patience if killed < _KILLS else 10_000):
                line = process.lines.get(timeout=60)
                if is_over := line.startswith("ended"):
                    assert line == "ended finished"
                    break
            else:
                threading.Event().wait(rng.uniform(0, 0.01))  # somewhere between two lines
                os.kill(pid, signal.SIGKILL)
                killed += 1
    return killed


def test_a_coordinator_killed_again_and_again_makes_the_very_same_model(
    scene: Scene, tmp_path: Path
) -> None:
    with scene.crowd():
        wanted = scene.serve(count=4).model
        path = scene.write(count=4)
        (scene.folder / "JOB.state").rename(tmp_path / "uninterrupted")
        assert serve_and_kill(path, 7) >= 3
    with Memory(scene.folder / "JOB.state" / MEMORY) as memory:
        rounds = memory.rounds()
        assert [one.number for one in rounds] == [1, 2, 3, 4]
        assert [one.updates for one in rounds] == [len(BOARDS)] * 4
        found = memory.model(4)
    for name, array in wanted.parameters.items():
        assert array.tobytes() == found.parameters[name].tobytes()


def test_without_rounds_a_killed_coordinator_combines_each_update_once(scene: Scene) -> None:
    path = scene.write(strategy='name = "fedbuff"\nleast = 5', count=8)
    with scene.crowd():
        assert serve_and_kill(path, 8) >= 3
    with Memory(scene.folder / "JOB.state" / MEMORY) as memory:
        rounds = memory.rounds()
        counted = memory.count_updates("counted")
    assert [one.number for one in rounds] == list(range(1, 9))
    assert sum(one.updates for one in rounds) == counted


def test_a_secure_round_that_lost_its_coordinator_is_void_and_asks_for_no_bare_update(
    scene: Scene,
) -> None:
    hold = threading.Event()
    slow = {name: Script(waits=hold) for name in BOARDS}
    path = scene.write("[secure]\n", count=1)
    with scene.crowd(slow) as crowd, serving(path) as process:
        pid = process.serve()
        assert crowd.wait(lambda: all(len(b.said) == 2 for b in crowd.boards.values()))
        os.kill(pid, signal.SIGKILL)
        process.serve()
        hold.set()
        crowd.release()
        while not (line := process.lines.get(timeout=60)).startswith("ended"):
            pass
        assert line == "ended finished"
        invitations = [invite for board in crowd.boards.values() for invite in board.invited]
        assert all(invite.secure is not None for invite in invitations)
        assert {invite.round for invite in invitations} == {1, 2}
        assert crowd.payload_bytes_up == 0
    with Memory(scene.folder / "JOB.state" / MEMORY) as memory:
        assert any("begun anew" in change.what for change in memory.changes())
        assert memory.rounds()[0].updates == len(BOARDS)


def test_a_round_goes_on_when_the_broker_was_killed_in_its_middle(scene: Scene) -> None:
    hold = threading.Event()
    slow = {name: Script(waits=hold) for name in BOARDS[5:]}
    with scene.crowd(slow) as crowd:
        later = Later(lambda: scene.serve(count=2))
        scene.wait(lambda summary: summary.seats.get("delivered") == 5)
        scene.broker.stop()
        scene.broker.start()
        hold.set()
        crowd.release()
        served = later.result()
    assert [one.updates for one in served.summary.last] == [10, 10]
    assert not any("void" in change.what for change in scene.changes)


def test_a_second_coordinator_of_the_same_state_is_refused(scene: Scene) -> None:
    opened = scene.opened()
    later = Later(lambda: scene.serve(count=1))
    scene.wait(lambda summary: True)
    with pytest.raises(InputError, match="serves this job already"):
        serve(opened)
    with scene.crowd():
        later.result()


def test_the_state_of_another_job_is_refused(scene: Scene) -> None:
    with scene.crowd():
        scene.serve(count=1)
        with pytest.raises(InputError, match="name another folder as state"):
            scene.serve(count=2, strategy='name = "median"')
        assert scene.serve(count=2).summary.done == 2  # but more rounds may be asked for


def model(version: int, value: float) -> GlobalModel:
    array: Array = scene_array(value)
    return GlobalModel({"w": array}, version, {"m(w)": array * 2})


def scene_array(value: float) -> Array:
    return np.full((2, 3), value, np.float32)


def one_round(number: int) -> Round:
    return Round(number, 0.5, 1.0, 2, {"b": "its norm"}, 100, update_divergence=float("inf"))


def test_what_is_remembered_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "rounds.db"
    attempt = Attempt(3, 1, 2, 50.0)
    seats = [Seat(name, 3, 1, 50.0, 1.0, boot="b1") for name in "abc"]
    with Memory(path) as memory, memory.together():
        memory.keep_model(model(1, 1.0))
        memory.keep_round(one_round(1))
        memory.open_attempt(attempt)
        for seat in seats:
            memory.keep_seat(seat)
        memory.keep_update(3, "a", b"digest", b"message")
        memory.keep_changes([Change(1, "a", "came")])
    with Memory(path) as memory:
        standing = memory.standing()
        assert (standing.version, standing.done, standing.next_number) == (1, 1, 4)
        assert standing.attempt == attempt
        assert [(seat.board, seat.state) for seat in standing.seats] == [
            ("a", "delivered"),
            ("b", "accepted"),
            ("c", "accepted"),
        ]
        assert list(memory.messages([(3, "a")])) == [(3, "a", b"message")]
        assert memory.digest(3, "a") == b"digest"
        found = memory.model(1)
        assert found.parameters["w"].tobytes() == model(1, 1.0).parameters["w"].tobytes()
        assert found.state["m(w)"][0, 0] == 2.0
        assert memory.rounds()[0].refused == {"b": "its norm"}
        assert memory.delivered_lately() == [(3, "a")]


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(memory: Memory) -> None:
        with memory.together():
            memory.keep_round(one_round(1))
            memory.keep_model(model(1, 1.0))
            raise RuntimeError

    with Memory(tmp_path / "rounds.db") as memory:
        with pytest.raises(RuntimeError):
            fail(memory)
        assert memory.rounds() == []
        assert memory.standing() == Standing()


def test_a_round_cannot_be_kept_twice(tmp_path: Path) -> None:
    with Memory(tmp_path / "rounds.db") as memory:
        with memory.together():
            memory.keep_round(one_round(1))
        with pytest.raises(InputError, match="UNIQUE"), memory.together():
            memory.keep_round(one_round(1))
