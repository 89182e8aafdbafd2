"""Does one step to one ONNX file, and keeps its signature: for those who want no bundle."""

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile

import msgspec
import numpy as np
import onnx
import onnx_ir as ir

from edgekit.compress.answers import Candidate, answers_to
from edgekit.compress.data import Prepared, open_data
from edgekit.compress.feeding import Fed, feed
from edgekit.compress.outcome import Tuning
from edgekit.compress.progress import Progress, Silent
from edgekit.compress.recipe import Recipe, load_recipe
from edgekit.compress.running import do_step, serialized
from edgekit.compress.statistics import divergence, same_answers
from edgekit.compress.steps import Distill, Given, Step, name_of, require_runnable
from edgekit.errors import InputError
from edgekit.graph.load import load_onnx
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine

_ASKED = 100


class Stepped(msgspec.Struct, frozen=True, kw_only=True):
    """What one step did to a file.

    Attributes:
        do: the step.
        original_bytes: of the file that came.
        size_bytes: of the file that was written.
        agreement: share of samples outside calibration that get the same answer, of `samples`.
        kl: their mean divergence, nats; `None` where the model gives no probabilities.
        samples: how many were asked.
        tuning: the loss before and after, of a step that trains.
    """

    do: str
    original_bytes: int
    size_bytes: int
    agreement: float
    kl: float | None
    samples: int
    tuning: Tuning | None = None


def apply_step(
    step: Step,
    model: Path,
    *,
    data: Path,
    out: Path,
    original: Path | None = None,
    recipe: Recipe | None = None,
    input_shape: Sequence[int] | None = None,
    replace: bool = False,
    progress: Progress | None = None,
) -> Stepped:
    """Writes an ONNX file that is `model` with one step done to it.

    The file takes and gives what the original did: unlike in a bundle, no preprocessing is put
    into the graph.

    Args:
        step: what to do.
        model: the ONNX file.
        data: pictures or arrays to calibrate on and to measure with: see `open_data`.
        out: the file to write.
        original: the file that answers are compared with, and that `distill` learns from; by
            default `model`.
        recipe: how pictures become the model's input, and how many samples calibrate.
        input_shape: for a model with dynamic axes, the shape its input is to have.
        replace: whether a file at `out` gives way.
        progress: shows how far this is.

    Raises:
        EdgekitError: it cannot be done. Nothing is written then.
    """
    progress = progress or Silent()
    recipe = recipe or load_recipe(None)
    if out.is_dir() or (out.exists() and not replace):
        raise InputError(f"{out}: is already there; choose another --out, or say --force")
    if isinstance(step, Distill) and original is None:
        raise InputError("distill needs a model to learn from; say which with --original")
    files = [model] if original is None else [model, original]
    fed, *others = [
        feed(
            load_onnx(file),
            open_data(data),
            recipe,
            where=str(file),
            file=file,
            input_shape=input_shape,
            progress=progress,
        )
        for file in files
    ]
    compared = others[0] if others else fed
    _require_same_signature(fed, compared)
    count = min(recipe.calibrate.samples, max(1, len(fed.samples) // 2))
    calibrated, held_out = fed.samples.split(count, seed=recipe.calibrate.seed)
    tensors = Prepared(fed.samples.data, calibrated, fed.original.input).kept()
    targets = None if fed.samples.targets is None else fed.samples.targets[calibrated]
    require_runnable((step,), where="command", has_targets=targets is not None)
    given = Given(tensors, original=compared.model, targets=targets)
    changed = do_step(step, fed.model, given, where=str(model), progress=progress)
    written = _serialized(changed.model)
    agreement, kl, asked = _compared(fed, compared, written, held_out[:_ASKED].tolist(), progress)
    _write(out, written)
    return Stepped(
        do=name_of(step),
        original_bytes=model.stat().st_size,
        size_bytes=len(written),
        agreement=agreement,
        kl=kl,
        samples=asked,
        tuning=changed.tuning,
    )


def _serialized(model: ir.Model) -> bytes:
    data = serialized(model)
    onnx.checker.check_model(data)
    return data


def _require_same_signature(fed: Fed, other: Fed) -> None:
    """Refuses to compare models that do not take and give the same."""
    ours, theirs = (each.original.engine for each in (fed, other))
    for mine, yours in ((ours.inputs[0], theirs.inputs[0]), (ours.outputs[0], theirs.outputs[0])):
        if (mine.dtype, mine.shape) != (yours.dtype, yours.shape):
            raise InputError(
                f"the model has {mine.name} {mine.dtype} {list(mine.shape)}, the original "
                f"{yours.name} {yours.dtype} {list(yours.shape)}; give models of one signature"
            )


def _compared(
    fed: Fed, with_: Fed, data: bytes, indices: list[int], progress: Progress
) -> tuple[float, float | None, int]:
    """Agreement, divergence and how many samples they are over."""
    indices = indices or [0]
    changed = Candidate(OnnxRuntimeEngine(data), fed.original.input, fed.original.output)
    was = answers_to(with_.original, fed.samples, indices, progress=progress)
    is_now = answers_to(changed, fed.samples, indices, progress=progress)
    kind = fed.original.output.kind
    same = same_answers(was, is_now, kind=kind)
    is_classifier = kind in ("scores", "logits")
    kl = float(np.mean(divergence(was, is_now))) if is_classifier else None
    return float(same.mean()), kl, len(indices)


def _write(out: Path, data: bytes) -> None:
    """Writes beside the place and renames, so that the file is whole or not there."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=out.parent, prefix=f".{out.name}.", delete=False) as draft:
            draft.write(data)
            os.fchmod(draft.fileno(), 0o644)
        Path(draft.name).replace(out)
    except OSError as error:
        raise InputError(
            f"{out}: cannot be written: {error.strerror}; choose another --out"
        ) from error
