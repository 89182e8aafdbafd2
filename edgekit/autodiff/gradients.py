"""Derives the backward graph of a model by reverse-mode automatic differentiation.

Griewank and Walther, 2008, "Evaluating Derivatives", SIAM; chapter 3.
"""

from collections.abc import Mapping, Sequence

import onnx_ir as ir
from onnx_ir.passes.common import ShapeInferencePass

from edgekit.autodiff.backward import Backward
from edgekit.autodiff.paths import nodes_between
from edgekit.autodiff.registry import rule_of
from edgekit.autodiff.shapes import is_float, shape_of, where
from edgekit.errors import InputError, UnsupportedModel
from edgekit.graph.fixing import raise_opset


def gradients(
    model: ir.Model, of: str | ir.Value, wrt: Sequence[str], *, seed: str | None = None
) -> ir.Model:
    """The model, and besides its outputs the gradient of one value by others.

    Only what lies between `wrt` and `of` gets a backward; what `of` does not depend on has the
    gradient zero. The nodes are standard operators of the model's own opset, or of 17 where that
    is older, and inner values need static shapes where a rule depends on them.

    Args:
        model: left as it is.
        of: the value to differentiate, by name or itself; it holds one number unless there is a
            `seed`.
        wrt: names of inputs, initialisers or inner values to differentiate by.
        seed: the name of an additional input of the shape of `of`; the gradients are then those
            of the sum of `seed * of` (the vector-Jacobian product).

    Returns:
        A new model with the same inputs, and `seed` if given; with the same outputs, and for each
        name in `wrt` an output `grad(name)` of that value's shape and dtype.

    Raises:
        InputError: a name is none of the model's, or is no float, or `of` is no scalar.
        UnsupportedModel: an operator on the way has no rule, or a rule needs a static shape or a
            constant that is not there (says which node), or the model cannot be raised to 17.
    """
    result = _with_shapes(raise_opset(model.clone()))
    graph = result.graph
    values = ir.convenience.create_value_mapping(graph)
    target = _named(values, of if isinstance(of, str) else of.name or "")
    sources = [_named(values, name) for name in dict.fromkeys(wrt)]
    nodes, active = nodes_between(graph, sources, target)
    _require_rules(nodes)

    build = Backward(values)
    found: dict[ir.Value, list[ir.Value]] = {}
    if target in active:
        found[target] = [_seed(graph, values, build, target, seed)]
    for node in reversed(nodes):
        _step_back(node, build, found, active)
    outputs = [_output(values, build, source, found.get(source, ())) for source in sources]
    _keep_what_counts(graph, build, outputs)
    return result


def _with_shapes(model: ir.Model) -> ir.Model:
    known = all(
        value.shape is not None and value.dtype is not None
        for node in model.graph
        for value in node.outputs
    )
    return model if known else ShapeInferencePass()(model).model


def _named(values: Mapping[str, ir.Value], name: str) -> ir.Value:
    if name not in values:
        raise InputError(f"no value of the model is called {name!r}")
    if not is_float(values[name]):
        raise InputError(f"{name!r} holds {values[name].dtype}; only floats have gradients")
    return values[name]


def _require_rules(nodes: Sequence[ir.Node]) -> None:
    for node in nodes:
        if rule_of(node) is None:
            raise UnsupportedModel(
                f"{where(node)} cannot be differentiated: there is no rule for its operator; "
                "differentiate by values that come after it"
            )


def _seed(
    graph: ir.Graph,
    values: Mapping[str, ir.Value],
    build: Backward,
    target: ir.Value,
    name: str | None,
) -> ir.Value:
    """What the gradient starts from: the additional input, or one."""
    if name is None:
        shape = shape_of(target)
        if any(size != 1 for size in shape):
            raise InputError(
                f"{target.name!r} has the shape {list(shape)}, and only one number can be "
                "differentiated; name a seed"
            )
        return build.filled(1.0, like=target)
    if name in values:
        raise InputError(f"the seed cannot be called {name!r}: the model has a value of that name")
    value = ir.Value(name=name, shape=target.shape, type=target.type)
    graph.inputs.append(value)
    return value


def _step_back(
    node: ir.Node,
    build: Backward,
    found: dict[ir.Value, list[ir.Value]],
    active: set[ir.Value],
) -> None:
    """Adds a node's share to the gradients of its inputs."""
    dys: list[ir.Value | None] = []
    for output in node.outputs:
        if output in found:
            found[output] = [build.add(found[output])]
        dys.append(found[output][0] if output in found else None)
    rule = rule_of(node)
    if rule is None or all(dy is None for dy in dys):
        return
    shares = rule(node, dys, build)
    for index, value in enumerate(node.inputs):
        if value is None or value not in active:
            continue
        share = shares[index] if index < len(shares) else None
        if share is None:
            raise UnsupportedModel(
                f"{where(node)} cannot be differentiated by its input {index} ({value.name!r})"
            )
        found.setdefault(value, []).append(share)


def _output(
    values: Mapping[str, ir.Value], build: Backward, source: ir.Value, shares: Sequence[ir.Value]
) -> ir.Value:
    name = f"grad({source.name})"
    if name in values:
        raise InputError(f"the model has a value called {name!r} already")
    total = build.add(shares) if shares else build.zeros_like(source)
    value = build.op("Identity", total, shape=shape_of(source), dtype=source.dtype)
    value.name = name
    return value


def _keep_what_counts(graph: ir.Graph, build: Backward, outputs: Sequence[ir.Value]) -> None:
    """Adds the nodes that the outputs depend on; rules may have made others."""
    waiting, wanted = list(outputs), set[ir.Node]()
    made = set(build.nodes)
    while waiting:
        node = waiting.pop().producer()
        if node is not None and node in made and node not in wanted:
            wanted.add(node)
            waiting.extend(value for value in node.inputs if value is not None)
    for node in build.nodes:
        if node in wanted:
            graph.append(node)
            continue
        for index in range(len(node.inputs)):
            node.replace_input_with(index, None)
    for value in build.constants:
        if value.uses():
            graph.register_initializer(value)
    graph.outputs.extend(outputs)
