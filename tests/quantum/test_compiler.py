import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.graph.build import GraphBuilder
from edgekit.quantum.compiler import (
    Observables,
    compile_expectations,
    compile_kernel_machine,
    compile_states,
    eigen_observables,
)
from edgekit.quantum.feature_map import ZZFeatureMap
from edgekit.quantum.kernel_machine import KernelMachine
from edgekit.quantum.statevector import kernel, states
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from tests.quantum.circuit import state_of_circuit
from tests.quantum.strategies import feature_maps, maps_and_angles


@settings(max_examples=60, deadline=None)
@given(maps_and_angles(largest=50))
def test_the_graph_prepares_the_circuit_s_state(drawn):
    feature_map, angles = drawn
    build = GraphBuilder("state")
    given_angles = build.input("angles", np.float64, angles.shape)
    parts = build.op("Concat", *compile_states(build, feature_map, given_angles), axis=0)
    shape = (2 * len(angles), 2**feature_map.qubits)
    real, imaginary = np.split(_run(build.finish(parts=(parts, np.float32, shape)), angles), 2)
    prepared = (real + 1j * imaginary) / np.sqrt(2.0**feature_map.qubits)
    wanted = [state_of_circuit(feature_map, row) for row in angles]
    np.testing.assert_allclose(prepared, wanted, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(maps_and_angles(largest=50), st.integers(0, 2**32 - 1))
def test_the_graph_s_kernel_is_the_circuit_s(drawn, seed):
    feature_map, angles = drawn
    known = np.random.default_rng(seed).uniform(-50, 50, (3, feature_map.qubits))
    overlaps = Observables(states(feature_map, known), np.eye(3))
    wanted = [
        [abs(np.vdot(state_of_circuit(feature_map, a), state_of_circuit(feature_map, b))) ** 2]
        for b in angles
        for a in known
    ]
    found = _expectations(feature_map, angles, overlaps, np.zeros(3))
    np.testing.assert_allclose(found, np.reshape(wanted, (-1, 3)), atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(feature_maps, st.integers(1, 60), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_an_observable_equals_the_sum_over_support_vectors(feature_map, support, decisions, seed):
    rng = np.random.default_rng(seed)
    known = states(feature_map, rng.normal(size=(support, feature_map.qubits)))
    dual = rng.normal(size=(support, decisions))
    new = states(feature_map, rng.normal(size=(5, feature_map.qubits)))
    observables = eigen_observables(known, dual)
    found = kernel(new, observables.vectors) @ observables.weights
    scale = np.abs(dual).sum()
    np.testing.assert_allclose(found, kernel(new, known) @ dual, atol=1e-6 * scale)


def test_an_observable_s_rank_stops_growing_with_support_vectors():
    rng = np.random.default_rng(0)
    feature_map = ZZFeatureMap(3)
    ranks = [
        len(
            eigen_observables(
                states(feature_map, rng.normal(size=(count, 3))), rng.normal(size=(count, 1))
            ).vectors
        )
        for count in (2, 8, 100, 1000)
    ]
    assert ranks == [2, 8, 8, 8]


def test_eigenvalues_that_are_zero_to_rounding_are_dropped():
    feature_map = ZZFeatureMap(4)
    same = np.repeat(states(feature_map, np.ones((1, 4))), 5, axis=0)
    assert len(eigen_observables(same, np.arange(1.0, 6.0)[:, np.newaxis]).vectors) == 1


def test_decisions_that_cancel_keep_their_digits():
    feature_map = ZZFeatureMap(6)
    rng = np.random.default_rng(0)
    known = states(feature_map, 0.005 * rng.normal(size=(200, 6)))
    dual = rng.uniform(-1000, 1000, (200, 1))
    dual -= dual.mean()
    angles = 0.005 * rng.normal(size=(20, 6))
    wanted = kernel(states(feature_map, angles), known) @ dual
    found = _expectations(feature_map, angles, eigen_observables(known, dual), np.zeros(1))
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(dual).max())


@settings(max_examples=30, deadline=None)
@given(feature_maps, st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_a_compiled_machine_scores_as_the_circuit_does(feature_map, classes, seed):
    rng = np.random.default_rng(seed)
    machine = _random_machine(feature_map, classes, rng)
    features = rng.uniform(-50, 50, (4, len(machine.weights))).astype(np.float32)
    angles = features.astype(np.float64) @ machine.weights + machine.bias
    new = np.array([state_of_circuit(feature_map, row) for row in angles])
    known = np.array([state_of_circuit(feature_map, row) for row in machine.support_angles])
    decisions = np.abs(new.conj() @ known.T) ** 2 @ machine.dual + machine.intercept
    powers = np.exp(machine.logits(decisions))
    observables = eigen_observables(machine.support_states(), machine.dual)
    engine = OnnxRuntimeEngine(_bytes(compile_kernel_machine(machine, observables, "machine")))
    scores = np.concatenate([engine.run(row[np.newaxis])["scores"] for row in features])
    np.testing.assert_allclose(scores, powers / powers.sum(axis=1, keepdims=True), atol=1e-5)


def test_a_compiled_machine_has_the_signature_of_its_manifest_and_standard_operators_only():
    machine = _random_machine(ZZFeatureMap(4), 3, np.random.default_rng(0))
    observables = eigen_observables(machine.support_states(), machine.dual)
    model = compile_kernel_machine(machine, observables, "machine")
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    assert {node.domain for node in model.graph} == {""}
    engine = OnnxRuntimeEngine(_bytes(model))
    assert [(i.name, i.dtype, i.shape) for i in engine.inputs] == [("features", "float32", (1, 7))]
    assert [(o.name, o.dtype, o.shape) for o in engine.outputs] == [("scores", "float32", (1, 3))]


@pytest.mark.parametrize("value", [np.finfo(np.float32).max, -np.finfo(np.float32).max])
def test_scores_are_finite_for_the_largest_features(value):
    machine = _random_machine(ZZFeatureMap(8), 3, np.random.default_rng(0))
    observables = eigen_observables(machine.support_states(), machine.dual)
    engine = OnnxRuntimeEngine(_bytes(compile_kernel_machine(machine, observables, "machine")))
    scores = engine.run(np.full((1, 7), value, np.float32))["scores"]
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores.sum(), 1, atol=1e-6)


def _random_machine(feature_map, classes, rng):
    support, decisions = 12, 1 if classes == 2 else classes
    return KernelMachine(
        feature_map=feature_map,
        weights=rng.normal(size=(7, feature_map.qubits)) / 7,
        bias=rng.normal(size=feature_map.qubits),
        support_angles=rng.normal(size=(support, feature_map.qubits)),
        dual=rng.normal(size=(support, decisions)),
        intercept=rng.normal(size=decisions),
        steepness=1.5,
        bandwidth=1.0,
        regularization=1.0,
    )


def _expectations(feature_map, angles, observables, offsets):
    build = GraphBuilder("expectations")
    state = compile_states(build, feature_map, build.input("angles", np.float64, angles.shape))
    found = compile_expectations(build, state, observables, offsets)
    return _run(build.finish(found=(found, np.float32, (len(angles), len(offsets)))), angles)


def _run(model, tensor):
    return next(iter(OnnxRuntimeEngine(_bytes(model)).run(tensor).values())).astype(np.float64)


def _bytes(model):
    return ir.to_proto(model).SerializeToString()
