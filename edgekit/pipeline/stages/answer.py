"""What a prediction comes down to, for stages that look whether it changed."""

from edgekit.runtime.prediction import AnomalyScore, Classification, Prediction

Answer = str | bool | bytes | None


def answer_of(prediction: Prediction) -> Answer:
    """The first class's label, whether it is anomalous, or the bytes of raw values."""
    match prediction:
        case Classification(top):
            return top[0].label if top else None
        case AnomalyScore():
            return prediction.anomalous
        case _:
            return prediction.values.tobytes()
