import inspect
import tomllib
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.errors import InputError
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from edgekit.zoo.quantum_kernel import build_quantum_kernel, load_dataset

RECIPE = Path(__file__).resolve().parents[2] / "models" / "quantum_kernel" / "recipe.toml"
SMALL = {"qubits": 4, "bandwidths": (0.02, 0.05), "regularization": (10.0,), "folds": 3}


@pytest.fixture(scope="module", params=["wine", "breast_cancer"])
def dataset(request):
    return load_dataset(request.param)


@pytest.fixture(scope="module")
def trained(dataset):
    features, targets, columns, labels = dataset
    return build_quantum_kernel(features, targets, columns=columns, labels=labels, **SMALL)


def test_the_graph_is_as_accurate_as_the_facts_say(dataset, trained):
    from sklearn.model_selection import train_test_split

    _, test, _, targets = train_test_split(
        dataset.features, dataset.targets, test_size=0.25, random_state=0, stratify=dataset.targets
    )
    engine = OnnxRuntimeEngine(ir.to_proto(trained.model).SerializeToString())
    scores = [engine.run(row[np.newaxis].astype(np.float32))["scores"][0] for row in test]
    assert trained.facts["test samples"] == len(test)
    assert trained.facts["quantum accuracy"] == np.mean(np.argmax(scores, axis=1) == targets)


def test_the_scores_are_probabilities_of_the_labels(dataset, trained):
    engine = OnnxRuntimeEngine(ir.to_proto(trained.model).SerializeToString())
    scores = engine.run(dataset.features[:1].astype(np.float32))["scores"]
    assert scores.shape == (1, len(trained.labels))
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(), 1, atol=1e-6)


def test_it_takes_one_row_of_readings_by_name(dataset, trained):
    assert trained.task == "classification"
    assert trained.output.kind == "scores"
    assert trained.labels == dataset.labels
    assert (trained.input.name, trained.input.dtype) == ("features", "float32")
    assert trained.input.shape == (1, len(dataset.columns))
    assert trained.input.window is not None
    assert trained.input.window.columns == dataset.columns


def test_an_rbf_svm_is_always_reported_beside_it(trained):
    for name in ("quantum accuracy", "RBF SVM accuracy", "RBF SVM accuracy, all features"):
        assert 0.8 < trained.facts[name] <= 1
    assert trained.facts["bandwidth"] in SMALL["bandwidths"]
    assert trained.facts["observable rank"] <= 16 * len(trained.labels)


@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [("breast_cancer", (569, 30), 2), ("digits", (1797, 64), 10), ("wine", (178, 13), 3)],
)
def test_the_data_that_ships_with_scikit_learn_loads_by_name(name, shape, classes):
    features, targets, columns, labels = load_dataset(name)
    assert features.shape == shape
    assert len(columns) == shape[1]
    assert len(labels) == classes
    assert set(targets) == set(range(classes))
    assert all(type(text) is str for text in columns + labels)


def test_an_unknown_dataset_is_refused_with_those_there_are():
    with pytest.raises(InputError, match="no dataset 'zzzz'; there are breast_cancer, digits"):
        load_dataset("zzzz")


def test_a_misspelt_dataset_is_refused_with_the_nearest_name():
    with pytest.raises(InputError, match=r"no dataset 'wines'; did you mean wine\?"):
        load_dataset("wines")


def test_the_recipe_names_a_dataset_and_the_builder_s_arguments():
    build = tomllib.loads(RECIPE.read_text(encoding="utf-8"))["build"]
    assert build.pop("model") == "quantum_kernel"
    load_dataset(build.pop("dataset"))
    assert set(build) <= set(inspect.signature(build_quantum_kernel).parameters)


def _table(**changes):
    rng = np.random.default_rng(0)
    return {
        "features": rng.normal(size=(40, 5)),
        "targets": np.arange(40) % 2,
        "columns": ("a", "b", "c", "d", "e"),
        "labels": ("no", "yes"),
        **SMALL,
        **changes,
    }


def _with(value):
    features = np.zeros((40, 5))
    features[7, 2] = value
    return features


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": _with(np.nan)}, "features hold nan in row 7, column 'c'"),
        ({"features": _with(-np.inf)}, "features hold -inf in row 7, column 'c'"),
        ({"features": _with(1e39)}, r"features hold 1e\+39 in row 7, column 'c'"),
        ({"features": np.zeros((40, 4))}, r"features are float64 \[40, 4\], not numbers \[N, 5\]"),
        ({"features": np.zeros(40)}, r"features are float64 \[40\]"),
        ({"features": np.full((40, 5), "x")}, r"not numbers \[N, 5\]"),
        ({"features": np.ones((40, 5))}, "every feature is constant"),
        ({"targets": np.zeros(39, int)}, r"targets are int64 \[39\], not integers \[40\]"),
        ({"targets": np.zeros(40)}, "not integers"),
        ({"targets": np.arange(40) % 3}, "targets go from 0 to 2, 2 labels are for 0 to 1"),
        ({"targets": np.zeros(40, int)}, "class 'yes' has 0 samples; 3 folds"),
        ({"targets": (np.arange(40) < 4).astype(int)}, "class 'yes' has 4 samples"),
        ({"features": np.zeros((0, 5)), "targets": np.zeros(0, int)}, "class 'no' has 0 samples"),
        ({"labels": ("only",), "targets": np.zeros(40, int)}, "at least 2 classes"),
        ({"qubits": 9}, "9 qubits: an exact state needs 1 to 8"),
        ({"qubits": 6}, "6 qubits need as many features, here are 5"),
        ({"reps": 0}, "reps is 0"),
        ({"entanglement": "ring"}, "entanglement is 'ring'"),
        ({"bandwidths": ()}, "bandwidths are"),
        ({"bandwidths": (0.1, -1.0)}, "bandwidths are"),
        ({"regularization": (float("nan"),)}, "regularization are"),
        ({"test_share": 1.0}, "test_share is 1.0"),
        ({"folds": 1}, "folds is 1"),
        ({"seed": -1}, "seed is -1"),
        ({"columns": ("a", "b", "", "d", "e")}, "column 2 has no name"),
        ({"columns": ("a", "b", "c", "d", " ")}, "column 4 has no name"),
        ({"columns": ("a", "b", "c", "b", "e")}, "two columns are named 'b'; rename one"),
    ],
)
def test_data_that_cannot_be_used_is_refused_in_one_line(changes, message):
    with pytest.raises(InputError, match=message) as refused:
        build_quantum_kernel(**_table(**changes))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("folds", [2, 3, 5])
def test_the_fewest_samples_that_are_let_through_suffice(share, folds):
    needed = max(int(np.ceil(folds / (1 - share))), int(np.ceil(1 / share))) + 1
    targets = np.repeat([0, 1, 2], [needed, needed + 1, needed + 17])
    features = np.random.default_rng(0).normal(size=(len(targets), 5))
    trained = build_quantum_kernel(
        features,
        targets,
        columns=("a", "b", "c", "d", "e"),
        labels=("p", "q", "r"),
        qubits=2,
        bandwidths=(0.05,),
        regularization=(1.0,),
        test_share=share,
        folds=folds,
    )
    assert len(trained.labels) == 3
