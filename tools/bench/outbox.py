"""How fast the outbox stores events durably, beside a bare fdatasync loop on the same disk.

`python -m tools.bench.outbox [--folder FOLDER]`. Each round measures every way once, in turn, so
that what else the machine does falls on all of them; the medians and their ratios count.
"""

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from edgekit.messaging.outbox import Outbox, Priority

_ROUNDS = 9
_ALONE = 300
_MANY = 5000
_WRITERS = 8

_PAYLOAD = json.dumps(
    {
        "v": 1,
        "rule": "leak",
        "fired": 1767225600123,
        "seq": 4711,
        "boot": "5f3a9c1e7b20",
        "when": "pump.score > 1.0 and door.p > 0.8",
        "held_s": 5.0,
        "facts": {"pump.score": 1.74, "door.p": 0.83},
    }
).encode()


def bare_syncs(folder: Path) -> float:
    """Appends of one event each with an fdatasync, in a second: what the disk can do."""
    with (folder / "bare").open("wb", buffering=0) as file:
        started = time.perf_counter()
        for _ in range(_ALONE):
            file.write(_PAYLOAD)
            os.fdatasync(file.fileno())
        return _ALONE / (time.perf_counter() - started)


def alone(folder: Path) -> float:
    """Events a second of one writer that waits for each to be on the disk."""
    with _outbox(folder) as outbox:
        started = time.perf_counter()
        for _ in range(_ALONE):
            _put(outbox)
        return _ALONE / (time.perf_counter() - started)


def several(folder: Path) -> float:
    """Events a second of several writers, each waiting for each of its own."""
    with _outbox(folder) as outbox:

        def work() -> None:
            for _ in range(_ALONE):
                _put(outbox)

        threads = [threading.Thread(target=work) for _ in range(_WRITERS)]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return _WRITERS * _ALONE / (time.perf_counter() - started)


def handed_over(folder: Path) -> float:
    """Events a second of one writer that goes on, until the last one is on the disk."""
    with _outbox(folder) as outbox:
        started = time.perf_counter()
        for _ in range(_MANY):
            ticket = outbox.put("edgekit/v1/lab/board/event/leak", _PAYLOAD, priority=_EVENT)
        _must(ticket.wait(60))
        return _MANY / (time.perf_counter() - started)


def through(folder: Path) -> float:
    """Events a second that are stored, taken, confirmed and deleted, with all of it on the disk."""
    with _outbox(folder) as outbox:
        more = threading.Event()
        outbox.attach(more.set, lambda letter: False)
        outbox.connected(20)
        started = time.perf_counter()

        def deliver() -> None:
            delivered = 0
            while delivered < _MANY:
                if (message := outbox.take()) is None:
                    more.wait(0.05)
                    more.clear()
                    continue
                outbox.confirmed(message.id, 0)
                delivered += 1

        thread = threading.Thread(target=deliver)
        thread.start()
        for number in range(_MANY):
            ticket = outbox.put("edgekit/v1/lab/board/event/leak", _PAYLOAD, priority=_EVENT)
            if number % 100 == 99:
                _must(ticket.wait(60))  # as a pipeline that is not faster than the broker
        thread.join()
        seconds = time.perf_counter() - started
        _must(outbox.counts.acknowledged == _MANY)
    return _MANY / seconds


_EVENT = Priority.EVENT
_WAYS: dict[str, Callable[[Path], float]] = {
    "bare fdatasync": bare_syncs,
    "outbox, one writer that waits for each": alone,
    f"outbox, {_WRITERS} writers that wait for each": several,
    "outbox, one writer that goes on": handed_over,
    "outbox, stored, confirmed and deleted": through,
}


def _outbox(folder: Path) -> Outbox:
    for file in folder.glob("outbox.db*"):
        file.unlink()
    return Outbox(folder / "outbox.db", backfill_hz=10_000)


def _put(outbox: Outbox) -> None:
    ticket = outbox.put("edgekit/v1/lab/board/event/leak", _PAYLOAD, priority=_EVENT)
    _must(ticket.wait(60))


def _must(happened: bool) -> None:
    if not happened:
        raise SystemExit("an event was not stored: the figures would mean nothing")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures the outbox.")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; a temporary one else")
    folder = parser.parse_args().folder
    rates: dict[str, list[float]] = {name: [] for name in _WAYS}
    with tempfile.TemporaryDirectory(prefix="edgekit-outbox-", dir=folder) as place:
        for _ in range(_ROUNDS):
            for name, measure in _WAYS.items():
                rates[name].append(measure(Path(place)))
    bare = rates["bare fdatasync"]
    print(f"{len(_PAYLOAD)} bytes an event, {_ROUNDS} interleaved rounds, medians")
    for name, found in rates.items():
        ratio = statistics.median(rate / base for rate, base in zip(found, bare, strict=True))
        print(f"{name:<42} {statistics.median(found):>9,.0f} /s   {ratio:>6.2f} x bare")


if __name__ == "__main__":
    main()
