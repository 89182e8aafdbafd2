import math

import numpy as np
import pytest

from edgekit.errors import InputError
from edgekit.quantum.feature_map import ZZFeatureMap


def test_full_entanglement_pairs_every_two_qubits():
    assert ZZFeatureMap(3).pairs == ((0, 1), (0, 2), (1, 2))


def test_linear_entanglement_pairs_neighbours():
    assert ZZFeatureMap(4, entanglement="linear").pairs == ((0, 1), (1, 2), (2, 3))


def test_one_qubit_has_no_pairs():
    feature_map = ZZFeatureMap(1)
    assert feature_map.phase_basis().tolist() == [[0, 1]]
    assert feature_map.coefficients(np.array([[0.5]])).tolist() == [[1.0]]


def test_bit_i_of_an_index_is_qubit_i_and_a_pair_counts_where_its_bits_differ():
    assert ZZFeatureMap(2).phase_basis().tolist() == [[0, 1, 0, 1], [0, 0, 1, 1], [0, 1, 1, 0]]


def test_the_phases_are_those_of_qiskit():
    x, y = 0.25, -1.5
    wanted = [2 * x, 2 * y, 2 * (math.pi - x) * (math.pi - y)]
    np.testing.assert_allclose(ZZFeatureMap(2).coefficients(np.array([[x, y]])), [wanted])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"qubits": 0}, "0 qubits"),
        ({"qubits": 9}, "9 qubits: an exact state needs 1 to 8"),
        ({"qubits": 2, "reps": 0}, "reps is 0"),
        ({"qubits": 2, "entanglement": "ring"}, "'ring', not 'full' or 'linear'"),
    ],
)
def test_a_setting_out_of_range_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        ZZFeatureMap(**settings)
