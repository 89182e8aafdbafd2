"""Searches for the recipe that meets a person's goals, by trying recipes and measuring each."""

import gc
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Literal

import msgspec
import numpy as np

from edgekit import __version__
from edgekit.bundle import check_free
from edgekit.compress.compressor import Compressed, finish, open_workbench
from edgekit.compress.progress import Progress, Silent
from edgekit.compress.recipe import Recipe, load_recipe
from edgekit.compress.report.document import FrontPoint
from edgekit.compress.search.front import best, is_on_front
from edgekit.compress.search.goals import Goals, Result
from edgekit.compress.search.plan import plan
from edgekit.compress.search.store import Store
from edgekit.compress.sensitivity import LayerSensitivity, sensitivities
from edgekit.compress.steps import Step, name_of
from edgekit.compress.workbench import Made, Workbench
from edgekit.errors import ConfigError, InputError, UnsupportedModel

TRIES = 12


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        compressed: the bundle of the chosen candidate, and its report.
        recipe: the chosen recipe's file.
        front: every candidate, the chosen one and those on the front marked.
    """

    compressed: Compressed
    recipe: Path
    front: tuple[FrontPoint, ...]


@dataclass(frozen=True)
class _Candidate:
    recipe: Recipe
    result: Result


def search_recipe(
    model: Path,
    *,
    data: Path,
    out: Path,
    goals: Goals,
    recipe: Recipe | None = None,
    labels: Path | None = None,
    input_shape: Sequence[int] | None = None,
    tries: int = TRIES,
    replace: bool = False,
    progress: Progress | None = None,
) -> Found:
    """Tries recipes until the goals are met as well as can be, and writes the best as a bundle.

    Every candidate is kept in `<out>.search`; a search that was stopped goes on from there.

    Args:
        model: the ONNX file.
        data: pictures or arrays: see `open_data`.
        out: the bundle's folder.
        goals: what the artifact must hold.
        recipe: everything but the steps; its gates are held besides.
        labels: one label a class; overrides the recipe's.
        input_shape: for a model with dynamic axes, the shape its input is to have.
        tries: the most candidates to measure.
        replace: whether a bundle at `out` gives way.
        progress: shows how far this is.

    Raises:
        GateMissed: no candidate meets the goals; the best one's report is written beside `out`.
        EdgekitError: the model, the data or the recipe cannot be used.
    """
    progress = progress or Silent()
    recipe = recipe or load_recipe(None)
    if recipe.bundle.variants:
        raise ConfigError(
            "recipe",
            ["bundle.variants: a search makes none; compress with the recipe that it chooses"],
        )
    recipe = msgspec.structs.replace(recipe, steps=(), gates=goals.gates(recipe.gates))
    check_free(out, replace=replace)
    started = perf_counter()
    bench = open_workbench(
        model, data=data, recipe=recipe, labels=labels, input_shape=input_shape, progress=progress
    )
    store = Store(out.with_name(f"{out.name}.search"), context=_context(bench))
    layers = sensitivities(bench.trained.model, bench.tensors, progress=progress)
    tried = _tried(bench, store, recipe, goals, layers, tries, progress)
    if not tried:
        raise UnsupportedModel(f"{model}: no recipe of the search can be done to it")
    chosen = best(goals, [candidate.result for candidate in tried])
    front = tuple(_point(number, chosen, tried) for number in range(len(tried)))
    made = store.load(tried[chosen].recipe, bench)
    if not isinstance(made, Made):
        raise InputError(f"{store.folder}: a candidate is gone; search again")
    path = store.choose(tried[chosen].recipe)
    compressed = finish(
        bench,
        made,
        out=out,
        replace=replace,
        started=started,
        layers=layers,
        front=front,
        progress=progress,
    )
    return Found(compressed, path, front)


def _tried(
    bench: Workbench,
    store: Store,
    recipe: Recipe,
    goals: Goals,
    layers: Sequence[LayerSensitivity],
    tries: int,
    progress: Progress,
) -> list[_Candidate]:
    """Follows the plan, and measures what is not in the store already."""
    tried: list[_Candidate] = []
    seen: list[tuple[Step, ...]] = []
    exploring = plan(goals, layers)
    result: Result | None = None
    while len(seen) < tries:
        try:
            steps = exploring.send(result) if seen else next(exploring)
        except StopIteration:
            break
        candidate = msgspec.structs.replace(recipe, steps=steps)
        made = store.load(candidate, bench) or _made(bench, store, candidate, progress)
        result = None if isinstance(made, str) else Result.of(made.comparison.artifacts)
        del made
        gc.collect()
        if result is not None and steps not in seen:
            tried.append(_Candidate(candidate, result))
            progress.say(f"{len(tried):>3}  {_line(steps, result)}")
        seen.append(steps)
    return tried


def _made(bench: Workbench, store: Store, recipe: Recipe, progress: Progress) -> Made | str:
    try:
        made: Made | str = bench.make(recipe, progress=progress)
    except UnsupportedModel as error:
        made = str(error)
        progress.say(f"left out: {made}")
    store.keep(recipe, made)
    return made


def _context(bench: Workbench) -> str:
    """What a candidate's figures depend on besides its recipe: the model, the data, edgekit."""
    digest = hashlib.sha256(bench.known.answers.tobytes())
    digest.update(np.ascontiguousarray(bench.known.held_out).tobytes())
    return f"{__version__} {bench.source_sha256} {digest.hexdigest()}"


def _point(number: int, chosen: int, tried: Sequence[_Candidate]) -> FrontPoint:
    results = [candidate.result for candidate in tried]
    result = results[number]
    standing: Literal["chosen", "front", "beaten"] = "beaten"
    if number == chosen or is_on_front(number, results):
        standing = "chosen" if number == chosen else "front"
    return FrontPoint(
        name=named(tried[number].recipe.steps),
        size_bytes=result.size_bytes,
        agreement=result.agreement,
        kl=result.kl,
        latency=result.latency,
        standing=standing,
    )


def _line(steps: Sequence[Step], result: Result) -> str:
    kl = "" if result.kl is None else f"  KL {result.kl:.4f}"
    return (
        f"{named(steps):<30}  {result.size_bytes / 1000:>8,.1f} kB  "
        f"{result.agreement:>6.1%}{kl}  time {result.latency:.2f}"
    )


def named(steps: Sequence[Step]) -> str:
    """Steps in a few words: what each is called, and what it does not leave at its default."""
    return " + ".join(" ".join([name_of(step), *_settings(step)]) for step in steps)


def _settings(step: Step) -> list[str]:
    usual = type(step)()
    found = []
    for name in step.__struct_fields__:
        value = getattr(step, name)
        if value == getattr(usual, name):
            continue
        shown = f"{len(value)} layers" if isinstance(value, dict) else f"{value}"
        found.append(f"{name.replace('_', ' ')} {shown}")
    return found
