"""Finds groups of samples that look alike, and makes a graph that tells them apart."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.train.tasks.embedding import embed
from edgekit.train.tasks.probe import with_classes

_JUDGED = 2000
"""How many samples a silhouette looks at; it compares each with each."""

_SMALL = 1e-9


@dataclass(frozen=True)
class Clusters:
    """What k-means found.

    Attributes:
        model: gives `scores` float32 `[1, k]`, how likely a sample is of each cluster; a bundle
            of it is a classifier.
        centres: float64 `[k, F]`, in features.
        silhouettes: of each number of clusters that was tried, -1 to 1; the highest was chosen.
    """

    model: ir.Model
    centres: Array
    silhouettes: dict[int, float]


def cluster(
    encoder: ir.Model, inputs: Array, *, counts: Iterable[int] = range(2, 11), seed: int = 0
) -> Clusters:
    """Divides unlabelled samples by k-means, into as many clusters as have the best silhouette.

    Lloyd, 1982, IEEE Transactions on Information Theory 28, 129; Rousseeuw, 1987, Journal of
    Computational and Applied Mathematics 20, 53. Both by scikit-learn. A score is the posterior
    of normal distributions around the centres, all as wide as what k-means leaves over. What
    squared distances `|f|^2 - 2 f.c + |c|^2` have in common cancels, so the graph is one Gemm
    and a Softmax.

    Args:
        encoder: one input; its first output is the features. `raw_features` is one for samples
            that are good as they are.
        inputs: `[N, ...]`, unlabelled samples of the encoder's type.
        counts: how many clusters to try, each from 2 to N - 1.
        seed: of the first centres, and of which samples a silhouette looks at.

    Raises:
        InputError: the samples do not fit the encoder, or are too few for a count.
    """
    features = embed(encoder, inputs).astype(np.float64)
    counts, different = sorted(set(counts)), len(np.unique(features, axis=0))
    if not counts or counts[0] < 2 or counts[-1] >= different:
        raise InputError(
            f"{different} different samples cannot be divided into {counts} clusters; "
            f"2 to {different - 1} can be tried"
        )
    found = {count: KMeans(count, n_init=10, random_state=seed).fit(features) for count in counts}
    silhouettes = {
        count: float(
            silhouette_score(
                features,
                kmeans.labels_,
                sample_size=min(_JUDGED, len(features)),
                random_state=seed,
            )
        )
        for count, kmeans in found.items()
    }
    best = found[max(counts, key=silhouettes.__getitem__)]
    centres = best.cluster_centers_
    variance = max(best.inertia_ / features.size, _SMALL)
    weights, bias = centres.T / variance, -np.square(centres).sum(axis=1) / (2 * variance)
    return Clusters(with_classes(encoder, weights, bias, "clusters"), centres, silhouettes)
