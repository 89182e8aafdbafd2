"""Measures the quantum-kernel graph's choices, and its accuracy beside an RBF SVM; Markdown.

Run it from the repository as `python -m tools.bench.quantum`: about 4 minutes on two idle cores.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from edgekit.array import Array
from edgekit.graph.build import GraphBuilder
from edgekit.quantum.compiler import (
    HadamardLayer,
    Observables,
    compile_expectations,
    compile_states,
    eigen_observables,
    hadamard_by_halves,
)
from edgekit.quantum.feature_map import ZZFeatureMap
from edgekit.quantum.kernel_machine import compare_with_rbf, fit_kernel_machine
from edgekit.quantum.kernel_svm import Grid
from edgekit.quantum.statevector import hadamard, states
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from edgekit.runtime.timing import interleaved, ratio
from edgekit.zoo.quantum_kernel import BANDWIDTHS, REGULARIZATION, load_dataset

UNTUNED = (1.0,)
ROUNDS = 1000
SEEDS = (0, 1, 2)


def main() -> None:
    print("## Hadamard layers: the whole state, 2 repetitions, one sample, one thread\n")
    print_table(
        ("qubits", "two halves", "dense", "a factor a qubit", "dense / halves", "qubit / halves"),
        map(hadamard_row, (4, 6, 8)),
    )
    print("\n## Decision by observable or by support vectors: the whole graph, 6 qubits\n")
    print_table(
        ("support vectors", "observable", "its size", "support vectors", "their size", "SV / obs."),
        map(head_row, (16, 64, 256, 1024, 4096)),
    )
    print(f"\n## Held-out accuracy, %, 6 qubits, mean (lowest-highest) of {len(SEEDS)} seeds\n")
    print_table(
        ("data", "quantum, tuned", "quantum, bandwidth 1", "RBF, same inputs", "RBF, all features"),
        (
            accuracy_row(name, folds=folds)
            for name, folds in (("breast_cancer", 5), ("wine", 5), ("digits", 3))
        ),
    )


def hadamard_row(qubits: int) -> list[str]:
    feature_map = ZZFeatureMap(qubits)
    angles = np.random.default_rng(0).normal(size=(1, qubits))
    layers: dict[str, HadamardLayer] = {
        "halves": hadamard_by_halves,
        "dense": hadamard_dense,
        "qubit": hadamard_by_qubit,
    }

    def graph(layer: HadamardLayer) -> bytes:
        build = GraphBuilder("state")
        given = build.input("angles", np.float64, (1, qubits))
        real, imaginary = compile_states(build, feature_map, given, hadamard=layer)
        both = build.op("Concat", real, imaginary, axis=0)
        return serialized(build.finish(state=(both, np.float32, (2, 2**qubits))))

    times = timed({name: graph(layer) for name, layer in layers.items()}, angles)
    return [
        str(qubits),
        *(microseconds(times[name]) for name in layers),
        str(ratio(times["dense"], times["halves"])),
        str(ratio(times["qubit"], times["halves"])),
    ]


def hadamard_dense(build: GraphBuilder, amplitudes: ir.Value, qubits: int) -> ir.Value:
    """One matrix for all qubits."""
    return build.op("MatMul", amplitudes, hadamard(qubits).astype(np.float32))


def hadamard_by_qubit(build: GraphBuilder, amplitudes: ir.Value, qubits: int) -> ir.Value:
    """One 2 x 2 matrix for each qubit in turn."""
    factor = hadamard(1).astype(np.float32)
    for qubit in range(qubits):
        pairs = build.op("Reshape", amplitudes, np.array([-1, 2, 2**qubit]))
        amplitudes = build.op("MatMul", factor, pairs)
    return build.op("Reshape", amplitudes, np.array([-1, 2**qubits]))


def head_row(support_vectors: int, *, qubits: int = 6) -> list[str]:
    feature_map = ZZFeatureMap(qubits)
    rng = np.random.default_rng(0)
    support = states(feature_map, rng.normal(size=(support_vectors, qubits)))
    dual = rng.normal(size=(support_vectors, 1))
    angles = rng.normal(size=(1, qubits))

    def graph(observables: Observables) -> bytes:
        build = GraphBuilder("decision")
        given = build.input("angles", np.float64, (1, qubits))
        state = compile_states(build, feature_map, given)
        decision = compile_expectations(build, state, observables, np.zeros(1))
        return serialized(build.finish(decision=(decision, np.float32, (1, 1))))

    graphs = {
        "observable": graph(eigen_observables(support, dual)),
        "support": graph(Observables(support, dual)),
    }
    times = timed(graphs, angles)
    return [
        str(support_vectors),
        *(
            cell
            for name, model in graphs.items()
            for cell in (microseconds(times[name]), f"{len(model) / 1000:.0f} kB")
        ),
        str(ratio(times["support"], times["observable"])),
    ]


def accuracy_row(dataset: str, *, folds: int, qubits: int = 6) -> list[str]:
    features, targets, _, _ = load_dataset(dataset)
    feature_map = ZZFeatureMap(qubits)
    tuned = [
        compare_with_rbf(
            features,
            targets,
            feature_map,
            bandwidths=BANDWIDTHS,
            regularization=REGULARIZATION,
            folds=folds,
            seed=seed,
        )
        for seed in SEEDS
    ]
    untuned = [
        untuned_accuracy(features, targets, feature_map, folds=folds, seed=seed) for seed in SEEDS
    ]
    return [
        f"{dataset}, {len(features)} samples, {features.shape[1]} features",
        spread([found.accuracy for found in tuned]),
        spread(untuned),
        spread([found.rbf_accuracy for found in tuned]),
        spread([found.rbf_accuracy_all_features for found in tuned]),
    ]


def untuned_accuracy(
    features: Array, targets: Array, feature_map: ZZFeatureMap, *, folds: int, seed: int
) -> float:
    """Of the same split and folds, with C tuned and the bandwidth left at 1."""
    train, test, train_targets, test_targets = train_test_split(
        features, targets, test_size=0.25, random_state=seed, stratify=targets
    )
    grid = Grid(UNTUNED, REGULARIZATION, folds, seed)
    machine = fit_kernel_machine(train, train_targets, feature_map, grid)
    return machine.accuracy(test, test_targets)


def timed(graphs: dict[str, bytes], angles: Array) -> dict[str, NDArray[np.int64]]:
    """Nanoseconds a run of each graph, interleaved."""

    def runner(model: bytes) -> Callable[[], object]:
        engine = OnnxRuntimeEngine(model)
        return lambda: engine.run(angles)

    ways = {name: runner(model) for name, model in graphs.items()}
    return interleaved(ways, rounds=ROUNDS, warmup=50)


def serialized(model: ir.Model) -> bytes:
    return bytes(ir.to_proto(model).SerializeToString())


def microseconds(times: NDArray[np.int64]) -> str:
    low, median, high = np.quantile(times / 1000, [0.1, 0.5, 0.9])
    return f"{median:.0f} µs ({low:.0f}-{high:.0f})"


def spread(shares: Sequence[float]) -> str:
    percent = 100 * np.asarray(shares)
    return f"{percent.mean():.1f} ({percent.min():.1f}-{percent.max():.1f})"


def print_table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    print("| " + " | ".join(heading) + " |")
    print("| " + " | ".join("---" for _ in heading) + " |")
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
