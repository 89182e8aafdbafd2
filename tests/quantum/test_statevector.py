import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import InputError
from edgekit.quantum.feature_map import ZZFeatureMap
from edgekit.quantum.statevector import hadamard, hadamard_halves, kernel, states
from tests.quantum.circuit import state_of_circuit
from tests.quantum.strategies import maps_and_angles


def test_one_qubit_and_one_layer_is_a_turned_plus_state():
    wanted = np.array([[1, np.exp(0.6j)]]) / math.sqrt(2)
    np.testing.assert_allclose(states(ZZFeatureMap(1, reps=1), np.array([[0.3]])), wanted)


@settings(max_examples=60, deadline=None)
@given(maps_and_angles())
def test_states_equal_the_circuit_gate_by_gate(drawn):
    feature_map, angles = drawn
    wanted = [state_of_circuit(feature_map, row) for row in angles]
    np.testing.assert_allclose(states(feature_map, angles), wanted, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(maps_and_angles(largest=1e6))
def test_states_have_norm_1(drawn):
    feature_map, angles = drawn
    norms = np.linalg.norm(states(feature_map, angles), axis=1)
    np.testing.assert_allclose(norms, 1, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(maps_and_angles(rows=st.integers(2, 12)))
def test_a_kernel_matrix_is_symmetric_positive_and_1_on_its_diagonal(drawn):
    feature_map, angles = drawn
    prepared = states(feature_map, angles)
    gram = kernel(prepared, prepared)
    np.testing.assert_allclose(gram, gram.T, atol=1e-12)
    np.testing.assert_allclose(np.diag(gram), 1, atol=1e-12)
    assert gram.min() >= 0
    assert gram.max() <= 1 + 1e-12
    assert np.linalg.eigvalsh(gram).min() > -1e-10


@pytest.mark.parametrize("qubits", range(1, 9))
def test_two_halves_make_the_whole_hadamard(qubits):
    lower, upper = hadamard_halves(qubits)
    np.testing.assert_allclose(np.kron(upper, lower), hadamard(qubits), atol=1e-15)


@pytest.mark.parametrize("shape", [(3,), (1, 3), (1, 2, 2)])
def test_angles_of_another_shape_are_refused(shape):
    with pytest.raises(InputError, match=r"the map takes \[B, 2\]"):
        states(ZZFeatureMap(2), np.zeros(shape))
