"""What secure sums cost against plain ones: `python -m tools.bench.secure_aggregation`.

`--clients 10,100,500 --repeats 5 --dropout 0.1 --he-up-to 100`. The kinds of round take turns; a
figure is the median of ratios to the plain round beside it, from the first to the third quartile.
Times are of the processor, of all boards and the coordinator one after the other, so other work on
the machine and the network count for nothing. The plain round encodes, decodes and averages updates
of float32; with training, each board also trains two epochs of the digits' task before.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np

from edgekit.array import Array
from edgekit.federated import compile_federated_step
from edgekit.federated.he import add_ciphertexts
from edgekit.federated.secure import plan_sum, simulate_sum
from edgekit.federated.tasks import digits_task
from edgekit.learning.federated import Guidance, LocalTrainer, Update
from edgekit.learning.federated.codecs import codec_of
from edgekit.learning.federated.framing import decode_update, encode_update
from edgekit.learning.federated.he import Encrypted, HeBoard, make_keys, numbers_of_parts
from edgekit.learning.federated.secure import PHASES, SecureSettings
from edgekit.learning.federated.secure.messages import decode
from edgekit.train.losses import CrossEntropy

HEAD = (
    "| round | upload / plain | download beside the model / plain upload | a board's time / its "
    "training | the coordinator's / one board's training | all times / plain | with training |\n"
    "| --- | --- | --- | --- | --- | --- | --- |"
)
SIZE, CLIP, SAMPLES = 2410, 1.0, 1000
Parts = dict[str, tuple[Array, int]]


@dataclass(frozen=True)
class Cost:
    """Of one round.

    Attributes:
        board_s: of one board, the mean.
        coordinator_s: of the coordinator.
        up: bytes that a board sends, the most of all boards.
        down: bytes that it is sent beside the model.
        error: the largest difference to the mean of float64 numbers.
    """

    board_s: float
    coordinator_s: float
    up: int
    down: int
    error: float


class Training:
    """Two epochs of ten boards of the digits' task.

    Args:
        folder: to compile the step in.
    """

    def __init__(self, folder: Path) -> None:
        self._task = digits_task(10, "dirichlet:0.5", 0)
        compile_federated_step(self._task.model, CrossEntropy(), rows=32).save(folder)
        self._trainer = LocalTrainer(folder)

    def board_s(self) -> float:
        """How long one board trains, the mean."""
        begin, started = self._trainer.parameters, time.process_time()
        for client in range(10):
            samples = self._task.clients.samples(client)
            self._trainer.train(f"{client}", begin, samples, Guidance(epochs=2), seed=client)
        return (time.process_time() - started) / 10


def parts_of(clients: int, rng: np.random.Generator) -> Parts:
    return {
        f"board-{number:04}": (
            rng.normal(0, CLIP / SIZE**0.5, SIZE).astype(np.float32),
            int(rng.integers(20, 400)),
        )
        for number in range(clients)
    }


def plain(parts: Parts) -> Cost:
    started, sent = time.process_time(), []
    for name, (vector, samples) in parts.items():
        update = Update(name, 0, samples, 1, {"w": vector})
        sent.append(encode_update(update, codec_of("float32")))
    answered = time.process_time()
    updates = [decode_update(message, {"w": (SIZE,)}) for message in sent]
    total = sum(update.samples for update in updates)
    shares = [np.float32(update.samples / total) for update in updates]
    weighted = [update.change["w"] * share for update, share in zip(updates, shares, strict=True)]
    mean = np.sum(weighted, axis=0)
    done = time.process_time()
    size = max(len(message) for message in sent)
    return Cost(
        (answered - started) / len(parts), done - answered, size, 0, _error(mean, parts, set(parts))
    )


def secure(parts: Parts, dropout: float, rng: random.Random) -> Cost:
    """With so many boards silent from the second, third or fourth phase on, by turns."""
    silent = rng.sample(sorted(parts), round(dropout * len(parts)))
    drops = {name: PHASES[1 + place % 3] for place, name in enumerate(silent)}
    found = simulate_sum(_settings(len(parts)), parts, drops)
    return Cost(
        sum(found.board_s.values()) / len(parts),
        found.coordinator_s,
        max(found.up.values()),
        max(found.down.values()),
        _error(found.sum.mean, parts, set(found.sum.boards)),
    )


def homomorphic(parts: Parts) -> Cost:
    """Keys are there already; the holder of the secret one counts for a board."""
    settings, keys = _settings(len(parts)), make_keys()
    boards = {name: HeBoard(name, settings, keys.secret) for name in parts}
    counts, board_s, coordinator_s, size = numbers_of_parts(settings), 0.0, 0.0, 0
    sums: list[bytes] = []
    for name, part in parts.items():
        started = time.process_time()
        message = boards[name].encrypt(*part)
        answered = time.process_time()
        found = decode(message, Encrypted, session=settings.session, board=name, sender=name)
        sums = add_ciphertexts(sums, found.parts, counts)
        coordinator_s += time.process_time() - answered
        board_s += answered - started
        size = max(size, len(message))
    return Cost(board_s / len(parts), coordinator_s, size, 0, 0.0)


def _settings(clients: int) -> SecureSettings:
    session = random.SystemRandom().randbytes(16)
    return plan_sum(session, SIZE, clients, largest=CLIP, samples=SAMPLES)


def _error(mean: Array, parts: Parts, among: set[str]) -> float:
    total = sum(parts[name][1] for name in among)
    exact = sum(parts[name][0].astype(np.float64) * parts[name][1] for name in sorted(among))
    return float(np.abs(mean - exact / total).max())


def _spread(values: Sequence[float], form: str) -> str:
    middle, low, high = np.percentile(values, (50, 25, 75))
    return f"{middle:{form}} ({low:{form}}-{high:{form}})"


@dataclass(frozen=True)
class Turn:
    """A round, the plain one beside it, and the training of a board beside both.

    Attributes:
        boards: how many.
    """

    boards: int
    cost: Cost
    plain: Cost
    train_s: float

    def times_plain(self, *, trained: bool) -> float:
        """All times of the round over all of the plain one, with or without training."""
        training = self.boards * self.train_s if trained else 0.0
        mine, other = (
            cost.board_s * self.boards + cost.coordinator_s + training
            for cost in (self.cost, self.plain)
        )
        return mine / other


def _row(title: str, turns: Sequence[Turn]) -> str:
    cells = [
        title,
        _spread([turn.cost.up / turn.plain.up for turn in turns], ".2f"),
        _spread([turn.cost.down / turn.plain.up for turn in turns], ".2f"),
        _spread([turn.cost.board_s / turn.train_s for turn in turns], ".1f"),
        _spread([turn.cost.coordinator_s / turn.train_s for turn in turns], ",.0f"),
        _spread([turn.times_plain(trained=False) for turn in turns], ",.0f"),
        _spread([turn.times_plain(trained=True) for turn in turns], ".1f"),
    ]
    return "| " + " | ".join(cells) + " |"


@click.command()
@click.option("--clients", default="10,100,500", help="Cohorts, by commas.")
@click.option("--repeats", default=5, show_default=True)
@click.option("--dropout", default=0.1, show_default=True, help="Share that drops out.")
@click.option("--he-up-to", default=100, show_default=True, help="Cohorts for CKKS; 0 for none.")
def main(clients: str, repeats: int, dropout: float, he_up_to: int) -> None:
    """Measure secure sums and print a table."""
    rng, dice = np.random.default_rng(0), random.Random(0)
    secure(parts_of(5, rng), 0, dice)  # imports
    click.echo(HEAD)
    notes = []
    with TemporaryDirectory() as folder:
        training = Training(Path(folder))
        for count in (int(text) for text in clients.split(",")):
            sums: list[Turn] = []
            ciphers: list[Turn] = []
            for _ in range(repeats):
                parts = parts_of(count, rng)
                beside, train_s = plain(parts), training.board_s()
                sums.append(Turn(count, secure(parts, dropout, dice), beside, train_s))
                if count <= he_up_to:
                    ciphers.append(Turn(count, homomorphic(parts), beside, train_s))
            chosen = _settings(count)
            shape = f"{count} boards, {chosen.degree} neighbours, threshold {chosen.threshold}"
            click.echo(_row(f"secure sum, {shape}", sums))
            if ciphers:
                click.echo(_row(f"CKKS, {count} boards", ciphers))
                ratios = [
                    cipher.times_plain(trained=False) / turn.times_plain(trained=False)
                    for cipher, turn in zip(ciphers, sums, strict=True)
                ]
                notes.append(f"CKKS / secure sum, {count} boards, time: {_spread(ratios, '.2f')}")
            notes.append(
                f"{count} boards: the mean is off by {max(t.cost.error for t in sums):.1e} at "
                f"most, plain float32 by {max(t.plain.error for t in sums):.1e}; numbers are up "
                f"to {4 * CLIP / SIZE**0.5:.2f}"
            )
    click.echo("\n" + "\n".join(notes))


if __name__ == "__main__":
    main()
