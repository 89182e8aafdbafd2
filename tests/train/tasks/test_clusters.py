from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from edgekit.array import Array
from edgekit.compress import pack_model
from edgekit.errors import InputError
from edgekit.runtime.prediction import Classification
from edgekit.runtime.session import Session
from edgekit.train.tasks import cluster, embed, principal_components, raw_features
from tests.train.tasks.encoders import digits


def blobs(count: int = 4) -> tuple[Array, Array]:
    x, y = make_blobs(400, centers=count, n_features=6, random_state=1)
    return x.astype(np.float32), y


@pytest.mark.parametrize("count", [3, 4, 5])
def test_the_silhouette_finds_how_many_there_are(count: int) -> None:
    x, y = blobs(count)
    found = cluster(raw_features((6,)), x, counts=range(2, 8))
    assert found.centres.shape == (count, 6)
    assert max(found.silhouettes, key=found.silhouettes.__getitem__) == count
    assert list(found.silhouettes) == [2, 3, 4, 5, 6, 7]
    answers = embed(found.model, x).argmax(axis=1)
    pairs = set(zip(answers.tolist(), y.tolist(), strict=True))
    assert len(pairs) == count


def test_the_graph_says_what_scikit_learn_does() -> None:
    x = digits()[0][:600]
    components = principal_components(x, count=12)
    found = cluster(components.encoder, x, counts=[10])
    features = embed(components.encoder, x)
    theirs = KMeans(10, n_init=10, random_state=0).fit(features.astype(np.float64))
    scores = embed(found.model, x)
    np.testing.assert_array_equal(scores.argmax(axis=1), theirs.labels_)
    np.testing.assert_allclose(found.centres, theirs.cluster_centers_)
    squares = np.square(features[:, np.newaxis] - found.centres).sum(axis=2)
    densities = np.exp(-squares * features.size / (2 * theirs.inertia_))
    np.testing.assert_allclose(scores, densities / densities.sum(axis=1, keepdims=True), atol=1e-4)


@pytest.mark.parametrize("counts", [[1, 2], [], [400]])
def test_counts_that_cannot_be_are_refused(counts: list[int]) -> None:
    with pytest.raises(InputError, match="2 to 399 can be tried"):
        cluster(raw_features((6,)), blobs()[0], counts=counts)


def test_samples_that_are_all_the_same_are_refused() -> None:
    with pytest.raises(InputError, match="1 different samples cannot be divided"):
        cluster(raw_features((6,)), np.ones((100, 6), np.float32))


def test_clusters_end_as_a_bundle_that_a_board_runs(tmp_path: Path) -> None:
    x, _ = blobs()
    found = cluster(raw_features((6,)), x, counts=range(2, 8))
    ir.save(found.model, tmp_path / "clusters.onnx")
    pack_model(tmp_path / "clusters.onnx", task="classification", out=tmp_path / "bundle")
    session = Session.open(tmp_path / "bundle")
    expected = embed(found.model, x)
    for number in range(5):
        prediction, _ = session.predict(x[number])
        assert isinstance(prediction, Classification)
        likeliest = prediction.top[0]
        assert likeliest.id == expected[number].argmax()
        assert likeliest.p == pytest.approx(expected[number].max(), abs=1e-5)
