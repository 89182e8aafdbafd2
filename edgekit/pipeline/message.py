"""The message that stands for an event, the same at a broker and in a file."""

from edgekit.messaging.payloads import Fired, Infer, ModelName, Timings, TopClass, encode
from edgekit.pipeline.parts import Event, Firing, Inference
from edgekit.runtime.prediction import AnomalyScore, Classification, RawValues


def payload_of(event: Event) -> bytes:
    """The message of an event as JSON; made once for all sinks that take the event in turn.

    Raises:
        InputError: the event has no message: a number is not finite, or out of its range.
    """
    global _latest
    known = _latest
    if known is None or known[0] is not event:
        known = _latest = (event, encode(message_of(event)))
    return known[1]


_latest: tuple[Event, bytes] | None = None
"""The event that was told last; replaced as a whole, so that threads need no lock."""


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
                [
                    TopClass(id=one.id, label=one.label, p=round(min(1.0, max(0.0, one.p)), 6))
                    for one in classes
                ]
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
