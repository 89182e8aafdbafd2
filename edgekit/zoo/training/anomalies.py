"""Finds out above which score an anomaly model alarms."""

from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgekit.bundle import Thresholds
from edgekit.compress.answers import Candidate
from edgekit.compress.data import Samples
from edgekit.compress.trained import TrainedModel
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine


def with_threshold(
    trained: TrainedModel, samples: Samples, false_alarm_rate: float | None
) -> TrainedModel:
    """The same model with a threshold that few of the samples pass.

    Args:
        trained: any model; one that is not of anomalies stays as it is.
        samples: normal ones that it has not learned from.
        false_alarm_rate: the share of them that may score above the threshold.
    """
    if false_alarm_rate is None:
        return trained
    engine = OnnxRuntimeEngine(ir.to_proto(trained.model).SerializeToString())
    candidate = Candidate(engine, trained.input, trained.output)
    scores = [float(candidate.answer(sample).item()) for sample in samples.data]
    threshold = float(np.quantile(scores, 1 - false_alarm_rate, method="higher"))
    return replace(
        trained, thresholds=Thresholds(anomaly=threshold, false_alarm_rate=false_alarm_rate)
    )
