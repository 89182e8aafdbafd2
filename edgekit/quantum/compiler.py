"""Compiles a feature map, and a decision on its state, into standard ONNX operators."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.graph.build import GraphBuilder
from edgekit.quantum.feature_map import ZZFeatureMap
from edgekit.quantum.kernel_machine import KernelMachine
from edgekit.quantum.statevector import hadamard_halves

HadamardLayer = Callable[[GraphBuilder, ir.Value, int], ir.Value]
"""Adds a Hadamard on each of so many qubits to amplitudes float32 `[K, 2^qubits]`."""


@dataclass(frozen=True)
class Observables:
    """Hermitian operators, one a decision, as sums of weighted projectors.

    Operator d is sum_r weights[r, d] |v_r><v_r|; its expectation in a state is
    sum_r weights[r, d] |<v_r|state>|^2.

    Attributes:
        vectors: complex128 `[R, N]`.
        weights: float64 `[R, D]`.
    """

    vectors: Array
    weights: Array


def eigen_observables(support: Array, dual: Array) -> Observables:
    """The decisions of an SVM by eigenvectors in place of support vectors.

    The operator sum_i a_i |phi_i><phi_i| acts on N dimensions however many support vectors there
    are, so at most N eigenvectors a decision say the same. The decomposition is in float64 and in
    the support vectors' span; eigenvalues that are zero beside the largest to the graph's float32
    rounding are dropped.

    Args:
        support: states of the support vectors, complex128 `[M, N]`.
        dual: their signed coefficients, float64 `[M, D]`.
    """
    span, coordinates = np.linalg.qr(support.T)
    vectors, weights = [], []
    for number, coefficients in enumerate(dual.T):
        operator = (coordinates * coefficients) @ coordinates.conj().T
        values, basis = np.linalg.eigh(operator)
        kept = np.abs(values) > np.finfo(np.float32).eps * np.abs(values).max()
        vectors.append((span @ basis[:, kept]).T)
        weights.append(np.outer(values[kept], np.eye(dual.shape[1])[number]))
    return Observables(np.concatenate(vectors), np.concatenate(weights))


def compile_kernel_machine(machine: KernelMachine, observables: Observables, name: str) -> ir.Model:
    """The whole classifier: `features` float32 `[1, F]` to `scores` float32 `[1, C]`.

    Scaling, feature map, decisions and probabilities. The arg max of the scores is the SVM's
    decision.

    Args:
        machine: what was trained.
        observables: its decisions, `eigen_observables` of its support states.
        name: of the graph.
    """
    build = GraphBuilder(name)
    features = build.input("features", np.float32, (1, len(machine.weights)))
    angles = build.op("Gemm", _widened(build, features), machine.weights, machine.bias)
    state = compile_states(build, machine.feature_map, angles)
    of_classes = Observables(observables.vectors, machine.logits(observables.weights))
    logits = compile_expectations(build, state, of_classes, machine.logits(machine.intercept))
    scores = build.op("Softmax", logits, axis=-1)
    return build.finish(scores=(scores, np.float32, (1, machine.classes)))


def hadamard_by_halves(build: GraphBuilder, amplitudes: ir.Value, qubits: int) -> ir.Value:
    """The layer as `upper @ state @ lower`, the state laid out as `[2^upper, 2^lower]`.

    At 8 qubits the two matrices are 2 kB where a dense one is 262 kB; up to 6 a dense one saves
    two nodes and so some microseconds, and a factor a qubit has more nodes and is slower at every
    size (`tools/bench/quantum.py` measures all three).
    """
    lower, upper = (half.astype(np.float32) for half in hadamard_halves(qubits))
    grid = build.op("Reshape", amplitudes, np.array([-1, len(upper), len(lower)]))
    mixed = build.op("MatMul", upper, build.op("MatMul", grid, lower))
    return build.op("Reshape", mixed, np.array([-1, 2**qubits]))


def compile_states(
    build: GraphBuilder,
    feature_map: ZZFeatureMap,
    angles: ir.Value,
    *,
    hadamard: HadamardLayer = hadamard_by_halves,
) -> tuple[ir.Value, ir.Value]:
    """Nodes that prepare the feature map's state, exactly.

    Phases grow with the square of the angles, so they are summed and wrapped modulo 2 pi in
    float64; the amplitudes that they turn are float32.

    Args:
        build: takes the nodes.
        feature_map: the circuit.
        angles: float64 `[B, qubits]`, radians of any size.
        hadamard: how to mix the amplitudes between two diagonals.

    Returns:
        Real and imaginary parts, float32 `[B, 2^qubits]`, of norm sqrt(2^qubits):
        `compile_expectations` divides that out at compile time.
    """
    phases = _wrapped_phases(build, feature_map, angles)
    cosine, sine = build.op("Cos", phases), build.op("Sin", phases)
    real, imaginary = cosine, sine
    for _ in range(feature_map.reps - 1):
        stacked = build.op("Concat", real, imaginary, axis=0)
        mixed = hadamard(build, stacked, feature_map.qubits)
        a, b = build.op_many("Split", mixed, outputs=2, axis=0)
        real = build.op("Sub", build.op("Mul", a, cosine), build.op("Mul", b, sine))
        imaginary = build.op("Add", build.op("Mul", a, sine), build.op("Mul", b, cosine))
    return real, imaginary


def compile_expectations(
    build: GraphBuilder,
    state: tuple[ir.Value, ir.Value],
    observables: Observables,
    offsets: Array,
) -> ir.Value:
    """Nodes for the expectation of each observable in a state, plus an offset each.

    The rows (re, im) and (im, -re) times one real matrix are the real and the imaginary part of
    every overlap: half the numbers of the matrix that does both in one row. Weights of opposite
    sign nearly cancel, so overlaps are summed in float64; the matrix is stored as float32, and
    the engine widens it once, when it loads the model.

    Args:
        build: takes the nodes.
        state: as `compile_states` gives it, `[B, N]` each.
        observables: of D decisions.
        offsets: float64 `[D]`.

    Returns:
        float32 `[B, D]`.
    """
    real, imaginary = state
    rows = build.op(
        "Concat",
        build.op("Concat", real, imaginary, axis=1),
        build.op("Concat", imaginary, build.op("Neg", real), axis=1),
        axis=0,
    )
    vectors = np.concatenate([observables.vectors.real, observables.vectors.imag], axis=1)
    norm = math.sqrt(observables.vectors.shape[1])
    overlaps = build.op(
        "MatMul", _widened(build, rows), _widened(build, (vectors.T / norm).astype(np.float32))
    )
    squares = build.op("Mul", overlaps, overlaps)
    of_parts = build.op("MatMul", squares, observables.weights)
    of_real, of_imaginary = build.op_many("Split", of_parts, outputs=2, axis=0)
    expectations = build.op("Add", build.op("Add", of_real, of_imaginary), offsets)
    return build.op("Cast", expectations, to=ir.DataType.FLOAT)


def _wrapped_phases(build: GraphBuilder, feature_map: ZZFeatureMap, angles: ir.Value) -> ir.Value:
    """The diagonal's phases in [-pi, pi], float32 `[B, 2^qubits]`.

    They are counted in whole turns, float64, so that wrapping is exact.
    """
    turns = build.op("Mul", angles, np.array(1 / math.pi))
    if feature_map.pairs:
        rest = build.op("Sub", np.array(math.pi), angles)
        first, second = (
            build.op("Gather", rest, column, axis=1) for column in feature_map.pair_columns()
        )
        of_pairs = build.op("Mul", build.op("Mul", first, second), np.array(1 / math.pi))
        turns = build.op("Concat", turns, of_pairs, axis=1)
    turns = build.op("MatMul", turns, _widened(build, feature_map.phase_basis()))
    part = build.op("Sub", turns, build.op("Round", turns))
    radians = build.op("Mul", part, np.array(2 * math.pi))
    return build.op("Cast", radians, to=ir.DataType.FLOAT)


def _widened(build: GraphBuilder, values: ir.Value | Array) -> ir.Value:
    return build.op("Cast", values, to=ir.DataType.DOUBLE)
