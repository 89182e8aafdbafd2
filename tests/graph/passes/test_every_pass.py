"""What holds for every pass, over random nets."""

import onnx_ir as ir
import pytest
from hypothesis import given, settings
from onnx_ir.passes import PostconditionError

from edgekit.graph.edit import set_constant
from edgekit.graph.match import constant
from edgekit.graph.passes.graph_pass import VERIFY, GraphPass
from edgekit.graph.passes.remove_identity import RemoveIdentity
from edgekit.graph.passes.simplify import SIMPLIFYING, simplify
from edgekit.graph.verify import require_same_outputs, snapshot
from tests.graph.generated import nets, random_net
from tests.graph.passes.checking import Net, check_still_the_same, declined, numbers


@pytest.mark.parametrize("kind", SIMPLIFYING)
@settings(max_examples=12, deadline=None)
@given(model=nets())
def test_numbers_and_signature_stay_and_a_second_run_finds_nothing(
    kind: type[GraphPass], model: ir.Model
) -> None:
    before, one = snapshot(model), kind()
    clone = model.clone()
    if one(model).modified:
        check_still_the_same(one, before, model)
    else:
        assert declined(one, clone)


@pytest.mark.parametrize("kind", SIMPLIFYING)
def test_generated_nets_have_work_for_it(kind: type[GraphPass]) -> None:
    assert any(kind()(random_net(seed)).modified for seed in range(60))


@settings(max_examples=25, deadline=None)
@given(model=nets())
def test_all_together_keep_numbers_and_signature_and_come_to_an_end(model: ir.Model) -> None:
    before, nodes = snapshot(model), len(model.graph)
    modified = simplify(model)
    require_same_outputs(before, model, by="simplify")
    assert modified or len(model.graph) == nodes
    assert not simplify(model)


class _Breaks(GraphPass):
    """Doubles the first constant it meets."""

    def rewrite(self, model: ir.Model, node: ir.Node) -> bool:
        array = constant(node.inputs[1])
        if array is None or array.flat[0] > 100:
            return False
        set_constant(model, node, 1, array + 1000)
        return True


class _Renames(GraphPass):
    """Gives the output another name."""

    def rewrite(self, model: ir.Model, node: ir.Node) -> bool:
        changed = node.outputs[0].name == "y"
        if changed:
            node.outputs[0].name = "z"
        return changed


def scaled() -> ir.Model:
    net = Net(1, 3)
    return net.of(net.op("Mul", net.x, numbers(1, 3)))


def test_a_pass_that_changes_numbers_is_named_when_passes_are_verified() -> None:
    with pytest.raises(PostconditionError, match=r"_Breaks changed the output 'y' by"):
        _Breaks(verify=True)(scaled())


def test_a_pass_that_changes_the_signature_is_named() -> None:
    with pytest.raises(PostconditionError, match="_Renames changed the signature"):
        _Renames(verify=True)(scaled())


def test_the_environment_switches_verification_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VERIFY, "1")
    with pytest.raises(PostconditionError, match="_Breaks"):
        _Breaks()(scaled())
    monkeypatch.setenv(VERIFY, "0")
    assert _Breaks()(scaled()).modified


def test_a_pass_that_is_right_passes_verification() -> None:
    net = Net(1, 3)
    model = net.of(net.op("Relu", net.op("Identity", net.x)))
    assert RemoveIdentity(verify=True)(model).modified
