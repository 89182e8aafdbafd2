"""Exact quantum states of a batch in NumPy, and the kernel they make: what training uses."""

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.quantum.feature_map import ZZFeatureMap


def states(feature_map: ZZFeatureMap, angles: Array) -> Array:
    """The state that the feature map prepares from |0...0> for each row of angles.

    Args:
        feature_map: the circuit.
        angles: float64 `[B, qubits]`, radians of any size.

    Returns:
        Amplitudes, complex128 `[B, 2^qubits]`, each row of norm 1.

    Raises:
        InputError: the angles have another shape.
    """
    if angles.ndim != 2 or angles.shape[1] != feature_map.qubits:
        raise InputError(
            f"angles have shape {list(angles.shape)}, the map takes [B, {feature_map.qubits}]"
        )
    turns = np.exp(1j * (feature_map.coefficients(angles) @ feature_map.phase_basis()))
    low, high = hadamard_halves(feature_map.qubits)
    shape = (len(angles), len(high), len(low))
    amplitudes = turns / np.sqrt(2.0**feature_map.qubits)
    for _ in range(feature_map.reps - 1):
        mixed = high @ (amplitudes.reshape(shape) @ low)
        amplitudes = mixed.reshape(turns.shape) * turns
    result: Array = amplitudes
    return result


def kernel(left: Array, right: Array) -> Array:
    """The overlap |<a|b>|^2 of every state a of `left` with every state b of `right`.

    Args:
        left: complex128 `[A, N]`.
        right: complex128 `[B, N]`.

    Returns:
        float64 `[A, B]`, from 0 (orthogonal) to 1 (the same).
    """
    overlaps = left.conj() @ right.T
    squares: Array = np.square(overlaps.real) + np.square(overlaps.imag)
    return squares


def hadamard(qubits: int) -> Array:
    """A Hadamard on each of `qubits` qubits: float64 `[2^qubits, 2^qubits]`, symmetric."""
    matrix = np.ones((1, 1))
    for _ in range(qubits):
        matrix = np.kron(matrix, np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2.0))
    return matrix


def hadamard_halves(qubits: int) -> tuple[Array, Array]:
    """The matrices of the lower and of the upper half of the qubits.

    Kron(upper, lower) is the Hadamard on all of them: on a state laid out as `[upper, lower]` it
    is `upper @ state @ lower`, two small products in place of a large one.
    """
    return hadamard(qubits - qubits // 2), hadamard(qubits // 2)
