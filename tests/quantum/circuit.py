"""The ZZ feature map as Qiskit draws it, one gate at a time: an independent reference."""

import math

import numpy as np

from edgekit.array import Array
from edgekit.quantum.feature_map import ZZFeatureMap

_HADAMARD = np.array([[1, 1], [1, -1]]) / math.sqrt(2)


def state_of_circuit(feature_map: ZZFeatureMap, angles: Array) -> Array:
    """Amplitudes complex128 `[2^qubits]`, little endian, for one row of angles."""
    n = feature_map.qubits
    state = np.zeros((2,) * n, complex)  # axis n - 1 - q is qubit q
    state[(0,) * n] = 1
    for _ in range(feature_map.reps):
        for qubit in range(n):
            state = _one_qubit(state, _HADAMARD, qubit)
        for qubit in range(n):
            state = _one_qubit(state, _phase(2 * angles[qubit]), qubit)
        for first in range(n):
            for second in range(first + 1, n):
                if feature_map.entanglement == "linear" and second != first + 1:
                    continue
                state = _controlled_not(state, first, second)
                turn = 2 * (math.pi - angles[first]) * (math.pi - angles[second])
                state = _one_qubit(state, _phase(turn), second)
                state = _controlled_not(state, first, second)
    return state.reshape(-1)


def _phase(turn: float) -> Array:
    return np.diag([1, np.exp(1j * turn)])


def _one_qubit(state: Array, gate: Array, qubit: int) -> Array:
    axis = state.ndim - 1 - qubit
    return np.moveaxis(np.tensordot(gate, state, axes=(1, axis)), 0, axis)


def _controlled_not(state: Array, control: int, target: int) -> Array:
    flipped = np.flip(state, axis=state.ndim - 1 - target)
    is_set = np.arange(2).reshape([2] + [1] * control)
    return np.where(is_set == 1, flipped, state)
