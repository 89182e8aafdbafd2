"""Opens the stages that come after the model, by the names that settings give them."""

from collections.abc import Callable
from importlib import import_module

from edgekit.pipeline.parts import Inference, Stage

STAGES_AFTER_THE_MODEL = {
    "smooth": "edgekit.pipeline.stages.smooth:Smooth",
    "hysteresis": "edgekit.pipeline.stages.hysteresis:Hysteresis",
    "debounce": "edgekit.pipeline.stages.debounce:Debounce",
    "top": "edgekit.pipeline.stages.top:Top",
    "threshold": "edgekit.pipeline.stages.threshold:Threshold",
    "change": "edgekit.pipeline.stages.change:Change",
}


def open_stage_after_the_model(kind: str, **settings: object) -> Stage[Inference]:
    """A new stage of that kind; `settings` are its constructor's keyword arguments."""
    module, _, name = STAGES_AFTER_THE_MODEL[kind].partition(":")
    make: Callable[..., Stage[Inference]] = getattr(import_module(module), name)
    return make(**settings)
