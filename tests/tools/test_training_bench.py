"""What is timed is the same training on both sides."""

import numpy as np
import pytest

from edgekit.array import Array
from edgekit.train import compile_step
from edgekit.train.engine import StepRunner
from edgekit.train.optimizers import Adam, Sgd
from tools.bench.training import digits, step_times
from tools.bench.training_nets import CLASSES, NETS, Net
from tools.bench.training_peer import TorchTrainer

SMALL_NETS = [net for net in NETS if net.name != "squeezenet"]


def batches(net: Net, count: int = 4) -> list[list[Array]]:
    step = compile_step(net.built(), net.loss, Adam(), rows=net.rows)
    rng = np.random.default_rng(0)
    return [
        [
            rng.standard_normal(spec.shape, np.float32)
            if spec.classes is None
            else rng.integers(0, CLASSES, spec.shape)
            for spec in step.batch
        ]
        for _ in range(count)
    ]


@pytest.mark.parametrize("optimizer", [Adam(), Sgd(momentum=0.9)], ids=["adam", "sgd"])
@pytest.mark.parametrize("net", NETS, ids=lambda net: net.name)
def test_pytorch_takes_the_same_steps(net: Net, optimizer: Adam | Sgd) -> None:
    pytest.importorskip("torch")
    model = net.built()
    runner = StepRunner(compile_step(model, net.loss, optimizer, rows=net.rows))
    peer = TorchTrainer(model, optimizer, 1e-4)
    for batch in batches(net):
        assert runner.run(batch, 1e-4) == pytest.approx(peer.run(*batch), rel=1e-3)


@pytest.mark.parametrize("net", SMALL_NETS, ids=lambda net: net.name)
def test_a_net_learns_a_batch(net: Net) -> None:
    runner = StepRunner(compile_step(net.built(), net.loss, Adam(), rows=net.rows))
    batch = batches(net, 1)[0]
    losses = [runner.run(batch, 3e-3) for _ in range(20)]
    assert losses[-1] < 0.9 * losses[0]


def test_without_the_peer_our_own_times_are_told() -> None:
    time, share = step_times(NETS[0], Adam(), rounds=2, has_peer=False)
    assert float(time) > 0
    assert share == ""


def test_digits_are_learned_alike_for_the_same_seed() -> None:
    first, second = (digits(1, has_peer=False) for _ in range(2))
    assert first == second
    assert first["edgekit"][0] > 0.95
