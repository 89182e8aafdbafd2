"""The coordinator of a Flower fleet: edgekit's strategies in a ServerApp."""

import json
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flwr.app import ArrayRecord, ConfigRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from edgekit.array import Array
from edgekit.federated.flower import FlowerPlan, FlowerRound, play_rounds
from edgekit.federated.flower.records import array_record
from edgekit.federated.strategies.naming import strategy_of
from edgekit.learning.federated import LocalTrainer
from edgekit.learning.npz import read_arrays, write_arrays


def main(grid: Grid, context: Context) -> None:
    """Plays the rounds that the run's configuration asks for, and writes the model."""
    config: dict[str, Any] = dict(context.run_config)
    out = Path(config["out"])
    out.mkdir(parents=True, exist_ok=True)
    trainer = LocalTrainer(Path(config["train"]))
    judge = _Judge(trainer, config["test"])
    if config["strategy"] == "flower-fedavg":
        _write(out, *_flowers_own(grid, trainer, config, judge))
        return
    strategy = strategy_of(config["strategy"], dict(_settings(config["settings"])))
    plan = FlowerPlan(
        rounds=config["rounds"],
        epochs=config["epochs"],
        rate=config["rate"],
        seed=config["seed"],
        codec=config["codec"],
        boards=config["boards"],
        deadline_s=config["deadline-s"],
        patience_s=config["patience-s"],
    )
    rounds: list[dict[str, Any]] = []
    watch = _Watch()

    def told(one: FlowerRound) -> None:
        rounds.append(_finite({**asdict(one), "seconds": watch.lap()}))
        print(f"round {one.number}: {one.updates} updates, accuracy {one.accuracy}", flush=True)

    model = play_rounds(
        grid,
        trainer.parameters,
        strategy,
        plan,
        judge=judge if config["test"] else None,
        on_round=told,
    )
    _write(out, dict(model.parameters), rounds)


app = ServerApp()
app.main()(main)


class _Watch:
    """Tells how long something took."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def lap(self) -> float:
        """Seconds since the last lap."""
        before, self._last = self._last, time.monotonic()
        return self._last - before


class _Judge:
    """Accuracy and loss on samples that no board has."""

    def __init__(self, trainer: LocalTrainer, path: str) -> None:
        self._trainer = trainer
        self._samples = tuple(read_arrays(Path(path)).values()) if path else ()

    def __call__(self, parameters: Any) -> tuple[float, float]:
        loss, outputs = self._trainer.evaluate(parameters, self._samples)
        return float((outputs.argmax(axis=1) == self._samples[-1]).mean()), loss


def _flowers_own(
    grid: Grid, trainer: LocalTrainer, config: dict[str, Any], judge: _Judge
) -> tuple[dict[str, Array], list[dict[str, Any]]]:
    """The same boards under Flower's FedAvg."""
    watch = _Watch()
    seconds: dict[int, float] = {}

    def judged(number: int, arrays: ArrayRecord) -> MetricRecord | None:
        seconds[number] = watch.lap()
        if not number or not config["test"]:
            return None
        accuracy, loss = judge({name: array.numpy() for name, array in arrays.items()})
        return MetricRecord({"accuracy": accuracy, "loss": loss})

    boards = config["boards"]
    found = FedAvg(fraction_evaluate=0.0, min_train_nodes=boards, min_available_nodes=boards).start(
        grid,
        array_record(trainer.parameters),
        num_rounds=config["rounds"],
        timeout=config["deadline-s"],
        train_config=ConfigRecord({"epochs": config["epochs"], "rate": config["rate"]}),
        evaluate_fn=judged,
    )
    rounds = [
        {"number": number, "seconds": seconds[number], **metrics}
        for number, metrics in found.evaluate_metrics_serverapp.items()
    ]
    return {name: array.numpy() for name, array in found.arrays.items()}, rounds


def _write(out: Path, parameters: dict[str, Array], rounds: list[dict[str, Any]]) -> None:
    write_arrays(out / "model.npz", parameters)
    (out / "rounds.json").write_text(json.dumps(rounds, indent=1) + "\n", encoding="utf-8")


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity, which a divergence may be."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in row.items()
    }


def _settings(text: str) -> list[tuple[str, str]]:
    pairs = [word.partition("=") for word in text.split()]
    return [(key, value) for key, _, value in pairs]
