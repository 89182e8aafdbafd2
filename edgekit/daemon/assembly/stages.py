"""Builds the stages of a pipeline from its settings."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from edgekit.bundle import InputSpec
from edgekit.config.prediction_stages import ChangeStage, ThresholdStage
from edgekit.config.sample_stages import MotionStage, RateStage, WindowStage
from edgekit.config.stages import Stage as StageSettings
from edgekit.pipeline.parts import Inference, Sample, Stage
from edgekit.pipeline.runner import Stages
from edgekit.pipeline.stages.after import open_stage_after_the_model
from edgekit.pipeline.stages.limit import AnomalyLimit, ClassLimit
from edgekit.pipeline.stages.rate import Rate
from edgekit.pipeline.stages.window import Window


@dataclass(frozen=True)
class Knobs:
    """What of a pipeline's stages can be turned while it runs.

    Attributes:
        rate: caps the samples that reach the model.
        anomaly: the threshold of an anomaly model.
        classes: the lowest probability of a class.
    """

    rate: Rate
    anomaly: AnomalyLimit
    classes: ClassLimit


def make_stages(settings: Sequence[StageSettings], spec: InputSpec) -> tuple[Stages, Knobs]:
    """The stages, in the order of the settings, and what can be turned of them.

    Rows are windowed before anything may drop a sample, so that no row is lost.
    """
    knobs = Knobs(Rate(_max_hz(settings)), AnomalyLimit(), ClassLimit())
    samples: list[Stage[Sample]] = []
    predictions: list[Stage[Inference]] = [knobs.anomaly]
    gates: list[Stage[Inference]] = []
    if spec.window is not None:
        window = next((stage for stage in settings if isinstance(stage, WindowStage)), None)
        window = window or WindowStage()
        samples.append(Window(spec.window, hop=window.hop, max_gap_s=window.max_gap_s))
    for stage in settings:
        match stage:
            case RateStage() | WindowStage():
                continue
            case MotionStage():
                from edgekit.pipeline.stages.motion import Motion

                samples.append(Motion(**msgspec.structs.asdict(stage)))
            case _:
                after = open_stage_after_the_model(_kind(stage), **msgspec.structs.asdict(stage))
                is_gate = isinstance(stage, ThresholdStage | ChangeStage)
                (gates if is_gate else predictions).append(after)
    return Stages([*samples, knobs.rate], predictions, [*gates, knobs.classes]), knobs


def _max_hz(settings: Sequence[StageSettings]) -> float | None:
    return min((stage.max_hz for stage in settings if isinstance(stage, RateStage)), default=None)


def _kind(stage: StageSettings) -> str:
    return str(type(stage).__struct_config__.tag)
