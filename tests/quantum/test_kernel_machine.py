import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from edgekit.quantum.compiler import compile_kernel_machine, eigen_observables
from edgekit.quantum.feature_map import ZZFeatureMap
from edgekit.quantum.kernel_machine import (
    RadialKernel,
    compare_with_rbf,
    fit_kernel_machine,
    fitted_steepness,
)
from edgekit.quantum.kernel_svm import Grid, decided, principal_components
from edgekit.quantum.statevector import kernel, states
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine

GRID = Grid([0.02], [10.0], folds=3)


@pytest.fixture(scope="module", params=[2, 3], ids=["two classes", "three classes"])
def data(request):
    features, targets = load_wine(return_X_y=True)
    return features[targets < request.param], targets[targets < request.param]


@pytest.fixture(scope="module")
def machine(data):
    return fit_kernel_machine(*data, ZZFeatureMap(4), GRID)


def test_decisions_are_those_of_scikit_learn_s_svc(data, machine):
    features, targets = data
    prepared = states(ZZFeatureMap(4), 0.02 * principal_components(features, 4)(features))
    gram = kernel(prepared, prepared)
    labels = range(3) if machine.classes == 3 else [1]
    wanted = [
        SVC(kernel="precomputed", C=10.0).fit(gram, targets == label).decision_function(gram)
        for label in labels
    ]
    np.testing.assert_allclose(machine.decisions(features), np.transpose(wanted), atol=1e-6)


def test_the_likeliest_class_is_the_svm_s(data, machine):
    decisions = machine.decisions(data[0])
    np.testing.assert_array_equal(machine.logits(decisions).argmax(axis=1), decided(decisions))


def test_the_graph_s_best_score_is_the_svm_s_decision_on_every_sample(data, machine):
    rows = data[0].astype(np.float32)
    observables = eigen_observables(machine.support_states(), machine.dual)
    model = compile_kernel_machine(machine, observables, "machine")
    engine = OnnxRuntimeEngine(ir.to_proto(model).SerializeToString())
    found = [engine.run(row[np.newaxis])["scores"].argmax() for row in rows]
    np.testing.assert_array_equal(found, decided(machine.decisions(rows.astype(np.float64))))


def test_logits_are_linear_so_that_they_fold_into_the_observable(machine):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 5, len(machine.intercept)))
    np.testing.assert_allclose(machine.logits(a + 2 * b), machine.logits(a) + 2 * machine.logits(b))


def test_the_same_seed_gives_the_same_machine(data, machine):
    again = fit_kernel_machine(*data, ZZFeatureMap(4), GRID)
    np.testing.assert_array_equal(machine.dual, again.dual)
    assert machine.steepness == again.steepness


def test_the_radial_kernel_is_scikit_learn_s():
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(4, 3)), rng.normal(size=(5, 3))
    radial = RadialKernel()
    found = radial.gram(radial.embed(left, 0.5), radial.embed(right, 0.5))
    np.testing.assert_allclose(found, rbf_kernel(left, right, gamma=0.25))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 5]), st.floats(0.1, 5))
def test_the_steepness_has_the_least_log_loss_of_its_neighbours(seed, decisions, scale):
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, max(2, decisions), 60)
    if decisions == 1:
        found = (2 * targets - 1)[:, np.newaxis] + scale * rng.normal(size=(60, 1))
        units = np.concatenate([-found / 2, found / 2], axis=1)
    else:
        units = found = np.eye(decisions)[targets] + scale * rng.normal(size=(60, decisions))
    steepness = fitted_steepness(found, targets)
    counts = np.bincount(targets, minlength=units.shape[1])
    sure = ((counts + 1) / (counts + len(counts)))[targets, np.newaxis]
    rest = (1 / (counts + len(counts)))[targets, np.newaxis]
    wanted = np.where(np.eye(len(counts), dtype=bool)[targets], sure, rest)

    def loss(factor):
        logits = factor * units
        highest = logits.max(axis=1, keepdims=True)
        log_sum = highest + np.log(np.exp(logits - highest).sum(axis=1, keepdims=True))
        return (wanted * (log_sum - logits)).sum()

    assert 1e-3 <= steepness <= 1e3
    assert loss(steepness) <= min(loss(steepness * 1.05), loss(max(1e-3, steepness / 1.05))) + 1e-9


def test_decisions_that_are_always_wrong_still_keep_the_svm_s_order():
    targets = np.array([0, 1] * 10)
    assert fitted_steepness(1.0 - 2 * targets[:, np.newaxis], targets) == pytest.approx(1e-3)


def test_classes_that_separate_perfectly_get_a_finite_steepness():
    targets = np.array([0, 1] * 10)
    assert fitted_steepness(2.0 * targets[:, np.newaxis] - 1, targets) < 10


def test_test_samples_change_nothing_that_is_trained():
    features, targets = load_wine(return_X_y=True)
    train, test = train_test_split(
        np.arange(len(targets)), test_size=0.25, random_state=3, stratify=targets
    )
    spoilt = features.copy()
    spoilt[test] = 1e6
    clean, dirty = (
        compare_with_rbf(
            given_features,
            targets,
            ZZFeatureMap(3),
            bandwidths=(0.02, 0.1),
            regularization=(10.0,),
            folds=3,
            seed=3,
        )
        for given_features in (features, spoilt)
    )
    np.testing.assert_array_equal(clean.machine.dual, dirty.machine.dual)
    np.testing.assert_array_equal(clean.machine.weights, dirty.machine.weights)
    assert clean.machine.steepness == dirty.machine.steepness
    assert clean.test_samples == len(test)
    assert clean.accuracy > dirty.accuracy
    assert len(train) + len(test) == len(targets)


def test_a_tuned_bandwidth_reaches_the_rbf_svm_where_an_untuned_one_does_not():
    features, targets = load_breast_cancer(return_X_y=True)
    tuned, untuned = (
        compare_with_rbf(
            features,
            targets,
            ZZFeatureMap(5),
            bandwidths=bandwidths,
            regularization=(10.0, 100.0),
            folds=3,
        )
        for bandwidths in ((0.01, 0.05), (1.0,))
    )
    assert tuned.accuracy > tuned.rbf_accuracy - 0.03
    assert untuned.accuracy < tuned.accuracy - 0.1


def test_progress_counts_up_to_its_total():
    features, targets = load_wine(return_X_y=True)
    seen = []
    compare_with_rbf(
        features,
        targets,
        ZZFeatureMap(2),
        bandwidths=(0.02, 0.1),
        regularization=(10.0,),
        folds=3,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert [done for done, _ in seen] == list(range(1, len(seen) + 1))
    assert {total for _, total in seen} == {len(seen)}
