"""What a Flower fleet of digits learns from: a compiled step, and each board's own samples."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.federated import compile_federated_step
from edgekit.federated.tasks import Task, digits_task
from edgekit.learning.npz import write_arrays
from edgekit.train.losses import CrossEntropy
from tools.flower_app.fleet import Value


@dataclass(frozen=True)
class Prepared:
    """Files of a fleet.

    Attributes:
        task: what is learned.
        boards: each SuperNode's configuration.
        server: what the app's run needs to know.
    """

    task: Task
    boards: tuple[Mapping[str, Value], ...]
    server: Mapping[str, Value]


def prepare_digits(folder: Path, clients: int, *, split: str = "dirichlet:0.5") -> Prepared:
    """Writes a step for any strategy, the test samples and those of each client.

    Args:
        folder: where to; made if it is not there.
        clients: how many boards there are.
        split: of the samples, see `edgekit.federated.splits`.
    """
    task = digits_task(clients, split, seed=0)
    train = folder / "train"
    train.mkdir(parents=True, exist_ok=True)
    compile_federated_step(task.model, CrossEntropy(), rows=32, proximal=True, corrected=True).save(
        train
    )
    write_arrays(folder / "test.npz", dict(zip("xy", task.clients.test, strict=True)))
    boards: list[Mapping[str, Value]] = []
    for number in range(clients):
        path = folder / f"board{number}.npz"
        write_arrays(path, dict(zip("xy", task.clients.samples(number), strict=True)))
        boards.append({"partition-id": number, "train": str(train), "samples": str(path)})
    server: dict[str, Value] = {
        "train": str(train),
        "test": str(folder / "test.npz"),
        "out": str(folder / "out"),
        "boards": clients,
    }
    return Prepared(task, tuple(boards), server)
