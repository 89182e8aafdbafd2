"""The steps that make a model slimmer, on small nets."""

from collections.abc import Callable

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.compress.factorize.factoring import Rank, ways
from edgekit.compress.layers import linear_layers
from edgekit.compress.progress import Silent
from edgekit.compress.prune.choosing import Chosen
from edgekit.compress.prune.cutting import cut
from edgekit.compress.prune.tracing import trace
from edgekit.compress.slim import prune_channels, slim
from edgekit.compress.slim.allocation import Option, allocate, everything
from edgekit.compress.slim.damage import Damage
from edgekit.compress.slim.early_pool import late_pools, pool_early
from edgekit.compress.slim.measuring import rungs
from edgekit.compress.slim.rebuilding import rebuilt
from edgekit.compress.slim.slimming import Costs, Slimming
from edgekit.errors import UnsupportedModel
from edgekit.graph.describe import describe
from tests.compress.prune.nets import SIDE, Net, nets


def samples(count: int = 40, seed: int = 0) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(1, 3, SIDE, SIDE)).astype(np.float32) for _ in range(count)]


def residual_net() -> ir.Model:
    """Has everything: a residual, a depthwise Conv, and a pool that comes late."""
    net = Net(1)
    x = net.op("Relu", net.conv(net.image(), 16))
    x = net.op("Add", x, net.op("Relu", net.conv(x, 16)))
    x = net.op("Relu", net.depthwise(x))
    x = net.op("Relu", net.conv(x, 32, kernel=1))
    return net.classifier(net.op("Relu", net.conv(x, 6, kernel=1)), side=None)


def macs(model: ir.Model) -> int:
    found = describe(ir.to_proto(model)).macs
    assert found is not None
    return found


@pytest.mark.parametrize("step", [slim, prune_channels])
@pytest.mark.parametrize("share", [0.8, 0.5])
def test_the_budget_is_kept_and_the_answer_too(step: Callable[..., ir.Model], share: float) -> None:
    model = residual_net()
    smaller = step(model, samples(), keep_macs=share, multiple=4)
    onnx.checker.check_model(ir.to_proto(smaller), full_check=True)
    assert macs(smaller) <= share * macs(model)
    assert Damage(model, samples(seed=1)).of(smaller) < 1e-3


def test_the_given_model_is_left_alone_and_gives_the_same_again() -> None:
    model = residual_net()
    before = ir.to_proto(model).SerializeToString()
    first, second = (slim(model, samples(6), keep_macs=0.8, multiple=8) for _ in range(2))
    assert ir.to_proto(model).SerializeToString() == before
    assert ir.to_proto(first).SerializeToString() == ir.to_proto(second).SerializeToString()


def test_all_of_it_is_kept_where_all_may_be() -> None:
    model = residual_net()
    same = slim(model, samples(4), keep_macs=1.0)
    assert Damage(model, samples(4)).of(same) == 0


def test_a_model_that_cannot_be_that_slim_is_refused_with_the_reason() -> None:
    net = Net()
    model = net.classifier(net.op("LRN", net.conv(net.image(), 4), size=3))
    with pytest.raises(UnsupportedModel, match=r"to 10%.*'node_Conv_0' stay, read by LRN"):
        prune_channels(model, samples(4), keep_macs=0.1)


def test_fitting_is_better_than_dropping_on_the_samples() -> None:
    model = residual_net()
    units = frozenset(int(unit) for group in trace(model).groups() for unit in group.units[::2])
    damage = Damage(model, samples())
    dropped = cut(model, units)
    fitted = rebuild(model, Slimming(), Chosen(units, {}), tensors=samples())
    assert damage.of(fitted) < 0.5 * damage.of(dropped)


def rebuild(model: ir.Model, slimming: Slimming, chosen: Chosen, tensors: list[Array]) -> ir.Model:
    ones = {str(layer.output.name): np.ones(layer.outputs) for layer in linear_layers(model)}
    return rebuilt(model, tensors, slimming, chosen, ones, progress=Silent())


@settings(max_examples=15, deadline=None)
@given(model=nets(), data=st.data())
def test_costs_are_those_of_the_model_that_is_made(model: ir.Model, data: st.DataObject) -> None:
    channels = trace(model)
    groups = channels.groups()
    kept = {
        group.name: data.draw(st.integers(1, len(group.units)), label=group.name)
        for group in groups
    }
    units = {int(unit) for group in groups for unit in group.units[kept[group.name] :]}
    first = linear_layers(model)[0]
    rank = Rank(data.draw(st.sampled_from(ways(first)), label="way"), 1)
    ranks = {str(first.output.name): rank}
    smaller = rebuild(model, Slimming(ranks=ranks), Chosen(frozenset(units), {}), samples(2))
    expected = Costs(model, channels, groups).macs(Slimming(kept=kept, ranks=ranks))
    assert macs(smaller) == round(expected)


def test_a_pool_without_an_activation_moves_exactly() -> None:
    net = Net()
    model = net.classifier(
        net.conv(net.op("Relu", net.conv(net.image(), 8)), 8, kernel=1), side=None
    )
    (name,) = late_pools(model)
    moved = pool_early(model.clone(), name)
    assert Damage(model, samples(4)).of(moved) < 1e-9
    assert macs(moved) < macs(model)
    assert [node.op_type for node in moved.graph].count("GlobalAveragePool") == 1


@pytest.mark.parametrize("kernel", [3, 1])
def test_a_pool_that_cannot_move_is_left(kernel: int) -> None:
    net = Net()
    x = net.conv(net.image(), 8, kernel=kernel)
    model = net.classifier(x if kernel == 3 else net.op("Add", x, x), side=None)
    assert late_pools(model) == []
    with pytest.raises(UnsupportedModel, match="could come first"):
        pool_early(model, str(x.name))


def test_a_pool_with_two_readers_in_front_is_left() -> None:
    net = Net()
    x = net.conv(net.image(), 8, kernel=1)
    both = net.build.op("Add", net.op("GlobalAveragePool", x), net.op("GlobalMaxPool", x))
    net.channels[both] = 8
    model = net.classifier(both, side=1)
    assert late_pools(model) == []


def cost(slimming: Slimming) -> float:
    """A hundred, each group taking ten parts of which a channel is one."""
    return 100 - sum(10 - count for count in slimming.kept.values())


def options(name: str, *damages: float) -> list[Option]:
    return [Option(Slimming(kept={name: 9 - i}), damage) for i, damage in enumerate(damages)]


def test_the_cheapest_channels_go_first() -> None:
    choices = [options("a", 1, 2, 3, 4), options("b", 10, 20, 30, 40)]
    found = allocate(choices, cost, 97)
    assert found is not None
    assert found.kept == {"a": 7}


def test_what_is_dear_goes_where_the_cheap_is_not_enough() -> None:
    choices = [options("a", 1, 2), options("b", 10, 20)]
    found = allocate(choices, cost, 97)
    assert found is not None
    assert found.kept == {"a": 8, "b": 9}


def test_a_budget_that_cannot_be_kept_is_none() -> None:
    choices = [options("a", 1, 2)]
    assert allocate(choices, cost, 90) is None
    assert everything(choices).kept == {"a": 8}


def test_nothing_is_done_where_the_budget_is_there() -> None:
    assert allocate([options("a", 1)], cost, 100) == Slimming()


def test_rungs_are_multiples_where_there_are_any() -> None:
    assert rungs(64, 8) == [56, 48, 40, 32, 24, 16]
    assert rungs(5, 8) == [4, 3, 2, 1]
    assert all(count < 10 for count in rungs(10, 8))
