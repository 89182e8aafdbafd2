"""What learning together costs a board.

`python -m tools.bench.federated_board [--part NAME]`. The parts: `memory` of a process that only
learns, and what learning adds to edgekitd; `latency` of a pipeline with training beside it, over
that without, in turns; `idle` bytes a day, by a proxy that counts; and `crowd`, boards in as many
processes with `edgekit federate serve`. All need mosquitto.
"""

import contextlib
import hashlib
import json
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np
import psutil

from edgekit.array import Array
from edgekit.learning.federated import LocalTrainer
from edgekit.learning.federated.framing import chunked
from edgekit.learning.federated.inbox import Inbox
from edgekit.learning.federated.messages import (
    Answer,
    Invite,
    Receipt,
    decode,
    encode,
    encode_model,
)
from edgekit.messaging.incoming import Received
from edgekit.messaging.link import MqttLink, MqttSettings
from edgekit.messaging.topics import FederatedTopics, Topics
from tools.federated_board import online
from tools.federated_digits import append, csv_of, digits_bundle, fill
from tools.private_broker import PrivateBroker

RUN = "0123456789abcdef"
LONG = 10_000
PATIENCE_S = 60.0
_POLICY = (
    "[federated.digits.policy]\nmax_busy = 1.0\nmin_samples = 1\nmains = false\n"
    "max_temperature_c = 150.0\nmax_waiting = 100000\nrounds_a_day = 1000000\n"
)


@click.command()
@click.option("--part", "parts", multiple=True, help="All of them by default.")
@click.option("--seconds", default=5.0, help="Of each turn of the latency.")
@click.option("--rounds", default=6, help="How many turns there are of each.")
@click.option("--idle-s", default=185.0, help="For how long idle bytes are counted.")
@click.option("--boards", default=10, help="Of the crowd.")
def main(parts: tuple[str, ...], seconds: float, rounds: int, idle_s: float, boards: int) -> None:
    """Prints the figures."""
    wanted = parts or ("memory", "latency", "idle", "crowd")
    with tempfile.TemporaryDirectory() as name, PrivateBroker() as broker:
        folder = Path(name)
        if "memory" in wanted:
            memory(folder / "memory", broker)
        if "latency" in wanted:
            for hidden in (32, 4096):
                latency(folder / f"l{hidden}", broker, hidden, seconds=seconds, rounds=rounds)
        if "idle" in wanted:
            idle(folder / "idle", broker, idle_s)
        if "crowd" in wanted:
            crowd(folder / "crowd", broker, boards)


def memory(folder: Path, broker: PrivateBroker) -> None:
    """Megabytes of a process that only learns, and of edgekitd without and with learning."""
    bundle = digits_bundle(folder / "digits").path
    train = bundle / "train"
    with Coordinator(broker, train) as coordinator:
        with _learner(folder / "boards", train, broker.port) as pid:
            coordinator.wait_ready("board")
            before = _pss_mb(pid), _rss_mb(pid)
            with coordinator.training("board", pid):
                during = _pss_mb(pid), _rss_mb(pid)
        print(f"a process that only learns: PSS {before[0]:.1f} MB and RSS {before[1]:.1f} MB idle")
        print(f"  while it trains: PSS {during[0]:.1f} MB, RSS {during[1]:.1f} MB")
        plain, idle_mb, busy = [], [], []
        for turn in range(3):
            with _daemon(folder / f"plain{turn}", bundle, broker.port, learns=False) as pid:
                time.sleep(3)
                plain.append(_pss_mb(pid))
            with _daemon(folder / f"learns{turn}", bundle, broker.port) as pid:
                coordinator.wait_ready("board")
                time.sleep(3)
                idle_mb.append(_pss_mb(pid))
                with coordinator.training("board", pid):
                    busy.append(_pss_mb(pid))
        base = median(plain)
        print(f"edgekitd without learning: PSS {base:.1f} MB {_span(plain)}")
        print(f"  learning, idle: + {median(idle_mb) - base:.1f} MB {_span(idle_mb)}")
        print(f"  learning, while it trains: + {median(busy) - base:.1f} MB {_span(busy)}")


def latency(
    folder: Path, broker: PrivateBroker, hidden: int, *, seconds: float, rounds: int
) -> None:
    """The time of a prediction with training beside it over that without, in turns."""
    bundle = digits_bundle(folder / "digits", hidden=hidden).path
    times: dict[bool, list[float]] = {False: [], True: []}
    shares: list[float] = []
    heard: queue.Queue[float] = queue.Queue()
    with (
        Coordinator(broker, bundle / "train") as coordinator,
        _daemon(folder / "board", bundle, broker.port) as pid,
        _rows_at(folder / "board" / "rows.csv", 50.0),
    ):
        coordinator.wait_ready("board")
        coordinator.link.subscribe(
            Topics("bench", "board").infer("reader"), lambda message: heard.put(_work_ms(message))
        )
        for _ in range(rounds):
            for is_training in (False, True):
                with coordinator.training("board", pid) if is_training else _nothing():
                    _drain(heard)
                    began = _busiest(pid), time.monotonic()
                    time.sleep(seconds)
                    ended = _busiest(pid), time.monotonic()
                    times[is_training] += _drain(heard)
                if is_training:
                    taken = {t: s - began[0].get(t, 0.0) for t, s in ended[0].items()}
                    shares.append(max(taken.values()) / (ended[1] - began[1]))
    quiet, beside = (np.percentile(times[key], [50, 99]) for key in (False, True))
    print(
        f"64-{hidden}-10, {len(times[False])} and {len(times[True])} predictions at 50 Hz: "
        f"p50 {quiet[0]:.3f} -> {beside[0]:.3f} ms ({beside[0] / quiet[0]:.2f} times), "
        f"p99 {quiet[1]:.3f} -> {beside[1]:.3f} ms ({beside[1] / quiet[1]:.2f} times); "
        f"the learning thread takes {median(shares):.2f} of one core"
    )


def idle(folder: Path, broker: PrivateBroker, seconds: float) -> None:
    """Bytes a day between an idle board and the broker, both ways, TCP's own not counted."""
    bundle = digits_bundle(folder / "digits").path
    with ExitStack() as stack:
        one, other = (stack.enter_context(Meter(broker.port)) for _ in range(2))
        coordinator = stack.enter_context(Coordinator(broker, bundle / "train"))
        stack.enter_context(_learner(folder / "boards", bundle / "train", one.port, name="node"))
        stack.enter_context(_daemon(folder / "board", bundle, other.port))
        coordinator.wait_ready("node")
        coordinator.wait_ready("board")
        time.sleep(10)
        started = one.count, other.count
        time.sleep(seconds)
        for what, meter, before in zip(
            ("that only learns", "with edgekitd (metrics every minute)"),
            (one, other),
            started,
            strict=True,
        ):
            a_day = (meter.count - before) * 86_400 / seconds
            print(f"an idle board {what}: {before} bytes to connect, {a_day / 1e3:.1f} kB a day")


def crowd(folder: Path, broker: PrivateBroker, boards: int, rounds: int = 20) -> None:
    """Boards that are processes of edgekitd, led by `edgekit federate serve`."""
    from edgekit.federated.tasks import digits_task

    bundle = digits_bundle(folder / "digits").path
    task = digits_task(boards, "dirichlet:0.5", 0)
    x, y = task.clients.test
    np.savez(folder / "held.npz", x=x.reshape(-1, 1, 64), target=y)
    (folder / "JOB.toml").write_text(
        f'name = "digits"\nfleet = "bench"\nbundle = "{bundle}"\n'
        f'[mqtt]\nhost = "{broker.host}"\nport = {broker.port}\n[evaluation]\ndata = "held.npz"\n'
        f"[rounds]\ncount = {rounds}\nminimum = {boards}\n[training]\nepochs = 2\nrate = 0.1\n"
    )
    with ExitStack() as stack:
        pids = []
        for number in range(boards):
            name = f"board{number}"
            fill(folder / name / "state", bundle, task.clients.samples(number))
            pids.append(stack.enter_context(_daemon(folder / name, bundle, broker.port, name=name)))
        edgekit = Path(sys.executable).with_name("edgekit")
        done = subprocess.run(
            [str(edgekit), "federate", "serve", str(folder / "JOB.toml"), "--json"],
            capture_output=True,
            text=True,
            timeout=600,
            check=True,
        )
        told = [json.loads(line) for line in done.stdout.splitlines()]
        print(f"{boards} daemons: {told[-1]['summary']['last']}")
        begun = [line["at"] for line in told if " begins:" in line.get("what", "")]
        gaps = np.diff(begun) / 1000
        if len(gaps):
            print(f"  a round: median {np.median(gaps):.2f} s, longest {gaps.max():.2f} s")
        print(f"  PSS of a daemon: median {median(_pss_mb(pid) for pid in pids):.1f} MB")


class Coordinator:
    """Invites boards to trainings that last until it says that they are void.

    Attributes:
        link: to the broker.
    """

    def __init__(self, broker: PrivateBroker, train: Path, *, fleet: str = "bench") -> None:
        self._fleet, self._topics = fleet, FederatedTopics(fleet, "digits")
        settings = MqttSettings(host=broker.host, port=broker.port)
        self.link = MqttLink(settings, Topics(fleet, "coordinator"), online("c"))
        self._ready: queue.Queue[str] = queue.Queue()
        self._heard: queue.Queue[bytes] = queue.Queue()
        self._inbox = Inbox(1 << 24)
        self._parameters = LocalTrainer(train).parameters
        self._number = int(time.time()) % 1_000_000

    def __enter__(self) -> "Coordinator":
        self.link.subscribe(self._topics.from_boards("ready"), self._hear_ready)
        self.link.subscribe(self._topics.from_boards("up"), self._hear)
        self.link.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.link.close()

    def wait_ready(self, board: str) -> None:
        """Waits until a board says that it takes part."""
        while self._ready.get(timeout=PATIENCE_S) != board:
            pass

    @contextmanager
    def training(self, board: str, pid: int) -> Iterator[None]:
        """The board trains in this block, from half a second after its answer."""
        self._number += 1
        message = encode_model(self._parameters, run=RUN, number=self._number, version=0)
        chunks = chunked(message, 65_536)
        name = _name_of(message)
        for at, chunk in enumerate(chunks):
            self.link.publish(self._topics.model(name, at), chunk, retain=True)
        self._tell(
            board,
            encode(
                Invite(
                    run=RUN,
                    round=self._number,
                    version=0,
                    model=name,
                    model_bytes=len(message),
                    epochs=LONG,
                    rate=1e-6,
                    seconds=600.0,
                )
            ),
        )
        answer = decode(self._heard.get(timeout=PATIENCE_S))
        assert isinstance(answer, Answer), answer
        assert answer.accepts, answer.why
        time.sleep(0.5)
        try:
            yield
        finally:
            self._tell(board, encode(Receipt(run=RUN, round=self._number, state="void")))
            time.sleep(0.5)

    def _tell(self, board: str, message: bytes) -> None:
        for chunk in chunked(message, 65_536):
            self.link.publish(Topics(self._fleet, board).federated("digits", "down"), chunk)

    def _hear(self, message: Received) -> None:
        if (whole := self._inbox.add(message.payload)) is not None:
            self._heard.put(whole)

    def _hear_ready(self, message: Received) -> None:
        if json.loads(message.payload)["willing"]:
            self._ready.put(message.topic.split("/")[3])


class Meter:
    """A TCP proxy on the loopback interface that counts what passes.

    Attributes:
        port: where it listens.
        count: bytes so far, both ways.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.count = 0
        self._lock = threading.Lock()

    def __enter__(self) -> "Meter":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65_536):
                with self._lock:
                    self.count += len(piece)
                target.sendall(piece)
        target.close()


@contextmanager
def _learner(folder: Path, train: Path, port: int, *, name: str = "board") -> Iterator[int]:
    folder.mkdir(parents=True)
    x, y = _samples(name)
    np.savez(folder / f"{name}.npz", x=x, target=y)
    command = [sys.executable, "-m", "tools.federated_board", str(folder), "--fleet", "bench"]
    yield from _running([*command, "--train", str(train), "--port", str(port)])


@contextmanager
def _daemon(
    folder: Path, bundle: Path, port: int, *, name: str = "board", learns: bool = True
) -> Iterator[int]:
    """An edgekitd that follows rows; gives its process id."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rows.csv").write_text(csv_of(np.zeros((0, 64))))
    if learns and not (folder / "state").exists():
        fill(folder / "state", bundle, _samples(name))
    federated = f'[federated.digits]\npipeline = "reader"\n{_POLICY}' if learns else ""
    (folder / "edgekit.toml").write_text(
        f'state = "state"\n[device]\nfleet = "bench"\nname = "{name}"\n'
        f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\n[pipelines.reader]\nbundle = "{bundle}"\n'
        'source = { kind = "csv", path = "rows.csv", follow = true }\n'
        f'sinks = [{{ kind = "mqtt" }}]\n{federated}'
    )
    command = [sys.executable, "-m", "edgekit.daemon.main", "--config"]
    yield from _running([*command, str(folder / "edgekit.toml")])


def _running(command: list[str]) -> Iterator[int]:
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "running" in line:
            break
    threading.Thread(target=process.stderr.read, daemon=True).start()
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


@contextmanager
def _rows_at(path: Path, hz: float) -> Iterator[None]:
    ended = threading.Event()
    rows = _samples("rows")[0].reshape(-1, 64)

    def write() -> None:
        number = 0
        while not ended.wait(1 / hz):
            append(path, rows[number % len(rows)][np.newaxis])
            number += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _samples(name: str) -> tuple[Array, Array]:
    """Made-up samples, as a board may have them."""
    rng = np.random.default_rng(len(name))
    return rng.random((320, 1, 64), np.float32), rng.integers(0, 10, 320)


def _work_ms(message: Received) -> float:
    ms: dict[str, Any] = json.loads(message.payload)["ms"]
    return float(ms["prepare"] + ms["infer"] + ms["interpret"])


def _drain(heard: "queue.Queue[float]") -> list[float]:
    found = []
    while not heard.empty():
        found.append(heard.get_nowait())
    return found


def _busiest(pid: int) -> dict[int, float]:
    """Seconds of processor time of each thread."""
    return {t.id: t.user_time + t.system_time for t in psutil.Process(pid).threads()}


def _pss_mb(pid: int) -> float:
    return _of(pid, "smaps_rollup", "Pss:")


def _rss_mb(pid: int) -> float:
    return _of(pid, "status", "VmRSS:")


def _of(pid: int, file: str, key: str) -> float:
    for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024 / 1e6
    return float("nan")


def _span(values: list[float]) -> str:
    return f"({min(values):.1f} to {max(values):.1f})"


def _name_of(message: bytes) -> bytes:
    return hashlib.sha256(message).digest()[:16]


if __name__ == "__main__":
    main()
