"""What a process costs that trains an autoencoder: memory and import time, ours and PyTorch's.

`python -m tools.bench.training_memory [--torch PYTHON] [--rounds 7]`. The autoencoder is
640-128-8-128-640 (MLPerf Tiny's, without its inner layers), trained with Adam in batches of 64 on
one thread. Each process imports, trains 200 steps and says what it took; the two take turns, and a
figure is the median over rounds with its extremes. Without PyTorch its row is left out.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median

import click
import numpy as np

from edgekit.graph.build import GraphBuilder
from edgekit.train import Step, compile_step
from edgekit.train.initializers import reinitialized
from edgekit.train.losses import Reconstruction
from edgekit.train.optimizers import Adam

SIZES = (640, 128, 8, 128, 640)
ROWS = 64
FIGURES = ("import ms", "resident MB", "peak MB", "ms a step")

_TOLD = """
import json, time
def told(started, imported, ended):
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    of = lambda key: int(status[key].split()[0]) / 1024
    print(json.dumps([(imported - started) * 1e3, of("VmRSS"), of("VmHWM"), ended * 1e3]))
started = time.perf_counter()
"""

OURS = """
import sys
from pathlib import Path
import numpy as np
from edgekit.learning import Arrays, Learner
imported = time.perf_counter()
learner = Learner(Path(sys.argv[1]))
rng = np.random.default_rng(0)
data = Arrays(rng.standard_normal((1280, 640), np.float32))
begun = time.perf_counter()
learner.train(data, epochs=10, rate=1e-3)
told(started, imported, (time.perf_counter() - begun) / 200)
"""

TORCH = """
import torch
imported = time.perf_counter()
torch.set_num_threads(1)
torch.manual_seed(0)
sizes = (640, 128, 8, 128, 640)
layers = []
for n, m in zip(sizes, sizes[1:]):
    layers += [torch.nn.Linear(n, m), torch.nn.ReLU()]
net = torch.nn.Sequential(*layers[:-1])
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
data = torch.randn(1280, 640)
begun = time.perf_counter()
for epoch in range(10):
    for chosen in torch.randperm(len(data)).split(64):
        x = data[chosen]
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(net(x), x).backward()
        optimizer.step()
told(started, imported, (time.perf_counter() - begun) / 200)
"""


@click.command()
@click.option("--torch", "python", default=sys.executable, help="A Python that has PyTorch.")
@click.option("--rounds", default=7)
def main(python: str, rounds: int) -> None:
    """Prints a row for each, and the ratio."""
    for line in figures(python, rounds=rounds):
        click.echo(line)


def figures(python: str = sys.executable, *, rounds: int = 7) -> Iterator[str]:
    """The lines of a table: a row for each, and the ratio.

    Args:
        python: a Python that has PyTorch, if any has.
        rounds: how many processes of each there are.
    """
    with tempfile.TemporaryDirectory() as folder:
        autoencoder_step().save(Path(folder))
        commands = {"edgekit": [sys.executable, "-c", _TOLD + OURS, folder]}
        if has_torch(python):
            commands["PyTorch"] = [python, "-c", _TOLD + TORCH]
        found: dict[str, list[list[float]]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                found[name].append(json.loads(done.stdout))
    yield f"| | {' | '.join(FIGURES)} |"
    yield f"| --- |{' ---: |' * len(FIGURES)}"
    for name, runs in found.items():
        columns = list(zip(*runs, strict=True))
        cells = (f"{median(c):.3g} ({min(c):.3g}-{max(c):.3g})" for c in columns)
        yield f"| {name} | {' | '.join(cells)} |"
    if len(found) == 2:
        ours, theirs = (np.median(runs, axis=0) for runs in found.values())
        yield f"| ratio | {' | '.join(f'{ratio:.2f}' for ratio in ours / theirs)} |"


def autoencoder_step() -> Step:
    """The autoencoder's step."""
    build = GraphBuilder("autoencoder")
    value = build.input("x", np.float32, (1, SIZES[0]))
    for number, (n, m) in enumerate(pairwise(SIZES)):
        if number:
            value = build.op("Relu", value)
        weights = build.constant(np.zeros((n, m), np.float32), f"layer{number}.weights")
        bias = build.constant(np.zeros(m, np.float32), f"layer{number}.bias")
        value = build.op("Gemm", value, weights, bias)
    model = build.finish(y=(value, np.float32, (1, SIZES[-1])))
    return compile_step(reinitialized(model), Reconstruction(), Adam(), rows=ROWS)


def has_torch(python: str) -> bool:
    """Whether a Python can import PyTorch."""
    done = subprocess.run([python, "-c", "import torch"], capture_output=True, check=False)
    return done.returncode == 0


if __name__ == "__main__":
    main()
