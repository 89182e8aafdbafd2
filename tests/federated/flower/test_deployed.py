"""A real SuperLink with two SuperNodes, each in processes of its own, on loopback."""

import json
from pathlib import Path

import pytest

from edgekit.federated.simulation import Plan, simulate
from edgekit.federated.strategies import Scaffold
from edgekit.learning.federated import LocalTrainer
from edgekit.learning.federated.codecs import codec_of
from edgekit.learning.npz import read_arrays
from tools.flower_app.fleet import PrivateFleet
from tools.flower_app.prepare import prepare_digits

pytest.importorskip("flwr", reason="Flower is in an environment of its own: make flower")


def test_two_supernodes_learn_the_bits_of_a_simulation(tmp_path: Path) -> None:
    """SCAFFOLD with a lossy codec: boards must keep two things of their own between rounds."""
    prepared = prepare_digits(tmp_path, 2)
    with PrivateFleet(tmp_path, prepared.boards) as fleet:
        wanted = {
            "strategy": "scaffold",
            "settings": "clients=2",
            "codec": "top-k:0.3+int8",
            "rounds": 2,
            "epochs": 2,
            "patience-s": 60.0,
            "deadline-s": 60.0,
        }
        fleet.run({**prepared.server, **wanted}, timeout_s=150)
    simulated = simulate(
        LocalTrainer(Path(str(prepared.server["train"]))),
        prepared.task.clients,
        Scaffold(clients=2),
        Plan(rounds=2, epochs=2, codec=codec_of("top-k:0.3+int8")),
    )
    rounds = json.loads((tmp_path / "out/rounds.json").read_text(encoding="utf-8"))
    assert [one["accuracy"] for one in rounds] == [one.accuracy for one in simulated.rounds]
    assert [one["bytes_up"] for one in rounds] == [one.bytes_up for one in simulated.rounds]
    learned = read_arrays(tmp_path / "out/model.npz")
    assert sorted(learned) == sorted(simulated.model.parameters)
    for name, array in simulated.model.parameters.items():
        assert learned[name].tobytes() == array.tobytes(), name
