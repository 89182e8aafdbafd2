"""What rounds over a broker cost beside the training: time, and bytes a board.

    python -m tools.bench.federated_rounds [--boards 10,1000] [--rounds 5] [--idle 130]

A real mosquitto and a real coordinator. Boards of `--boards` are light: they answer, download and
send noise. Ten real participants, as a daemon has them, then train on digits. Idle bytes are what
the broker counts, over `--idle` seconds, of boards that only wait.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import time as clock_time
from pathlib import Path

import numpy as np
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edgekit.array import Array
from edgekit.config.federated import FederatedTable, PolicyTable
from edgekit.daemon.federated.participant import Board, Participant
from edgekit.daemon.federated.persistence import RoundFiles
from edgekit.daemon.federated.policy import Conditions
from edgekit.daemon.standing import status_of
from edgekit.federated import compile_federated_step
from edgekit.federated.coordinator import Served, serve
from edgekit.federated.job import load_job, open_job
from edgekit.federated.tasks import Task, digits_task
from edgekit.learning.federated import Guidance, LocalTrainer
from edgekit.learning.federated.identity import step_digest
from edgekit.learning.federated.update import shapes_of
from edgekit.messaging.link import MqttLink
from edgekit.messaging.settings import MqttSettings
from edgekit.messaging.topics import Topics
from edgekit.train.losses import CrossEntropy
from tools.bench.federated_crowd import Crowd, ScriptedBoard, random_training
from tools.private_broker import PrivateBroker
from tools.tuned_broker import TunedBroker

_CODECS = ("float32", "int8", "top-k:0.1+int8", "top-k:0.15+int4")
_LINES = ("max_queued_messages 0", "max_inflight_messages 0", "sys_interval 1")
_EAGER = PolicyTable(max_busy=1.0, min_samples=1, mains=False, max_temperature_c=150.0)
_DAY_S = 86_400


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boards", default="10,1000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--idle", type=float, default=130.0)
    given = parser.parse_args()
    task = digits_task(10, "dirichlet:0.5", seed=0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trainer = _prepare(task, folder)
        payload = sum(array.nbytes for array in trainer.parameters.values())
        print(f"payload {payload} bytes")
        for count in map(int, filter(None, given.boards.split(","))):
            for codec in _CODECS:
                with (
                    TunedBroker(_LINES) as broker,
                    _light(broker, trainer, folder, count) as crowd,
                ):
                    served = _serve(folder, broker, count, given.rounds, codec)
                _print(f"{count} light boards, {codec}", served, count, payload)
                alone = crowd.payload_bytes_up / count / given.rounds
                print(f"  updates alone: {alone:,.0f} bytes up ({alone / payload:.3f})")
        with _counted_broker() as counted, _real(counted, task, folder):
            served = _serve(folder, counted, 10, given.rounds, "float32")
            training_s = _training_s(trainer, task)
            _print("10 real participants, float32", served, 10, payload, training_s)
            if given.idle:
                _print_idle(counted, given.idle, 10)


@contextmanager
def _counted_broker() -> Iterator[PrivateBroker]:
    """A broker that tells everybody how many bytes it has moved."""
    with TunedBroker(_LINES) as broker:
        broker.stop()
        with (broker.folder / "acl").open("a") as rules:
            rules.write("topic read $SYS/#\n")
        broker.start()
        yield broker


def _prepare(task: Task, folder: Path) -> LocalTrainer:
    step = compile_federated_step(task.model, CrossEntropy(), rows=32)
    step.save(folder / "bundle" / "train")
    trainer = LocalTrainer(folder / "bundle" / "train")
    arrays = {
        spec.name: array for spec, array in zip(trainer.inputs, task.clients.test, strict=True)
    }
    np.savez(folder / "held.npz", **arrays)  # type: ignore[arg-type]
    return trainer


def _serve(folder: Path, broker: PrivateBroker, count: int, rounds: int, codec: str) -> Served:
    with tempfile.TemporaryDirectory() as state:
        (folder / "JOB.toml").write_text(
            'name = "digits"\nfleet = "bench"\nbundle = "bundle"\n'
            f'state = "{state}"\n[mqtt]\nhost = "{broker.host}"\nport = {broker.port}\n'
            '[evaluation]\ndata = "held.npz"\nkeep = "last"\n'
            f'[training]\nepochs = 2\ncodec = "{codec}"\n'
            f"[rounds]\ncount = {rounds}\nminimum = {count}\ndeadline_s = 300\n"
        )
        return serve(open_job(load_job(folder / "JOB.toml")))


@contextmanager
def _light(
    broker: PrivateBroker, trainer: LocalTrainer, folder: Path, count: int
) -> Iterator[Crowd]:
    boards = [ScriptedBoard(f"board{number:05}", 32) for number in range(count)]
    with Crowd(
        broker.host,
        broker.port,
        fleet="bench",
        job="digits",
        step=step_digest(folder / "bundle" / "train"),
        boards=boards,
        train=random_training(),
        shapes=shapes_of(trainer.parameters),
    ) as crowd:
        yield crowd


class _Given:
    """Samples in memory, as a board has them."""

    def __init__(self, arrays: Sequence[Array]) -> None:
        self._arrays = tuple(arrays)

    def __len__(self) -> int:
        return len(self._arrays[0])

    def refresh(self) -> int:
        return len(self)

    def store(self) -> None:
        pass

    def samples(self) -> tuple[Array, ...]:
        return self._arrays

    def told_classes(self) -> tuple[float, ...] | None:
        return None


@contextmanager
def _real(broker: PrivateBroker, task: Task, folder: Path) -> Iterator[None]:
    step = folder / "bundle" / "train"
    conditions = Conditions(clock_time(12), samples=0, rounds_today=0)
    shapes = shapes_of(LocalTrainer(step).parameters)
    with ExitStack() as stack:
        for number in range(10):
            name = f"real{number}"
            settings = MqttSettings(host=broker.host, port=broker.port)
            topics = Topics("bench", name)
            link = stack.enter_context(MqttLink(settings, topics, status_of("b1", {})))
            stack.enter_context(
                Participant(
                    "digits",
                    FederatedTable(pipeline="camera", policy=_EAGER),
                    step,
                    step=step_digest(step),
                    shapes=shapes,
                    data=_Given(task.clients.samples(number)),
                    files=RoundFiles(folder / name),
                    board=Board(link, topics, "b1", lambda: conditions, threading.Lock()),
                )
            )
        yield


def _training_s(trainer: LocalTrainer, task: Task) -> float:
    began = time.perf_counter()
    for number in range(10):
        trainer.train(
            f"real{number}",
            trainer.parameters,
            task.clients.samples(number),
            Guidance(epochs=2, rate=0.1),
            seed=number,
        )
    return time.perf_counter() - began


def _print(
    what: str, served: Served, count: int, payload: int, training_s: float | None = None
) -> None:
    rounds = served.summary.last
    seconds = [one.seconds for one in rounds if one.seconds is not None]
    up = statistics.mean(one.bytes_up for one in rounds) / count
    down = statistics.mean(one.bytes_down or 0 for one in rounds) / count
    trained = "" if training_s is None else f", where training alone takes {training_s:.3f} s"
    print(
        f"{what}: {statistics.median(seconds):.3f} s a round{trained}; a board and round: "
        f"{up:,.0f} bytes up ({up / payload:.3f} of the payload), {down:,.0f} down "
        f"({down / payload:.3f}); updates {[one.updates for one in rounds]}",
        flush=True,
    )


def _print_idle(broker: PrivateBroker, seconds: float, count: int) -> None:
    with _counting(broker) as moved:
        time.sleep(5)  # the broker counts once a second: the rounds have to be in it
        before = moved()
        time.sleep(seconds)
        after = moved()
    print(
        f"idle: {after - before} bytes of {count} boards in {seconds:.0f} s, both ways and this "
        f"reader's too: {(after - before) / count / seconds * _DAY_S / 1000:.1f} kB a board and day"
    )


@contextmanager
def _counting(broker: PrivateBroker) -> Iterator[Callable[[], int]]:
    """Gives what counts the broker's bytes so far, both ways, at its next count."""
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    filters = [f"$SYS/broker/bytes/{way}" for way in ("received", "sent")]
    found: dict[str, int] = {}
    came = threading.Condition()

    def take(_client: Client, _data: object, message: MQTTMessage) -> None:
        with came:
            found[message.topic] = int(message.payload)
            came.notify_all()

    def moved() -> int:
        with came:
            found.clear()
            client.subscribe([(each, 1) for each in filters])
            came.wait_for(lambda: len(found) == len(filters), 30)
            client.unsubscribe(filters)
            return sum(found.values())

    client.on_message = take
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        yield moved
    finally:
        client.disconnect()
        client.loop_stop()


if __name__ == "__main__":
    main()
