"""What rounds cost over Flower, beside edgekit's own: accuracy, time, memory, bytes and size.

`make flower-bench`, or `python -m tools.bench.flower` with a Python that has Flower. The task is
that of docs/federated.md: digits, 64-32-10, Dirichlet 0.5, seed 0, 2 epochs. The curve is of 10
clients whose messages are handed over in this process; all else of two SuperNodes in processes of
their own. A device's memory is that of its SuperNode and of all processes that it starts. `--mqtt
FILE` is JSON of the same figures for edgekit over MQTT, and gets a column of its own.
"""

import json
import logging
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, cast

import click

from edgekit.array import Array
from edgekit.federated.simulation import Plan, simulate
from edgekit.federated.strategies import FedAvg
from edgekit.learning.federated import LocalTrainer
from tools.flower_app.counting_proxy import CountingProxy
from tools.flower_app.fleet import PrivateFleet
from tools.flower_app.prepare import Prepared, prepare_digits

SHOWN = (1, 5, 10, 15, 20)
WARM = 2

Figures = Mapping[str, float | Sequence[float]]
"""By the keys of `ROWS`; what is unknown is left out."""

ROWS = {
    "accuracy": f"accuracy after rounds {', '.join(map(str, SHOWN))}, 10 clients",
    "round_s": "median seconds a round, two devices",
    "peak_mib": "a device while it trains, MiB resident",
    "shared_mib": "the same, shared pages divided (PSS)",
    "idle_mib": "a device that waits, MiB resident",
    "up_kb": "kB up a client and round",
    "down_kb": "kB down a client and round",
    "idle_mb_a_day": "MB a day of a device that waits, both ways",
    "install_mib": "MiB installed, alone",
    "packages": "packages",
    "added_mib": "MiB that it adds to a board that has edgekit",
}

LEARNS = """
import json, sys
from pathlib import Path
from edgekit.learning.federated import Guidance, LocalTrainer
from edgekit.learning.federated.codecs import codec_of
from edgekit.learning.federated.framing import chunked, encode_update
from edgekit.learning.npz import read_arrays
trainer = LocalTrainer(Path(sys.argv[1]))
samples = tuple(read_arrays(Path(sys.argv[2])).values())
for number in range(20):
    update = trainer.train("a", trainer.parameters, samples, Guidance(2, 0.1), seed=number)
    sent = chunked(encode_update(update, codec_of("float32")), 1 << 20)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
rollup = dict(line.split(":", 1) for line in open("/proc/self/smaps_rollup") if "kB" in line)
print(json.dumps({
    "peak_mib": int(status["VmHWM"].split()[0]) / 1024,
    "shared_mib": int(rollup["Pss"].split()[0]) / 1024,
    "up_kb": sum(map(len, sent)) / 1000,
}))
"""


@click.command()
@click.option("--rounds", default=10, show_default=True, help="Of the two SuperNodes.")
@click.option("--idle", "idle_s", default=60.0, show_default=True, help="Seconds to count for.")
@click.option("--install/--no-install", default=True, help="Install each into a folder and weigh.")
@click.option("--mqtt", type=click.Path(exists=True, path_type=Path), help="Figures as JSON.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write figures here.")
def main(
    rounds: int, idle_s: float, install: bool, mqtt: Path | None, json_path: Path | None
) -> None:
    """Prints a table: Flower, our strategies over it, no network at all, and MQTT if given."""
    logging.getLogger("flwr").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ten, two = prepare_digits(folder / "ten", 10), prepare_digits(folder / "two", 2)
        columns: dict[str, dict[str, float | Sequence[float]]] = {
            "Flower": {"accuracy": flowers_curve(ten)},
            "edgekit over Flower": {"accuracy": our_curve(ten, over_flower=True)},
            "edgekit, no network": {"accuracy": our_curve(ten), **learning_alone(two)},
        }
        columns["Flower"] |= deployed(folder / "a", two, "flower-fedavg", rounds, idle_s)
        columns["edgekit over Flower"] |= deployed(folder / "b", two, "fedavg", rounds, idle_s)
        if install:
            base = installed(folder / "base", ".")["install_mib"]
            both = installed(folder / "both", ".", "flwr")["install_mib"]
            ours = installed(folder / "ours", ".[federated]")
            columns["Flower"] |= installed(folder / "flower", "flwr") | {"added_mib": both - base}
            columns["edgekit, no network"] |= ours | {"added_mib": ours["install_mib"] - base}
    if mqtt is not None:
        columns["edgekit over MQTT"] = json.loads(mqtt.read_text(encoding="utf-8"))
    if json_path is not None:
        json_path.write_text(json.dumps(columns, indent=1) + "\n", encoding="utf-8")
    for line in table(columns):
        click.echo(line)


def table(columns: Mapping[str, Figures]) -> Iterator[str]:
    """The lines of a Markdown table; a dash where a figure is unknown."""
    yield f"| | {' | '.join(columns)} |"
    yield f"| --- |{' ---: |' * len(columns)}"
    for key, title in ROWS.items():
        yield f"| {title} | {' | '.join(_cell(figures.get(key)) for figures in columns.values())} |"


def flowers_curve(prepared: Prepared) -> list[float]:
    """Accuracy under Flower's own FedAvg, after the rounds in `SHOWN`."""
    from flwr.app import ArrayRecord, ConfigRecord, MetricRecord
    from flwr.serverapp.strategy import FedAvg as FlowersFedAvg

    from edgekit.federated.flower.records import array_record
    from tools.flower_app.direct_grid import DirectGrid

    trainer = LocalTrainer(Path(str(prepared.server["train"])))
    test = prepared.task.clients.test

    def judged(number: int, arrays: ArrayRecord) -> MetricRecord:
        outputs = trainer.evaluate({n: a.numpy() for n, a in arrays.items()}, test)[1]
        return MetricRecord({"accuracy": float((outputs.argmax(axis=1) == test[-1]).mean())})

    found = FlowersFedAvg(fraction_evaluate=0.0).start(
        cast(Any, DirectGrid(prepared.boards)),
        array_record(trainer.parameters),
        num_rounds=max(SHOWN),
        train_config=ConfigRecord({"epochs": 2, "rate": 0.1}),
        evaluate_fn=judged,
    )
    return [cast(float, found.evaluate_metrics_serverapp[n]["accuracy"]) for n in SHOWN]


def our_curve(prepared: Prepared, *, over_flower: bool = False) -> list[float]:
    """Accuracy under our FedAvg, simulated or by Flower's messages, after the rounds in `SHOWN`."""
    trainer = LocalTrainer(Path(str(prepared.server["train"])))
    if over_flower:
        return _curve_by_messages(trainer, prepared)
    plan = Plan(rounds=max(SHOWN), epochs=2)
    found = simulate(trainer, prepared.task.clients, FedAvg(), plan).rounds
    return [one.accuracy or 0.0 for one in found if one.number in SHOWN]


def _curve_by_messages(trainer: LocalTrainer, prepared: Prepared) -> list[float]:
    from edgekit.federated.flower import FlowerPlan, play_rounds
    from tools.flower_app.direct_grid import DirectGrid

    test, seen = prepared.task.clients.test, []

    def judged(parameters: Mapping[str, Array]) -> tuple[float, float]:
        loss, outputs = trainer.evaluate(parameters, test)
        seen.append(float((outputs.argmax(axis=1) == test[-1]).mean()))
        return seen[-1], loss

    plan = FlowerPlan(rounds=max(SHOWN), epochs=2, boards=len(prepared.boards))
    grid: Any = DirectGrid(prepared.boards)
    play_rounds(grid, trainer.parameters, FedAvg(), plan, judge=judged)
    return [seen[number - 1] for number in SHOWN]


def deployed(
    folder: Path, prepared: Prepared, strategy: str, rounds: int, idle_s: float
) -> dict[str, float]:
    """Two SuperNodes: time, memory, bytes.

    Bytes a round are the difference between a long and a short run, so that what only the start of
    a run costs is not in them.
    """
    wanted = {**prepared.server, "strategy": strategy, "epochs": 2}
    with CountingProxy() as proxy, PrivateFleet(folder, prepared.boards, proxy=proxy) as fleet:
        counted = []
        with Memory([node.pid for node in fleet.nodes]) as memory:
            for count in (WARM, WARM + rounds):
                before = proxy.up, proxy.down
                fleet.run({**wanted, "rounds": count}, timeout_s=60 + 60 * count)
                counted.append((proxy.up - before[0], proxy.down - before[1]))
        out = Path(str(prepared.server["out"])) / "rounds.json"
        seconds = [one["seconds"] for one in json.loads(out.read_text(encoding="utf-8"))]
        time.sleep(5)  # processes of the run end
        waiting = resident_mib(fleet.nodes[0].pid)
        before = proxy.up, proxy.down
        time.sleep(idle_s)
        idle = proxy.up - before[0] + proxy.down - before[1]
    more = [(after - first) / rounds / 2 for first, after in zip(*counted, strict=True)]
    return {
        "round_s": median(seconds[WARM:]),
        "peak_mib": memory.resident,
        "shared_mib": memory.shared,
        "idle_mib": waiting,
        "up_kb": more[0] / 1000,
        "down_kb": more[1] / 1000,
        "idle_mb_a_day": idle / 2 / idle_s * 86_400 / 1e6,
    }


def learning_alone(prepared: Prepared) -> dict[str, float]:
    """What a process of ours takes that only trains and encodes, and how long rounds do."""
    board = prepared.boards[0]
    command = [sys.executable, "-c", LEARNS, str(board["train"]), str(board["samples"])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    seconds, last = [], time.perf_counter()

    def lap(_: object) -> None:
        nonlocal last
        seconds.append(time.perf_counter() - last)
        last = time.perf_counter()

    trainer = LocalTrainer(Path(str(board["train"])))
    plan = Plan(rounds=20, epochs=2)
    simulate(trainer, prepared.task.clients, FedAvg(), plan, on_round=lap)
    return {**found, "round_s": median(seconds)}


def installed(folder: Path, *what: str) -> dict[str, float]:
    """How large an environment with some things in it is, and how many packages it holds."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = str(folder / "bin/python")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", *what]
    subprocess.run(install, check=True, cwd=Path(__file__).parents[2], capture_output=True)
    size = sum(p.lstat().st_blocks * 512 for p in folder.rglob("*") if not p.is_symlink())
    packages = list(folder.glob("lib/python*/site-packages/*.dist-info"))
    return {"install_mib": size / 2**20, "packages": len(packages)}


class Memory:
    """Watches processes and all that they start; the most that any of them took at once.

    Attributes:
        resident: MiB of all pages of one device's processes.
        shared: the same, with pages that several processes share divided among them.
    """

    def __init__(self, leaders: Sequence[int]) -> None:
        self.resident = self.shared = 0.0
        self._leaders = leaders
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.2):
            for leader in self._leaders:
                self.resident = max(self.resident, resident_mib(leader))
                self.shared = max(self.shared, resident_mib(leader, "Pss"))


def resident_mib(leader: int, key: str = "Rss") -> float:
    """MiB of a process and all that descend from it."""
    total, waiting = 0, [leader]
    children = _children()
    while waiting:
        process = waiting.pop()
        waiting += children.get(process, [])
        try:
            text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
        except OSError:  # it has ended
            continue
        for line in text.splitlines():
            if line.startswith(f"{key}:"):
                total += int(line.split()[1])
    return total / 1024


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                stat = (folder / "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            parent = int(stat.rpartition(")")[2].split()[1])
            found.setdefault(parent, []).append(int(folder.name))
    return found


def _cell(value: float | Sequence[float] | None) -> str:
    if value is None:
        return "–"
    if isinstance(value, Sequence):
        return ", ".join(f"{one:.3f}".lstrip("0") for one in value)
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


if __name__ == "__main__":
    main()
