"""Learning together in one go: a broker, five boards, a coordinator, and the bundle it makes.

Each board is an edgekitd that watches a pump of its own. The bundle was trained on one of them; the
boards bring it to know all, and no window leaves its board. Needs mosquitto, and no network.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
import numpy as np

from edgekit.array import Array
from edgekit.errors import EdgekitError, Unavailable
from tools.private_broker import PrivateBroker

_EDGEKIT = str(Path(sys.executable).with_name("edgekit"))
_BOARDS = 5
_WINDOW = 32
_PATIENCE_S = 30.0

_TRAINING = """\
epochs = 20
rows = 32
[model]
kind = "autoencoder"
hidden = [32, 8, 32]
false_alarm_rate = 0.01
[data]
kind = "rows"
path = "normal.csv"
window = 32
hop = 8
[loss]
kind = "reconstruction"
of = "scaled"
[schedule]
kind = "cosine"
rate = 3e-3
[rounds]                # the bundle's step is one for rounds
"""

_RECIPE = """\
name = "pumps"
steps = []
[build]
training = "training.toml"
on_board = true
"""

_JOB = """\
name = "pumps"
fleet = "demo"
bundle = "bundle"
[mqtt]
host = "{host}"
port = {port}
[evaluation]
data = "held.npz"
keep = "last"
[rounds]
count = {rounds}
minimum = 3
[training]
epochs = 20
rate = 0.01
[result]
bundle = "learned"
"""

_BOARD = """\
state = "state-{name}"
[device]
fleet = "demo"
name = "{name}"
[mqtt]
host = "{host}"
port = {port}
[pipelines.pump]
bundle = "bundle"
source = {{ kind = "csv", path = "{name}.csv", follow = true }}
sinks = [{{ kind = "mqtt" }}]
[federated.pumps]
pipeline = "pump"
[federated.pumps.policy]        # these boards share one machine, and are in a hurry
max_busy = 1.0
max_waiting = 100000
max_temperature_c = 150
mains = false
rounds_a_day = 1000
"""


@click.command()
@click.option("--rounds", default=20, help="How many.")
def main(rounds: int) -> None:
    """Runs the demo; leaves with the exit code of the first command that fails."""
    try:
        with tempfile.TemporaryDirectory(prefix="edgekit-demo-") as folder:
            _run(Path(folder), rounds)
    except EdgekitError as error:
        click.echo(f"demo: error: {error}", err=True)
        sys.exit(error.exit_code)
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)


def _run(folder: Path, rounds: int) -> None:
    for number in range(_BOARDS):
        _write_csv(folder / f"pump-{number}.csv", pump(number, 0, seed=number))
    _write_csv(folder / "normal.csv", pump(0, 2400, seed=99))
    _write_csv(folder / "new.csv", pump(_BOARDS - 1, _WINDOW, seed=100))
    held = [pump(number, 50 * _WINDOW, seed=50 + number) for number in range(_BOARDS)]
    windows = np.concatenate(held).reshape(-1, _WINDOW, 2)
    np.savez(folder / "held.npz", window=windows.astype(np.float32))
    (folder / "training.toml").write_text(_TRAINING)
    (folder / "recipe.toml").write_text(_RECIPE)
    click.secho("1. Train a bundle on one pump, with a step for rounds", bold=True)
    _edgekit(folder, "build", "recipe.toml", "--out", "bundle")
    with PrivateBroker() as broker, ExitStack() as boards:
        if broker.kind != "mosquitto":
            raise Unavailable("needs mosquitto: apt-get install mosquitto")
        place = {"host": broker.host, "port": broker.port}
        click.secho(f"\n2. Start {_BOARDS} boards, each at its own pump", bold=True)
        for number in range(_BOARDS):
            name = f"pump-{number}"
            (folder / f"{name}.toml").write_text(_BOARD.format(name=name, **place))
            boards.enter_context(_board(folder, name, pump(number, 2400, seed=number)))
        click.secho("\n3. Lead rounds", bold=True)
        job = _JOB.format(rounds=rounds, **place)
        (folder / "job.toml").write_text(job)
        _edgekit(folder, "federate", "serve", "job.toml")
    click.secho("\n4. A new window of the last pump: the old bundle, and the new one", bold=True)
    for bundle in ("bundle", "learned"):
        _edgekit(folder, "predict", bundle, "new.csv")


def pump(number: int, rows: int, *, seed: int) -> Array:
    """A healthy pump's vibration and temperature; each runs at a speed of its own.

    Returns:
        float64 `[rows, 2]`.
    """
    rng = np.random.default_rng(seed)
    at = np.arange(rows) + rng.integers(1000)
    vibration = np.sin(2 * np.pi * at / (16 - 2 * number)) * (1 + 0.2 * number)
    temperature = 60 + 3 * np.sin(2 * np.pi * at / 400)
    return np.stack([vibration, temperature], axis=1) + rng.normal(0, 0.1, (rows, 2))


def _write_csv(path: Path, rows: Array) -> None:
    path.write_text("vibration,temperature\n" + _csv(rows), encoding="utf-8")


def _csv(rows: Array) -> str:
    return "".join(",".join(f"{value:.6g}" for value in row) + "\n" for row in rows)


def _edgekit(folder: Path, *words: str) -> None:
    click.secho(f"$ edgekit {' '.join(words)}", dim=True)
    subprocess.run([_EDGEKIT, *words], cwd=folder, check=True)


@contextmanager
def _board(folder: Path, name: str, rows: Array) -> Iterator[None]:
    """An edgekitd that follows a file, to which rows are added."""
    log = folder / f"{name}.log"
    command = [sys.executable, "-m", "edgekit.daemon.main", "--config", f"{name}.toml"]
    with log.open("w") as file:
        process = subprocess.Popen(command, cwd=folder, stderr=file)
    try:
        until_s = time.monotonic() + _PATIENCE_S
        while "running:" not in log.read_text():
            if process.poll() is not None or time.monotonic() > until_s:
                raise Unavailable(f"{name} does not run:\n{log.read_text()}")
            time.sleep(0.1)
        click.echo(f"{name}: process {process.pid}")
        with (folder / f"{name}.csv").open("a") as file:
            file.write(_csv(rows))
        yield
    finally:
        process.terminate()
        process.wait(_PATIENCE_S)


if __name__ == "__main__":
    main()
