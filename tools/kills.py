"""Kills a publisher and its broker at random moments, and counts whether an event was lost.

`python -m tools.kills` starts a process that stores events in an outbox and publishes them, writes
down each event that the outbox has confirmed as stored, and kills it with SIGKILL, 200 times; in
between it stops and starts the broker, or makes it hang, 50 times. Every stored event must reach a
subscriber. It exits with 1 where one does not, or where the outbox's file is not whole.
"""

import argparse
import itertools
import json
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edgekit.messaging.backoff import jittered_backoff
from edgekit.messaging.link import MqttLink, MqttSettings
from edgekit.messaging.outbox import Priority, Ticket, open_outbox
from edgekit.messaging.outbox_store import mistakes_in
from edgekit.messaging.payloads import Status, Versions
from edgekit.messaging.topics import Topics
from tools.tuned_broker import TunedBroker

_TOPICS = Topics("lab", "board")
_DRAIN_S = 60.0


def publish(host: str, port: int, outbox: Path, journal: Path, boot: str, *, drains: bool) -> None:
    """What the process does that is killed: stores events as fast as they are confirmed.

    Args:
        host: the broker's.
        port: the broker's.
        outbox: the file.
        journal: gets a line for each event that is on the disk.
        boot: names this run.
        drains: whether to store nothing, and to end when nothing waits any more.
    """
    logging.getLogger("edgekit").setLevel(logging.ERROR)  # an absent broker is no news here
    versions = Versions(edgekit="0", python="0", onnxruntime="0")
    status = Status(state="online", boot=boot, versions=versions)
    topic = _TOPICS.event("x")
    with (
        open_outbox(outbox, backfill_hz=5000) as box,
        MqttLink(
            MqttSettings(host, port),
            _TOPICS,
            status,
            outbox=box,
            backoff=lambda: jittered_backoff(0.02, 0.2),
        ) as link,
        journal.open("ab", buffering=0) as lines,
    ):
        if drains:
            if not link.wait_connected(_DRAIN_S) or not link.wait_until_acknowledged(_DRAIN_S):
                raise SystemExit(f"not drained: {box.counts}")
            return
        waiting: list[tuple[int, Ticket]] = []
        for seq in itertools.count():
            payload = json.dumps({"v": 1, "rule": "x", "boot": boot, "seq": seq}).encode()
            waiting.append((seq, box.put(topic, payload, priority=Priority.EVENT)))
            if len(waiting) == 8:  # several at once, as pipelines do
                kept = [seq for seq, ticket in waiting if ticket.wait(30)]
                lines.write("".join(f"{boot} {seq}\n" for seq in kept).encode())
                waiting.clear()
                time.sleep(0.004)


@dataclass
class Subscriber:
    """Counts what arrives, by (boot, seq); the broker keeps its session while it is away."""

    heard: Counter[tuple[str, int]] = field(default_factory=Counter)
    out_of_order: int = 0
    late: int = 0
    _last_live: tuple[str, int] = ("", -1)

    def take(self, payload: bytes) -> None:
        message = json.loads(payload)
        name = (message["boot"], message["seq"])
        if message.get("hist"):
            self.late += 1
        elif self.heard[name] == 0:
            boot, seq = self._last_live
            self.out_of_order += name[0] == boot and name[1] < seq
            self._last_live = name
        self.heard[name] += 1


@contextmanager
def _subscribed(broker: TunedBroker) -> Iterator[Subscriber]:
    subscriber, ready = Subscriber(), threading.Event()
    client = Client(
        CallbackAPIVersion.VERSION2,
        "counter",
        protocol=MQTTProtocolVersion.MQTTv311,
        clean_session=False,
    )
    client.reconnect_delay_set(1, 1)
    client.on_connect = lambda *_: client.subscribe(_TOPICS.prefix + "event/+", qos=1) and None
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda _client, _data, message: subscriber.take(bytes(message.payload))
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        if not ready.wait(20):
            raise SystemExit("the subscriber got no answer")
        yield subscriber
    finally:
        client.disconnect()
        client.loop_stop()


@contextmanager
def _outages(broker: TunedBroker, times: int, pause_s: float, rng: random.Random) -> Iterator[None]:
    """Stops the broker cleanly, or makes it hang for a while, now and then."""
    enough = threading.Event()

    def disturb() -> None:
        for number in range(times):
            if enough.wait(rng.uniform(0.3, 1.7) * pause_s):
                return
            if number % 5 == 4:
                os.kill(broker.pid, signal.SIGSTOP)
                time.sleep(rng.uniform(0.1, 0.6))
                os.kill(broker.pid, signal.SIGCONT)
            else:
                broker.stop_cleanly()
                time.sleep(rng.uniform(0.0, 0.5))
                broker.start()

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        yield
        thread.join()
    finally:
        enough.set()
        thread.join()


@dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    kills: int
    outages: int
    committed: int
    received: int
    lost: int
    duplicates: int
    late: int
    out_of_order: int
    damaged: int

    @property
    def is_well(self) -> bool:
        """Whether nothing was lost and every file was whole."""
        return self.lost == 0 and self.damaged == 0 and self.committed > 0


def run(*, kills: int, outages: int, seed: int, longest_s: float = 1.5) -> Outcome:
    """Does it.

    Args:
        kills: how often the publisher is killed.
        outages: how often the broker goes away meanwhile.
        seed: of the moments.
        longest_s: how long a publisher lives at most.
    """
    rng = random.Random(seed)
    damaged = 0
    with (
        tempfile.TemporaryDirectory(prefix="edgekit-kills-") as folder,
        TunedBroker(["max_inflight_messages 100"], persistent=True) as broker,
        _subscribed(broker) as subscriber,
    ):
        outbox, journal = Path(folder) / "outbox.db", Path(folder) / "journal"
        pause_s = kills * longest_s * 0.6 / max(1, outages) * 0.8
        with _outages(broker, outages, pause_s, random.Random(seed + 1)):
            for number in range(kills):
                child = _start(broker, outbox, journal, f"run{number}")
                time.sleep(0.25 + rng.uniform(0.0, longest_s))
                child.kill()
                child.wait()
                damaged += _is_damaged(outbox)
        child = _start(broker, outbox, journal, "drain", "--drain")
        if child.wait() != 0:
            print("the outbox could not be emptied at the end")
        committed = {(boot, int(seq)) for boot, seq in (line.split() for line in _lines(journal))}
        deadline = time.monotonic() + _DRAIN_S
        while committed - subscriber.heard.keys() and time.monotonic() < deadline:
            time.sleep(0.1)
        heard = subscriber.heard
        _show(committed - heard.keys())
        return Outcome(
            kills,
            outages,
            committed=len(committed),
            received=len(heard),
            lost=len(committed - heard.keys()),
            duplicates=heard.total() - len(heard),
            late=subscriber.late,
            out_of_order=subscriber.out_of_order,
            damaged=damaged,
        )


def _show(lost: set[tuple[str, int]]) -> None:
    """Prints what was lost, in ranges."""
    for boot, names in itertools.groupby(sorted(lost), key=lambda name: name[0]):
        seqs = [seq for _, seq in names]
        print(f"lost of {boot}: {len(seqs)} from {seqs[0]} to {seqs[-1]}")


def _start(
    broker: TunedBroker, outbox: Path, journal: Path, boot: str, *more: str
) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tools.kills", "--publish", broker.host, str(broker.port)]
    return subprocess.Popen([*command, str(outbox), str(journal), boot, *more])


def _is_damaged(outbox: Path) -> bool:
    if not outbox.exists():  # killed before it was made
        return False
    aside = outbox.with_name(outbox.name + ".damaged")
    found = mistakes_in(outbox)
    if found or aside.exists():
        print(f"damaged: {found}")
    return bool(found) or aside.exists()


def _lines(journal: Path) -> list[str]:
    """The whole lines; a kill can cut the last one."""
    text = journal.read_text()
    return text[: text.rfind("\n") + 1].splitlines() if journal.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--outages", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--publish", nargs=5, help=argparse.SUPPRESS)
    parser.add_argument("--drain", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.publish:
        host, port, outbox, journal, boot = options.publish
        publish(host, int(port), Path(outbox), Path(journal), boot, drains=options.drain)
        return
    outcome = run(kills=options.kills, outages=options.outages, seed=options.seed)
    print(f"seed {options.seed}: {outcome}")
    sys.exit(0 if outcome.is_well else 1)


if __name__ == "__main__":
    main()
