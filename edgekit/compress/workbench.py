"""Tries recipes on one model: what stays the same between them is done once."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.bundle import travels_bytes
from edgekit.bundle.manifest import EngineName
from edgekit.compress.answers import Candidate, answers_to, describer
from edgekit.compress.data import Prepared, Samples
from edgekit.compress.dormant import DormantEngine
from edgekit.compress.form import Form, make_form
from edgekit.compress.gates import require_measurable
from edgekit.compress.layers import name_nodes
from edgekit.compress.measure import Comparison, Known, Subject, compare
from edgekit.compress.progress import Progress
from edgekit.compress.recipe import Format, Recipe
from edgekit.compress.running import StepDone, run_steps, serialized
from edgekit.compress.steps import require_runnable
from edgekit.compress.suspicion import suspicions
from edgekit.compress.trained import TrainedModel
from edgekit.compress.variants import MadeVariant, draft_variants, require_variants
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine

ENGINE_OF: dict[Format, EngineName] = {"onnx": "onnxruntime", "tflite": "litert"}
_ANSWERS_BYTES = 256_000_000
_SQUEEZED_UP_TO_BYTES = 32_000_000


@dataclass(frozen=True)
class Made:
    """What became of a model under a recipe.

    Attributes:
        recipe: the recipe.
        model: the graph after all steps.
        forms: one a format, in the recipe's order.
        steps: what each step did.
        comparison: the artifacts beside the original.
        variants: other forms that go into the bundle too; no gate is about them.
    """

    recipe: Recipe
    model: ir.Model
    forms: tuple[Form, ...]
    steps: list[StepDone]
    comparison: Comparison
    variants: tuple[MadeVariant, ...] = ()


@dataclass(frozen=True)
class Source:
    """The file that a model came from."""

    size_bytes: int
    travels_bytes: int | None
    sha256: str

    @classmethod
    def of(cls, data: bytes) -> "Source":
        """The file with these bytes."""
        travels = travels_bytes(data) if len(data) <= _SQUEEZED_UP_TO_BYTES else None
        return cls(len(data), travels, hashlib.sha256(data).hexdigest())

    @classmethod
    def of_file(cls, path: Path, *, size_bytes: int) -> "Source":
        """A file that may keep weights beside it; `size_bytes` counts those too."""
        if size_bytes <= _SQUEEZED_UP_TO_BYTES and size_bytes == path.stat().st_size:
            return cls.of(path.read_bytes())
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(size_bytes, None, digest)


@dataclass(frozen=True)
class Workbench:
    """A model, its data, and what the original says of it.

    Attributes:
        trained: the float model in edgekit's terms.
        original: what artifacts are measured against.
        source_sha256: of the file that the model came from.
        known: the original's answers.
        tensors: what steps calibrate with.
        targets: int64, the class of each of `tensors` or -1; `None` where no class is known.
        typical: some of the samples calibrated with, as they came.
        warnings: what is odd about the data, a line each.
    """

    trained: TrainedModel
    original: Subject
    source_sha256: str
    known: Known
    tensors: Sequence[Array]
    targets: Array | None
    typical: Sequence[Array]
    warnings: tuple[str, ...]

    def make(self, recipe: Recipe, *, progress: Progress) -> Made:
        """Does a recipe's steps, and measures what comes of them in each of its formats.

        Raises:
            EdgekitError: it cannot be done.
        """
        require_runnable(recipe.steps, where="recipe", has_targets=self.targets is not None)
        engine = self.original.candidate.engine
        if isinstance(engine, DormantEngine):
            engine.sleep()
        wanted = recipe.bundle.variants
        require_variants(recipe, where="recipe")
        ran = run_steps(
            self.trained,
            recipe.steps,
            self.tensors,
            self.known,
            targets=self.targets,
            keep_floats=bool(wanted),
            progress=progress,
        )
        forms = tuple(make_form(format_, ran.model, self.trained) for format_ in recipe.formats)
        drafts = draft_variants(ran.floats, recipe, self.trained) if ran.floats else []
        subjects = [
            Subject(form.candidate, len(form.data), travels_bytes(form.data))
            for form in (*forms, *(draft.form for draft in drafts))
        ]
        found = compare(self.original, subjects, self.known, progress=progress)
        artifacts, others = found.artifacts[: len(forms)], found.artifacts[len(forms) :]
        return Made(
            recipe,
            ran.model,
            forms,
            ran.done,
            replace(found, artifacts=artifacts),
            tuple(
                MadeVariant(draft.name, draft.form, against)
                for draft, against in zip(drafts, others, strict=True)
            ),
        )


def set_up(
    trained: TrainedModel,
    samples: Samples,
    recipe: Recipe,
    *,
    original: Candidate | None,
    source: Source | None,
    progress: Progress,
) -> Workbench:
    """Asks the original about the samples, and says what is odd about its answers.

    Args:
        trained: the float model.
        samples: to calibrate on and to measure with.
        recipe: says how many samples calibrate, and what will be asked of the artifact.
        original: what to measure against; by default the float model.
        source: the file that the model came from, if it came from one.
        progress: shows how far this is, and hears the warnings.

    Raises:
        ConfigError: a gate of the recipe cannot be measured with this data.
    """
    require_measurable(
        recipe.gates,
        is_classifier=trained.task == "classification",
        has_targets=samples.targets is not None,
        where="recipe",
    )
    name_nodes(trained.model)
    source = source or Source.of(serialized(trained.model))
    original = original or Candidate(
        DormantEngine(lambda: OnnxRuntimeEngine(serialized(trained.model))),
        trained.input,
        trained.output,
    )
    count = min(recipe.calibrate.samples, max(1, len(samples) // 2))
    calibrated, held_out = samples.split(count, seed=recipe.calibrate.seed)
    most = max(1, _ANSWERS_BYTES // (4 * original.answer(samples.data[0]).size))
    answers = answers_to(
        original,
        samples,
        range(min(len(samples), most)),
        progress=progress,
        title="asking the original",
    )
    warnings = suspicions(
        answers,
        samples.targets,
        _ranges(original, samples, calibrated),
        kind=original.output.kind,
    )
    for warning in warnings:
        progress.say(f"warning: {warning}")
    return Workbench(
        trained=trained,
        original=Subject(original, source.size_bytes, source.travels_bytes),
        source_sha256=source.sha256,
        known=Known(
            samples=samples,
            answers=answers,
            held_out=held_out,
            described=describer(trained.output.kind, trained.labels),
            labels=trained.labels,
            threshold=trained.thresholds.anomaly if trained.thresholds else None,
        ),
        tensors=Prepared(samples.data, calibrated, trained.input).kept(),
        targets=None if samples.targets is None else samples.targets[calibrated],
        typical=[samples.data[int(index)] for index in calibrated[:100]]
        if trained.input.picture is None
        else (),
        warnings=tuple(warnings),
    )


def _ranges(original: Candidate, samples: Samples, chosen: Array) -> Array:
    """The least and the greatest number of each input, as the original takes it: `[N, 2]`."""
    tensors = (original.tensor(samples.data[int(index)]) for index in chosen)
    return np.array([(float(tensor.min()), float(tensor.max())) for tensor in tensors])
