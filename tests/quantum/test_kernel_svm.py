import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from edgekit.errors import InputError
from edgekit.quantum.kernel_machine import RadialKernel
from edgekit.quantum.kernel_svm import Grid, decided, principal_components, train_svm

WINE, CULTIVARS = load_wine(return_X_y=True)


def test_the_reduction_is_a_standard_scaler_and_a_pca():
    reduced = principal_components(WINE, 4)(WINE)
    wanted = PCA(4).fit_transform(StandardScaler().fit_transform(WINE))
    wanted /= wanted[:, 0].std()
    signs = np.sign((reduced * wanted).sum(axis=0))
    np.testing.assert_allclose(reduced, wanted * signs, atol=1e-9)


def test_the_sign_of_a_component_does_not_depend_on_the_order_of_samples():
    order = np.random.default_rng(0).permutation(len(WINE))
    np.testing.assert_allclose(
        principal_components(WINE, 4).weights, principal_components(WINE[order], 4).weights
    )


def test_a_constant_feature_and_a_missing_component_are_harmless():
    features = np.column_stack([np.arange(5.0), np.full(5, 7.0)])
    reduced = principal_components(features, 2)(features)
    np.testing.assert_allclose(reduced[:, 0].std(), 1)
    np.testing.assert_allclose(reduced[:, 1], 0, atol=1e-12)


def test_features_that_never_vary_are_refused():
    with pytest.raises(InputError, match="every feature is constant"):
        principal_components(np.ones((5, 3)), 2)


def test_more_components_than_samples_are_refused():
    with pytest.raises(InputError, match="5 components need as many features and training samples"):
        principal_components(np.eye(4, 9), 5)


def test_without_a_number_every_component_is_kept():
    features = np.random.default_rng(0).normal(size=(4, 9))
    assert principal_components(features, None).weights.shape == (9, 4)


@pytest.mark.parametrize("classes", [2, 3])
def test_nothing_of_a_sample_left_out_leaks_into_its_decision(classes):
    features, targets = WINE[classes > CULTIVARS], CULTIVARS[classes > CULTIVARS]
    width, regularization = 0.3, 10.0
    svm = train_svm(
        RadialKernel(), features, targets, Grid([width], [regularization], 4, 7), components=3
    )
    folds = StratifiedKFold(4, shuffle=True, random_state=7)
    for inside, outside in folds.split(features, targets):
        scaler = StandardScaler().fit(features[inside])
        pca = PCA(3).fit(scaler.transform(features[inside]))
        known = pca.transform(scaler.transform(features[inside]))
        new = pca.transform(scaler.transform(features[outside]))
        gamma = width**2 / known[:, 0].var()
        for number, label in enumerate(range(classes) if classes > 2 else [1]):
            by_hand = SVC(kernel="precomputed", C=regularization).fit(
                rbf_kernel(known, gamma=gamma), targets[inside] == label
            )
            np.testing.assert_allclose(
                svm.cross_validated[outside, number],
                by_hand.decision_function(rbf_kernel(new, known, gamma=gamma)),
                atol=1e-6,
            )


def test_of_equal_candidates_the_smallest_c_and_then_the_largest_width_wins():
    rng = np.random.default_rng(0)
    targets = np.repeat([0, 1], 20)
    features = rng.normal(size=(40, 2)) + 100 * targets[:, np.newaxis]
    grid = Grid([0.1, 0.2], [10.0, 1.0], folds=4)
    svm = train_svm(RadialKernel(), features, targets, grid, components=2)
    assert (svm.regularization, svm.width) == (1.0, 0.2)


def test_the_better_width_wins_wherever_it_stands():
    grid = Grid([1e-6, 0.3, 1e3], [10.0], folds=4)
    svm = train_svm(RadialKernel(), WINE, CULTIVARS, grid, components=4)
    assert svm.width == 0.3
    assert svm.accuracy(WINE, CULTIVARS) > 0.95


def test_only_support_vectors_are_kept():
    svm = train_svm(RadialKernel(), WINE, CULTIVARS, Grid([0.3], [10.0]), components=4)
    assert len(svm.support) == len(svm.dual) < len(WINE)
    assert svm.dual.any(axis=1).all()


def test_a_single_decision_means_class_1_where_it_is_positive():
    assert decided(np.array([[-0.1], [0.2]])).tolist() == [0, 1]
    assert decided(np.array([[0.1, 0.3, -1.0]])).tolist() == [1]
