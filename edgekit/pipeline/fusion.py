"""Fuses the predictions of several pipelines into those of one."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.pipeline.parts import Inference
from edgekit.pipeline.pooling import Pool, pool_anomalies, pool_classes
from edgekit.runtime.prediction import AnomalyScore, Classification, Prediction, Timing


@dataclass(frozen=True)
class _Heard:
    """What a pipeline said last in this window, and when."""

    inference: Inference
    at_s: float


class Fusion:
    """Takes predictions of its inputs and gives one for all of them, a window at a time.

    A window opens with the first prediction of any input. It ends as soon as every input has
    spoken, or `window_s` later; of an input that speaks twice the newest counts. What it gives is
    pooled from the inputs that spoke, by their weights alone: `origin` names them. A window in
    which fewer than `require` spoke gives nothing and is counted.

    Classifications are fused with each other, and anomaly scores with each other: of both in one
    window those of the newest one's kind count. Raw values and other pipelines are ignored.

    Attributes:
        name: the name under which the fused predictions are told.
        incomplete: windows in which too few inputs spoke.
    """

    def __init__(
        self,
        name: str,
        inputs: Mapping[str, float],
        *,
        window_s: float,
        boot: str,
        require: int = 1,
        pool: Pool = "linear",
    ) -> None:
        """Takes the weight of each input's pipeline, all above 0."""
        self.name = name
        self.incomplete = 0
        self._inputs, self._window_s = dict(inputs), window_s
        self._require, self._pool, self._boot = require, pool, boot
        self._heard: dict[str, _Heard] = {}
        self._opened_s = 0.0
        self._sequence = 0
        settings = json.dumps([sorted(self._inputs.items()), window_s, require, pool])
        self._hash = hashlib.sha256(settings.encode()).hexdigest()[:12]

    def take(self, inference: Inference, now_s: float) -> Inference | None:
        """Takes a prediction of any pipeline; gives a fused one where a window ends.

        Args:
            inference: the prediction.
            now_s: the time, on a clock that never goes back.
        """
        closed = self.tick(now_s)
        usable = isinstance(inference.prediction, Classification | AnomalyScore)
        if inference.pipeline not in self._inputs or not usable:
            return closed
        if not self._heard:
            self._opened_s = now_s
        self._heard.pop(inference.pipeline, None)  # so that the newest comes last
        self._heard[inference.pipeline] = _Heard(inference, now_s)
        if len(self._heard) == len(self._inputs):
            return self._close(now_s)
        return closed

    def tick(self, now_s: float) -> Inference | None:
        """Ends the window if its time has come; gives what it comes to."""
        due_s = self.next_tick_s()
        return self._close(now_s) if due_s is not None and now_s >= due_s else None

    def next_tick_s(self) -> float | None:
        """When the window ends without a further prediction; `None` while none is open."""
        return self._opened_s + self._window_s if self._heard else None

    def _close(self, now_s: float) -> Inference | None:
        newest = next(reversed(self._heard.values())).inference.prediction
        heard = [
            self._heard[name]
            for name in self._inputs
            if name in self._heard
            and isinstance(self._heard[name].inference.prediction, type(newest))
        ]
        self._heard.clear()
        if len(heard) < self._require:
            self.incomplete += 1
            return None
        inferences = [part.inference for part in heard]
        fused = Inference(
            pipeline=self.name,
            sequence=self._sequence,
            boot=self._boot,
            model_name="fusion",
            model_version="1.0.0",
            model_hash=self._hash,
            captured_ms=min(part.captured_ms for part in inferences),
            origin=", ".join(part.pipeline for part in inferences),
            prediction=self._pooled(inferences),
            timing=Timing(
                age=max(_age_ms(part, now_s) for part in heard),
                prepare=0.0,
                infer=0.0,
                interpret=0.0,
            ),
        )
        self._sequence += 1
        return fused

    def _pooled(self, inferences: list[Inference]) -> Prediction:
        weights = [self._inputs[part.pipeline] for part in inferences]
        predictions = [part.prediction for part in inferences]
        classes = [found for found in predictions if isinstance(found, Classification)]
        if classes:
            return pool_classes(classes, weights, pool=self._pool)
        anomalies = [found for found in predictions if isinstance(found, AnomalyScore)]
        return pool_anomalies(anomalies, weights)


def _age_ms(part: _Heard, now_s: float) -> float:
    """From the capture of a part's sample until now."""
    timing = part.inference.timing
    took_ms = timing.age + timing.prepare + timing.infer + timing.interpret
    return took_ms + (now_s - part.at_s) * 1000
