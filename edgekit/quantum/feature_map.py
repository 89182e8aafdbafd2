"""The ZZ feature map: how a few numbers become the phases of a quantum state."""

import math
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Literal

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError

MAX_QUBITS = 8
"""A state of 8 qubits has 256 amplitudes; an observable on it is at most 0.5 MB of float32."""

Entanglement = Literal["full", "linear"]


@dataclass(frozen=True)
class ZZFeatureMap:
    """The circuit of `reps` layers, each a Hadamard on every qubit and then a diagonal of phases.

    Havlíček et al., 2019, "Supervised learning with quantum-enhanced feature spaces", Nature 567,
    209. The convention is that of Qiskit's `ZZFeatureMap`: bit i of a basis state's index is qubit
    i (little endian), qubit i turns by 2 x_i where its bit is 1, and an entangled pair turns by
    2 (pi - x_i)(pi - x_j) where its two bits differ.

    Attributes:
        qubits: how many, 1 to 8; one angle each.
        reps: how many layers, at least 1.
        entanglement: which pairs are entangled: all (`full`) or neighbours only (`linear`).

    Raises:
        InputError: an attribute is out of its range.
    """

    qubits: int
    reps: int = 2
    entanglement: Entanglement = "full"

    def __post_init__(self) -> None:
        if not 1 <= self.qubits <= MAX_QUBITS:
            raise InputError(f"{self.qubits} qubits: an exact state needs 1 to {MAX_QUBITS}")
        if self.reps < 1:
            raise InputError(f"reps is {self.reps}, a feature map needs at least 1")
        if self.entanglement not in ("full", "linear"):
            raise InputError(f"entanglement is {self.entanglement!r}, not 'full' or 'linear'")

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The entangled pairs of qubits, the lower first."""
        qubits = range(self.qubits)
        return tuple(combinations(qubits, 2) if self.entanglement == "full" else pairwise(qubits))

    def phase_basis(self) -> Array:
        """Which phases each basis state collects: 0 or 1, int8 `[qubits + pairs, 2^qubits]`."""
        bits = np.arange(2**self.qubits) >> np.arange(self.qubits)[:, np.newaxis] & 1
        differ = [bits[i] ^ bits[j] for i, j in self.pairs]
        return np.array([*bits, *differ], np.int8)

    def coefficients(self, angles: Array) -> Array:
        """The phases themselves, in radians and not wrapped.

        Args:
            angles: float64 `[B, qubits]`.

        Returns:
            float64 `[B, qubits + pairs]`; times the basis it gives the diagonal's phases.
        """
        first, second = self.pair_columns()
        rest = math.pi - angles
        return np.concatenate([2 * angles, 2 * rest[:, first] * rest[:, second]], axis=1)

    def pair_columns(self) -> tuple[Array, Array]:
        """The pairs as two columns of qubit numbers, int64 `[pairs]` each."""
        columns = np.array(self.pairs, np.int64).reshape(-1, 2)
        return columns[:, 0], columns[:, 1]
