"""The message that stands for an event, the same at a broker and in a file."""

from edgekit.messaging.payloads import Fired, Infer, ModelName, Timings, TopClass
from edgekit.pipeline.parts import Event, Firing, Inference
from edgekit.runtime.prediction import AnomalyScore, Classification, RawValues


def message_of(event: Event) -> Infer | Fired:
    """The `infer/<pipeline>` message of a prediction, or the `event/<rule>` one of a firing."""
    return _fired(event) if isinstance(event, Firing) else infer_of(event)


def _fired(event: Firing) -> Fired:
    return Fired(
        rule=event.rule,
        fired=event.fired_ms,
        seq=event.sequence,
        boot=event.boot,
        when=event.when,
        held_s=round(event.held_s, 3),
        facts=dict(event.facts),
    )


def infer_of(event: Inference) -> Infer:
    """The `infer/<pipeline>` message of a prediction."""
    top = score = threshold = anomalous = values = None
    match event.prediction:
        case Classification(classes):
            # A float32 softmax can come out a rounding error above 1.
            top = tuple(
                TopClass(id=found.id, label=found.label, p=round(min(1.0, max(0.0, found.p)), 6))
                for found in classes
            )
        case AnomalyScore() as anomaly:
            score, threshold, anomalous = anomaly.score, anomaly.threshold, anomaly.anomalous
        case RawValues(raw):
            values = tuple(raw.reshape(-1).tolist())
    timing = event.timing
    return Infer(
        pipeline=event.pipeline,
        captured=event.captured_ms,
        seq=event.sequence,
        boot=event.boot,
        model=ModelName(name=event.model_name, version=event.model_version, hash=event.model_hash),
        ms=Timings(
            age=round(timing.age, 3),
            prepare=round(timing.prepare, 3),
            infer=round(timing.infer, 3),
            interpret=round(timing.interpret, 3),
        ),
        origin=event.origin or None,
        top=top,
        score=score,
        threshold=threshold,
        anomalous=anomalous,
        values=values,
    )
