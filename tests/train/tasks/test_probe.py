import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.learning import Arrays
from edgekit.learning.changes import gaussian_noise
from edgekit.train.tasks import (
    Denoising,
    embed,
    fine_tune,
    linear_probe,
    pretrain,
    raw_features,
)
from tests.train.tasks.encoders import digits, perceptron


def few() -> tuple[Array, Array]:
    x, y = digits()
    return x[1200:1300], y[1200:1300]


def test_a_probe_is_scikit_learns() -> None:
    (x, y), encoder = few(), perceptron()
    model = linear_probe(encoder, x, y, classes=10)
    features = embed(encoder, x)
    theirs = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(features, y)
    np.testing.assert_allclose(embed(model, x), theirs.predict_proba(features), atol=1e-5)
    output = model.graph.outputs[0]
    assert (output.name, output.shape) == ("scores", (1, 10))


def test_two_of_three_classes_share_what_there_is() -> None:
    x, y = few()
    chosen = np.isin(y, (0, 2))
    scores = embed(
        linear_probe(raw_features((1, 8, 8)), x[chosen], y[chosen], classes=3), x[chosen]
    )
    assert (scores.argmax(axis=1) == y[chosen]).all()
    assert scores[:, 1].max() < 1e-6


@pytest.mark.parametrize("targets", [np.zeros(100, np.int64), np.arange(100), np.arange(100) - 1])
def test_targets_that_are_no_classes_are_refused(targets: Array) -> None:
    with pytest.raises(InputError, match="not at least two different classes of 0..9"):
        linear_probe(perceptron(), few()[0], targets, classes=10)


def test_samples_that_do_not_fit_are_refused() -> None:
    x, y = few()
    with pytest.raises(InputError, match="99 targets do not go with 100 samples"):
        linear_probe(perceptron(), x, y[:99], classes=10)
    with pytest.raises(InputError, match=r"a sample is \[1, 8, 7\]"):
        embed(perceptron(), x[..., :7])
    with pytest.raises(InputError, match="no samples"):
        embed(perceptron(), x[:0])


@pytest.mark.parametrize("count", [1, 63, 64, 65, 130])
def test_features_do_not_depend_on_how_samples_are_batched(count: int) -> None:
    x, _ = digits()
    whole = embed(perceptron(), x[:130])
    np.testing.assert_allclose(embed(perceptron(), x[:count]), whole[:count], atol=1e-5)


def test_fine_tuning_goes_further_than_a_probe() -> None:
    x, y = digits()
    task = Denoising(gaussian_noise(0.3))
    encoder = pretrain(perceptron(), task, Arrays(x[:1200]), epochs=40, rate=3e-3, rows=64)
    probe = linear_probe(encoder, *few(), classes=10)
    tuned = fine_tune(probe, *few(), epochs=40, rate=1e-3, rows=50)
    again = fine_tune(probe, *few(), epochs=40, rate=1e-3, rows=50)
    right = [(embed(m, x[1300:]).argmax(axis=1) == y[1300:]).mean() for m in (probe, tuned)]
    assert right[1] > right[0] + 0.01
    np.testing.assert_array_equal(embed(tuned, x[:10]), embed(again, x[:10]))
