"""Kills boards, coordinators and brokers in every phase of secure sums, and adds up for itself.

`python -m tools.federated_kills [--seeds 5]` has five boards, each a process, and `edgekit federate
serve` make one round after the other over a real mosquitto. In each round something is killed with
SIGKILL as soon as a message of one phase passes the broker, or a few milliseconds later: a board
before or after its answer, so many boards that too few are left, the coordinator, or the broker. A
board begins again at once, or when the round is over. Then the model must be, bit for bit, what the
updates of the boards that count add up to when they are trained and added up in the open; no board
may have masked two vectors for one round; too few boards must void the attempt and say so. It exits
with 1 otherwise.
"""

import argparse
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edgekit.federated import compile_federated_step
from edgekit.federated.coordinator.inviting import seeds
from edgekit.federated.coordinator.memory import Memory
from edgekit.federated.coordinator.secure_round import moved_by, settings_for
from edgekit.federated.coordinator.serving import MEMORY
from edgekit.federated.job import load_job, open_job
from edgekit.federated.job.opening import OpenJob
from edgekit.federated.secure import SecureSum
from edgekit.federated.tasks import Task, digits_task
from edgekit.learning.federated import Guidance
from edgekit.learning.federated.inbox import Inbox
from edgekit.learning.federated.messages import Invite, Receipt, Said, Secure, decode
from edgekit.learning.federated.secure import PHASES
from edgekit.learning.federated.secure.fixed_point import quantised
from edgekit.learning.federated.update import as_vector
from edgekit.train.losses import CrossEntropy
from tools.private_broker import PrivateBroker

_BOARDS = tuple(f"board{number}" for number in range(5))
_VICTIM, _LEAST, _EPOCHS, _RATE = _BOARDS[0], 4, 5, 0.1
_PATIENCE_S = 120.0
_LINGER_S = 0.03

Heard = Callable[[str, str, Said], None]
"""Is told the board, `up` or `down`, and what was said."""


@dataclass(frozen=True)
class Trial:
    """What is killed, and when: at `way`, a message of `phase` passes to or from a board."""

    what: str
    phase: str
    way: str

    def is_now(self, board: str, way: str, said: Said) -> bool:
        """Whether this is the message."""
        if way != self.way or (self.what in ("board", "boards") and board != _VICTIM):
            return False
        if isinstance(said, Secure):
            return said.phase == self.phase
        return isinstance(said, Invite) and self.phase == PHASES[0]


TRIALS = tuple(
    Trial(what, phase, way)
    for what, ways in (
        ("board", ("down", "up")),
        ("boards", ("down",)),
        ("coordinator", ("down", "up")),
        ("broker", ("down", "up")),
    )
    for phase in PHASES
    for way in ways
)


class Spy:
    """Hears all that boards and the coordinator say, in the `with` block."""

    def __init__(self, broker: PrivateBroker) -> None:
        self.on_said: Heard = lambda board, way, said: None
        self.masked: dict[tuple[str, str, int], set[bytes]] = defaultdict(set)
        self._inboxes: dict[str, Inbox] = defaultdict(lambda: Inbox(1 << 22))
        self._broker = broker
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(
            [(f"edgekit/v1/test/+/fl/digits/{way}", 1) for way in ("up", "down")]
        )
        self._client.on_message = self._hear

    def __enter__(self) -> Self:
        self._client.connect(self._broker.host, self._broker.port)
        self._client.loop_start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _hear(self, client: Client, data: object, message: MQTTMessage) -> None:
        whole = self._inboxes[message.topic].add(bytes(message.payload))
        if whole is None or b"say" not in whole[:40]:
            return
        said, (board, *_, way) = decode(whole), message.topic.split("/")[3:]
        if way == "up" and isinstance(said, Secure) and said.phase == "mask":
            self.masked[board, said.run, said.round].add(said.data)
        self.on_said(board, way, said)


class Process:
    """A process that can be killed and begun again."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._command, self._log = command, log
        self.start()

    def start(self) -> None:
        """Begins it."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@dataclass
class Lab:
    """Where all of it is."""

    folder: Path
    broker: PrivateBroker
    task: Task
    spy: Spy
    boards: dict[str, Process]
    counts: Counter[str] = field(default_factory=Counter)
    troubles: list[str] = field(default_factory=list)

    def go(self, trial: Trial, rng: random.Random) -> None:
        """One round, and what is wrong with it."""
        name = f"{trial.what}-{trial.phase}-{trial.way}-{rng.randrange(10**6):06}"
        path = self._job(name)
        log = self.folder / f"{name}.log"
        command = [str(Path(sys.executable).with_name("edgekit")), "federate", "serve", str(path)]
        due, void = threading.Event(), threading.Event()
        struck = False

        def watch(board: str, way: str, said: Said) -> None:
            nonlocal struck
            if isinstance(said, Receipt) and said.state == "void":
                void.set()
            if not struck and trial.is_now(board, way, said):
                struck = True
                due.set()

        self.spy.on_said = watch
        coordinator = Process([*command, "--json"], log)
        try:
            if not due.wait(_PATIENCE_S):
                self.troubles.append(f"{name}: nothing of the phase was said; see {log}")
                return
            time.sleep(rng.choice((0.0, rng.uniform(0, _LINGER_S))))
            self._strike(trial, coordinator, void, at_once=rng.random() < 0.5)
            code = coordinator.process.wait(_PATIENCE_S)
            if code:
                self.troubles.append(f"{name}: the coordinator ended with {code}; see {log}")
            else:
                self._judge(name, trial, path, log)
        except subprocess.TimeoutExpired:
            self.troubles.append(f"{name}: no end in {_PATIENCE_S} s; see {log}")
        finally:
            coordinator.kill()
            if self.boards[_VICTIM].process.poll() is not None:
                self.boards[_VICTIM].start()

    def _strike(
        self, trial: Trial, coordinator: Process, void: threading.Event, *, at_once: bool
    ) -> None:
        match trial.what:
            case "board":
                self.boards[_VICTIM].kill()
                if at_once:
                    self.boards[_VICTIM].start()
            case "boards":
                gone = [self.boards[name] for name in _BOARDS[: len(_BOARDS) - _LEAST + 1]]
                for board in gone:
                    board.kill()
                while not void.wait(0.1) and coordinator.process.poll() is None:
                    pass
                for board in gone:
                    board.start()
            case "coordinator":
                coordinator.kill()
                coordinator.start()
            case _:
                self.broker.stop()
                self.broker.start()

    def _job(self, name: str) -> Path:
        path = self.folder / f"{name}.toml"
        path.write_text(
            'name = "digits"\nfleet = "test"\nbundle = "bundle"\n'
            f'[mqtt]\nhost = "{self.broker.host}"\nport = {self.broker.port}\n'
            '[evaluation]\ndata = "held.npz"\n'
            f"[rounds]\ncount = 1\nminimum = {_LEAST}\nanswer_s = 4\ndeadline_s = 40\n"
            "grace_s = 3\npause_s = 0.2\n"
            f"[training]\nepochs = {_EPOCHS}\nrate = {_RATE}\n[secure]\nclip = 4.0\n"
        )
        return path

    def _judge(self, name: str, trial: Trial, path: Path, log: Path) -> None:
        opened = open_job(load_job(path))
        with Memory(path.with_suffix(".state") / MEMORY) as memory:
            model = memory.model(1)
            with sqlite3.connect(path.with_suffix(".state") / MEMORY) as rows:
                counted = rows.execute(
                    "SELECT number, board FROM updates WHERE fate = 'counted'"
                ).fetchall()
                number = counted[0][0]
                invited = [
                    board
                    for (board,) in rows.execute(
                        "SELECT board FROM seats WHERE number = ?", [number]
                    )
                ]
                voids = [
                    why for (why,) in rows.execute("SELECT why FROM attempts WHERE state = 'void'")
                ]
            rows.close()
        added = self._added(opened, number, invited, [board for _, board in counted])
        for wanted, found in zip(added.items(), sorted(model.parameters.items()), strict=True):
            if wanted[0] != found[0] or not np.array_equal(wanted[1], found[1]):
                self.troubles.append(f"{name}: {found[0]} is not the sum of those that count")
                break
        else:
            self.counts["sums that are exact"] += 1
        self.counts[f"{trial.what}: rounds"] += 1
        self.counts[f"{trial.what}: attempts that were void"] += len(voids)
        if trial.what == "board":
            is_in = _VICTIM in [board for _, board in counted]
            fate = "in the sum" if is_in else "left out"
            self.counts[f"board, {trial.phase} {trial.way}: {fate}"] += 1
            if voids:
                self.troubles.append(f"{name}: one board less voided the round: {voids}; see {log}")
        if trial.what == "boards":
            is_said = [why for why in voids if "boards are left after the phase" in why]
            self.counts["boards: too few, void and said"] += bool(is_said)
            if len(is_said) != 1 and number == 1 and trial.phase != PHASES[-1]:
                self.troubles.append(f"{name}: too few boards were left, and it says {voids}")

    def _added(
        self, opened: OpenJob, number: int, invited: Sequence[str], counted: Sequence[str]
    ) -> dict[str, Any]:
        """The next model, from updates that are trained and added up in the open."""
        samples = {n: self.task.clients.samples(int(n[-1])) for n in _BOARDS}
        settings = settings_for(
            opened, len(invited), max(len(samples[board][0]) for board in invited)
        )
        total = np.zeros(settings.size + 1, np.int64)
        for board in counted:
            update = opened.trainer.train(
                board,
                opened.first.parameters,
                samples[board],
                Guidance(_EPOCHS, _RATE),
                seed=seeds(0)(number, board),
            )
            assert update is not None
            total += quantised(as_vector(update.change), update.samples, settings)
        whole, count = total[:-1], int(total[-1])
        found = SecureSum(whole * settings.step, count, frozenset(counted), whole)
        return dict(sorted(moved_by(opened, opened.first, found).parameters.items()))


def main() -> int:
    """Kills, and says what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="", help="what is killed: board, boards, ...")
    parser.add_argument("--folder", type=Path, help="is kept")
    given = parser.parse_args()
    with ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory())
        folder = given.folder or Path(scratch)
        folder.mkdir(exist_ok=True)
        broker = stack.enter_context(PrivateBroker())
        lab = _lab(stack, folder, broker)
        for seed in range(given.seeds):
            trials = [each for each in TRIALS if given.only in ("", each.what)]
            rng = random.Random(seed)
            rng.shuffle(trials)
            for trial in trials:
                lab.go(trial, rng)
                print(".", end="", flush=True)
        print()
        twice = [place for place, seen in lab.spy.masked.items() if len(seen) > 1]
        lab.troubles += [f"{place}: masked two vectors for one round" for place in twice]
        masked = len(lab.spy.masked)
    for what, count in sorted(lab.counts.items()):
        print(f"{count:5}  {what}")
    print(f"{masked:5}  masked vectors were seen, {len(twice)} of them twice with other content")
    print("\n".join(lab.troubles) or "nothing is wrong")
    return 1 if lab.troubles else 0


def _lab(stack: ExitStack, folder: Path, broker: PrivateBroker) -> Lab:
    task = digits_task(10, "dirichlet:0.5", seed=0)
    step = compile_federated_step(task.model, CrossEntropy(), rows=32)
    step.save(folder / "bundle" / "train")
    x, y = task.clients.test
    np.savez(folder / "held.npz", x=x, target=y)
    spy = stack.enter_context(Spy(broker))
    boards = {}
    for number, name in enumerate(_BOARDS):
        (folder / name).mkdir()
        x, y = task.clients.samples(number)
        np.savez(folder / name / f"{name}.npz", x=x, target=y)
        command = [sys.executable, "-m", "tools.federated_board", str(folder / name)]
        command += ["--train", str(folder / "bundle" / "train"), "--port", str(broker.port)]
        boards[name] = Process(command, folder / f"{name}.log")
        stack.callback(boards[name].kill)
    return Lab(folder, broker, task, spy, boards)


if __name__ == "__main__":
    sys.exit(main())
