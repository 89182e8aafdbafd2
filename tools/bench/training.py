"""Times a step of training beside PyTorch's, and compares what both learn of digits.

`python -m tools.bench.training [--rounds 60] [--seeds 5] [--only NET]`, with a Python that has
PyTorch too; without it only our own times are told. Both train from the same weights on one
thread and take turns; a ratio is the median over rounds, with where the middle 80 % lie.
"""

import importlib.util
from collections.abc import Callable
from functools import partial

import click
import numpy as np
import onnxruntime as ort
from sklearn.datasets import load_digits

from edgekit.array import Array
from edgekit.learning.dataset import batches
from edgekit.runtime.timing import interleaved, ratio
from edgekit.train import compile_step
from edgekit.train.data.arrays import Arrays
from edgekit.train.engine import StepRunner
from edgekit.train.evaluating import evaluate
from edgekit.train.losses import CrossEntropy
from edgekit.train.metrics import accuracy
from edgekit.train.optimizers import Adam, Optimizer, Sgd
from tools.bench.training_memory import figures
from tools.bench.training_nets import CLASSES, NETS, Net
from tools.bench.training_peer import TorchTrainer

OPTIMIZERS: dict[str, Optimizer] = {"Adam": Adam(), "SGD, momentum 0.9": Sgd(momentum=0.9)}
RATE = 1e-3
TIMED_RATE = 1e-6
"""So small that a batch which comes again and again is not learned by heart."""
EPOCHS, ROWS, TRAINED = 30, 32, 1347
ROUND_S = 0.02
"""A round has as many steps as take about this long: one step of 50 us is mostly noise."""


@click.command()
@click.option("--rounds", default=60, show_default=True)
@click.option("--seeds", default=5, show_default=True)
@click.option("--only", multiple=True, help="A net's name.")
def main(rounds: int, seeds: int, only: tuple[str, ...]) -> None:
    """Prints Markdown."""
    has_peer = importlib.util.find_spec("torch") is not None
    if not has_peer:
        click.echo("PyTorch is left out: it is not installed", err=True)
    click.echo(f"onnxruntime {ort.__version__}, {rounds} rounds\n")
    click.echo("| net | optimiser | ms a step | of PyTorch's time | aim |")
    click.echo("| --- | --- | ---: | ---: | ---: |")
    for net in NETS:
        for name, optimizer in OPTIMIZERS.items():
            if not only or net.name in only:
                found = step_times(net, optimizer, rounds=rounds, has_peer=has_peer)
                click.echo(f"| {net.title} | {name} | {' | '.join(found)} | {net.aim} |")
    if only:
        return
    click.echo(f"\nDigits, {EPOCHS} epochs, accuracy in per cent over {seeds} seeds:\n")
    for name, scores in digits(seeds, has_peer=has_peer).items():
        click.echo(f"- {name}: {100 * np.mean(scores):.2f} ± {100 * np.std(scores, ddof=1):.2f}")
    click.echo("\nA process that trains the autoencoder:\n")
    for line in figures():
        click.echo(line)


def step_times(net: Net, optimizer: Optimizer, *, rounds: int, has_peer: bool) -> tuple[str, str]:
    """Milliseconds of our step, and its share of PyTorch's."""
    model = net.built()
    step = compile_step(model, net.loss, optimizer, rows=net.rows)
    rng = np.random.default_rng(0)
    batch: list[Array] = [rng.standard_normal(step.batch[0].shape, np.float32)]
    batch += [rng.integers(0, CLASSES, spec.shape) for spec in step.batch[1:]]
    ways: dict[str, Callable[[], object]] = {
        "ours": partial(StepRunner(step).run, batch, TIMED_RATE)
    }
    if has_peer:
        ways["PyTorch"] = partial(TorchTrainer(model, optimizer, TIMED_RATE).run, *batch)
    once = interleaved(ways, rounds=3)
    count = max(1, int(ROUND_S * 1e9 / np.median(once["ours"])))
    times = interleaved({n: _repeated(way, count) for n, way in ways.items()}, rounds=rounds)
    share = str(ratio(times["ours"], times["PyTorch"])) if has_peer else ""
    return f"{np.median(times['ours']) / count / 1e6:.3f}", share


def digits(seeds: int, *, has_peer: bool) -> dict[str, list[float]]:
    """The accuracy on digits that were not trained on, of each seed.

    A seed says the first weights, which samples are held back and the order of the others; all are
    the same for both.
    """
    net, (pixels, classes) = NETS[0], load_digits(return_X_y=True)
    pixels = (pixels / 16).astype(np.float32)
    found: dict[str, list[float]] = {"edgekit": []}
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(pixels))
        kept, held = order[:TRAINED], order[TRAINED:]
        data, rest = Arrays(pixels[kept], classes[kept]), Arrays(pixels[held], classes[held])
        model = net.built(seed)
        step = compile_step(model, CrossEntropy(), Adam(), rows=ROWS)
        runner = StepRunner(step)
        _learn(lambda *batch, run=runner.run: run(batch, RATE), data, seed)
        judged = evaluate(step, runner.carried, rest)
        found["edgekit"].append(accuracy(judged.outputs, judged.targets))
        if has_peer:
            peer = TorchTrainer(model, Adam(), RATE)
            _learn(peer.run, data, seed)
            answers = peer.answer(pixels[held])
            found.setdefault("PyTorch", []).append(accuracy(answers, classes[held]))
    return found


def _learn(run: Callable[..., object], data: Arrays, seed: int) -> None:
    for epoch in range(EPOCHS):
        for pixels, classes in batches(data, ROWS, seed=seed, epoch=epoch):
            run(pixels, classes)


def _repeated(way: Callable[[], object], count: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(count):
            way()

    return run


if __name__ == "__main__":
    main()
