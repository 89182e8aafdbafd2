"""Metrics of small examples that can be counted by hand."""

import numpy as np
import pytest

from edgekit.errors import InputError
from edgekit.train.metrics import (
    accuracy,
    confusion_matrix,
    f1,
    precision,
    recall,
    roc_auc,
    top_k,
)

OUTPUTS = np.array(
    [[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.1, 0.8, 0.1], [0.2, 0.3, 0.5], [0.6, 0.3, 0.1]]
)
TARGETS = np.array([0, 0, 1, 2, 2])


def test_shares_of_right_answers() -> None:
    assert accuracy(OUTPUTS, TARGETS) == pytest.approx(3 / 5)
    assert top_k(OUTPUTS, TARGETS, 2) == pytest.approx(4 / 5)
    assert top_k(OUTPUTS, TARGETS, 3) == 1
    with pytest.raises(InputError, match="top 4 of 3 classes"):
        top_k(OUTPUTS, TARGETS, 4)


def test_precision_and_recall_are_means_over_classes() -> None:
    assert precision(OUTPUTS, TARGETS) == pytest.approx((1 / 2 + 1 / 2 + 1) / 3)
    assert recall(OUTPUTS, TARGETS) == pytest.approx((1 / 2 + 1 + 1 / 2) / 3)
    assert f1(OUTPUTS, TARGETS) == pytest.approx((1 / 2 + 2 / 3 + 2 / 3) / 3)


def test_the_confusion_matrix_has_a_row_for_each_true_class() -> None:
    wanted = [[1, 1, 0], [0, 1, 0], [1, 0, 1]]
    np.testing.assert_array_equal(confusion_matrix(OUTPUTS, TARGETS), wanted)
    np.testing.assert_array_equal(confusion_matrix(OUTPUTS[:, :, None, None], TARGETS), wanted)


def test_the_area_under_the_curve_counts_pairs_in_order() -> None:
    scores = np.array([0.1, 0.4, 0.35, 0.8])
    assert roc_auc(scores, np.array([0, 0, 1, 1])) == pytest.approx(3 / 4)
    assert roc_auc(np.eye(3)[TARGETS], TARGETS) == 1
    with pytest.raises(InputError, match="two classes"):
        roc_auc(OUTPUTS, np.zeros(5, int))
