"""Runs a recipe's steps, and says what each of them did."""

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import msgspec
import numpy as np
import onnx
import onnx_ir as ir

from edgekit.array import Array
from edgekit.bundle import travels_bytes
from edgekit.compress.answers import Candidate, answers_to
from edgekit.compress.measure import Known
from edgekit.compress.outcome import Outcome, Tuning
from edgekit.compress.progress import Progress
from edgekit.compress.statistics import divergence, same_answers
from edgekit.compress.steps import Given, Quantize, Step, name_of, run_step
from edgekit.compress.trained import TrainedModel
from edgekit.errors import UnsupportedModel
from edgekit.graph.describe import describe
from edgekit.graph.shapes import proto_without_weights
from edgekit.runtime.memory import give_memory_back
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine

START = "start"
_SAMPLES = 100
_SQUEEZED_UP_TO_BYTES = 32_000_000


class StepDone(msgspec.Struct, frozen=True, kw_only=True):
    """What stands after a step.

    Attributes:
        do: the step; `start` is the model with its preprocessing and head in the graph.
        settings: those of the recipe that are not the defaults.
        seconds: how long it took.
        size_bytes: the ONNX file.
        travels_bytes: the same compressed; `None` where that would take minutes.
        parameters: numbers in its initialisers.
        macs: multiply-accumulates for one sample, where all shapes are known.
        agreement: with the original, on at most 100 samples outside calibration.
        kl: from the original's probabilities, on the same.
        tuning: the loss before and after, of a step that trains.
    """

    do: str
    settings: dict[str, Any] = {}
    seconds: float = 0.0
    size_bytes: int = 0
    travels_bytes: int | None = None
    parameters: int = 0
    macs: int | None = None
    agreement: float | None = None
    kl: float | None = None
    tuning: Tuning | None = None


@dataclass(frozen=True)
class Ran:
    """What came of a recipe's steps.

    Attributes:
        model: the model after all of them.
        floats: the model before the first that quantises it, where that was to be kept.
        done: what stood after each.
    """

    model: ir.Model
    floats: ir.Model | None
    done: list[StepDone]


def run_steps(
    trained: TrainedModel,
    steps: Sequence[Step],
    tensors: Sequence[Array],
    known: Known,
    *,
    targets: Array | None = None,
    keep_floats: bool = False,
    progress: Progress,
) -> Ran:
    """Does all steps, and measures after each.

    Args:
        trained: the float model.
        steps: what to do, in order.
        tensors: unlabelled samples to calibrate with, as the model takes them.
        known: the original's answers.
        targets: int64, the class of each of `tensors` or -1, where classes are known.
        keep_floats: whether the model in float is wanted too.
        progress: shows how far this is.

    Raises:
        EdgekitError: a step cannot be done; names it.
    """
    model = trained.model
    floats: ir.Model | None = None
    given = Given(tensors, original=trained.model, targets=targets)
    done = [_measured(model, trained, known, StepDone(do=START), progress)]
    for step in steps:
        if keep_floats and floats is None and isinstance(step, Quantize):
            floats = model
        gc.collect()
        give_memory_back()
        started = perf_counter()
        outcome = do_step(step, model, given, where=trained.name, progress=progress)
        model = outcome.model
        record = StepDone(
            do=name_of(step),
            settings=_settings(step),
            seconds=round(perf_counter() - started, 2),
            tuning=outcome.tuning,
        )
        done.append(_measured(model, trained, known, record, progress))
    if keep_floats and floats is None:
        floats = model
    return Ran(model, floats, done)


def do_step(
    step: Step, model: ir.Model, given: Given, *, where: str, progress: Progress
) -> Outcome:
    """The model with one step done to it.

    Raises:
        UnsupportedModel: it cannot be done; names `where` and the step.
    """
    try:
        return run_step(step, model, given, progress=progress)
    except UnsupportedModel as error:
        raise UnsupportedModel(f"{where}: {name_of(step)}: {error}") from error
    except np.linalg.LinAlgError as error:
        raise UnsupportedModel(
            f"{where}: {name_of(step)}: the data leaves a layer's weights undetermined ({error}); "
            "give more varied samples, or ask for less"
        ) from error


def _settings(step: Step) -> dict[str, Any]:
    """What the recipe says of a step beyond its defaults."""
    chosen, usual = msgspec.to_builtins(step), msgspec.to_builtins(type(step)())
    return {key: value for key, value in chosen.items() if key != "do" and value != usual.get(key)}


def serialized(model: ir.Model) -> bytes:
    """The bytes of the ONNX file."""
    data: bytes = ir.to_proto(model).SerializeToString()
    return data


def _measured(
    model: ir.Model, trained: TrainedModel, known: Known, record: StepDone, progress: Progress
) -> StepDone:
    data = serialized(model)
    onnx.checker.check_model(data)
    candidate = Candidate(OnnxRuntimeEngine(data), trained.input, trained.output)
    chosen = known.judged[:_SAMPLES]
    answers = answers_to(candidate, known.samples, chosen, progress=progress, title=record.do)
    was, kind = known.answers[chosen], trained.output.kind
    described = describe(proto_without_weights(model))
    return msgspec.structs.replace(
        record,
        size_bytes=len(data),
        travels_bytes=travels_bytes(data) if len(data) <= _SQUEEZED_UP_TO_BYTES else None,
        parameters=described.parameters,
        macs=described.macs,
        agreement=float(same_answers(was, answers, kind=kind, threshold=known.threshold).mean()),
        kl=float(divergence(was, answers).mean()) if kind == "scores" else None,
    )
