"""Holds one finished model against another: two files, two bundles, or one of each."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from edgekit.bundle import Measured, open_bundle, travels_bytes
from edgekit.bundle.manifest import OutputKind, Task
from edgekit.compress.answers import Candidate, answers_to, describer
from edgekit.compress.data import PictureFolder, Samples, open_data, read_labels
from edgekit.compress.feeding import fed_with_pictures, require_fitting_shape
from edgekit.compress.golden import golden_inputs
from edgekit.compress.machine import Machine, this_machine
from edgekit.compress.measure import Against, Known, Subject, compare
from edgekit.compress.progress import Progress, Silent
from edgekit.compress.recipe import InputRecipe
from edgekit.compress.report import table
from edgekit.compress.signature import input_spec, output_spec
from edgekit.errors import InputError, UnsupportedModel
from edgekit.runtime.engine import engine_for, open_engine

_RAW_PIXELS = InputRecipe(convention="raw")


class Versus(msgspec.Struct, frozen=True, kw_only=True):
    """One model against another, as `--json` prints it.

    Attributes:
        names: the two, as they were given.
        first: the figures of the one that the other is held against.
        first_milliseconds: its median time for one sample on this machine.
        second: the other, with agreement, divergence and differences from the first.
        samples: over how many samples agreement was counted.
        machine: where it was measured.
    """

    names: tuple[str, str]
    first: Measured
    first_milliseconds: float
    second: Against
    samples: int
    machine: Machine

    def columns(self) -> tuple[str, ...]:
        """What stands above `rows`."""
        return ("", "A", "B", "B against A")

    def rows(self) -> list[tuple[str, ...]]:
        """The table: what, the first, the second, and how they compare."""
        return table.rows(
            self.first, self.first_milliseconds, (self.second,), f"{self.samples} samples"
        )


def compare_models(
    first: Path,
    second: Path,
    *,
    data: Path,
    labels: Path | None = None,
    convention: InputRecipe | None = None,
    progress: Progress | None = None,
) -> Versus:
    """Asks two models about the same samples, and times them in one interleaved run.

    Agreement and divergence are over all samples: it is not known which of them either was
    calibrated on.

    Args:
        first: an `.onnx`, a `.tflite` or a bundle: what the other is held against.
        second: another.
        data: pictures or arrays: see `open_data`.
        labels: one label a class; by default those of a bundle.
        convention: how pictures become the input of a model that is no bundle; by default found
            out from labelled pictures, and raw pixels for a model that takes integers.
        progress: shows how far this is.

    Raises:
        EdgekitError: a model or the data cannot be used, or the two answer in different ways.
    """
    progress = progress or Silent()
    one, other = _opened(first), _opened(second)
    known = read_labels(labels) if labels else one.labels or other.labels
    opened = open_data(data, labels=known)
    how = convention or InputRecipe()
    a, samples = _fed(one, opened, how, progress)
    b, others = _fed(other, opened, how, progress)
    gives = [
        (_kind(candidate), candidate.answer(seen.data[0]).size)
        for candidate, seen in ((a, samples), (b, others))
    ]
    if gives[0] != gives[1]:
        (what, size), (other_what, other_size) = gives
        raise InputError(
            f"{first} gives {what} [{size}], {second} gives {other_what} [{other_size}]: they "
            "cannot be compared"
        )
    answers = answers_to(a, samples, range(len(samples)), progress=progress, title="asking A")
    found = compare(
        Subject(a, one.size_bytes, one.travels_bytes),
        [Subject(b, other.size_bytes, other.travels_bytes)],
        Known(
            samples=samples,
            answers=answers,
            held_out=np.arange(len(samples)),
            described=describer(_kind(a), known),
            labels=known,
            threshold=other.threshold if one.threshold is None else one.threshold,
        ),
        progress=progress,
    )
    return Versus(
        names=(str(first), str(second)),
        first=found.original,
        first_milliseconds=found.milliseconds,
        second=found.artifacts[0],
        samples=found.held_out,
        machine=this_machine(),
    )


@dataclass(frozen=True)
class _Opened:
    """A model file, loaded, with what its bundle says of it if it is in one."""

    path: Path
    candidate: Candidate
    size_bytes: int
    travels_bytes: int
    is_bundle: bool
    labels: tuple[str, ...] = ()
    threshold: float | None = None


def _opened(path: Path) -> _Opened:
    if path.is_dir():
        bundle = open_bundle(path)
        manifest = bundle.manifest
        engine_name, name = next(iter(manifest.models.items()))
        engine = open_engine(engine_name, path / name)
        size = manifest.files[name].size_bytes
        return _Opened(
            path=path,
            candidate=Candidate(engine, manifest.input, manifest.output),
            size_bytes=size,
            travels_bytes=travels_bytes((path / name).read_bytes()),
            is_bundle=True,
            labels=bundle.labels(),
            threshold=manifest.thresholds.anomaly if manifest.thresholds else None,
        )
    engine = open_engine(engine_for(path), path)
    if len(engine.inputs) != 1:
        raise UnsupportedModel(f"{path}: has {len(engine.inputs)} inputs, not one")
    spec = input_spec(engine.inputs[0], where=str(path))
    inputs = golden_inputs(spec, ())
    shape = engine.run(inputs[0])[engine.outputs[0].name].shape
    is_classifier = len(shape) > 0 and max(shape) > 1 and max(shape) == np.prod(shape)
    task: Task = "classification" if is_classifier else "raw"
    return _Opened(
        path=path,
        candidate=Candidate(engine, spec, output_spec(engine, task, inputs, spec, where=str(path))),
        size_bytes=path.stat().st_size,
        travels_bytes=travels_bytes(path.read_bytes()),
        is_bundle=False,
    )


def _fed(
    model: _Opened, data: PictureFolder | Samples, how: InputRecipe, progress: Progress
) -> tuple[Candidate, Samples]:
    candidate = model.candidate
    if isinstance(data, Samples):
        require_fitting_shape(data, candidate)
        return candidate, data
    if not model.is_bundle:
        takes_integers = np.dtype(candidate.input.dtype).kind in "ui"
        how = _RAW_PIXELS if takes_integers and not how.says_how else how
        candidate = fed_with_pictures(candidate, data, how, progress=progress)
    if candidate.input.picture is None:
        raise InputError(f"{model.path}: takes no pictures")
    return candidate, data.samples(candidate.input.picture)


def _kind(candidate: Candidate) -> OutputKind:
    """What `Candidate.answer` gives: a softmax makes scores of logits."""
    kind = candidate.output.kind
    if kind == "reconstruction":
        return "score"
    return "scores" if kind == "logits" else kind
