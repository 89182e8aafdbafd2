"""Anomaly scores of any model on one scale: how far above its own threshold."""

from edgekit.runtime.prediction import AnomalyScore


def severity(anomaly: AnomalyScore) -> float:
    """The score as a multiple of the model's threshold: above 1 where it is anomalous.

    Where the threshold is not positive there are no multiples of it, and the scale is
    `1 + score - threshold`.
    """
    if anomaly.threshold > 0:
        return anomaly.score / anomaly.threshold
    return 1 + anomaly.score - anomaly.threshold


def score_at(multiple: float, threshold: float) -> float:
    """The score whose severity is `multiple`, for a model with that threshold."""
    return multiple * threshold if threshold > 0 else threshold + multiple - 1
