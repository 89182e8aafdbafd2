"""The search: what it tries next, what it takes, and how it goes on after a stop."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edgekit.compress import Goals, Recipe, load_recipe, search_recipe
from edgekit.compress.recipe import InputRecipe
from edgekit.compress.search.front import best, is_on_front
from edgekit.compress.search.goals import Result
from edgekit.compress.search.plan import Steps, plan
from edgekit.compress.search.searching import named
from edgekit.compress.sensitivity import LayerSensitivity
from edgekit.compress.statistics import Difference
from edgekit.compress.steps import Quantize, Slim, size_in_bytes
from edgekit.errors import GateMissed
from tests.samples import conv_net, pictures, save

LAYERS = [LayerSensitivity(name, kl, 100) for name, kl in (("a", 0.1), ("b", 0.9), ("c", 0.3))]
INT8 = 1_000_000


def result(size: float = 9e5, kl: float = 0.01, latency: float = 0.45, **more: object) -> Result:
    figures = {"agreement": 1 - 3 * kl, "top1": None} | more
    return Result(size_bytes=round(size), kl=kl, latency=latency, **figures)  # type: ignore[arg-type]


def model_of_a_net(steps: Steps) -> Result:
    """A net whose divergence doubles with every sixth less of its bytes."""
    size, latency, kl = float(INT8), 0.5, 0.008
    for step in steps:
        if isinstance(step, Slim):
            size, latency, kl = size * step.keep_macs, latency * step.keep_macs, kl + 0.02
        if isinstance(step, Quantize) and step.size is not None:
            wanted = size_in_bytes(step.size)
            kl *= 2 ** (6 * (1 - wanted / size))
            size = wanted
        if isinstance(step, Quantize):
            kl *= 0.7 ** len(step.keep)
    return result(size, kl, latency)


def tried(goals: Goals, measure: Callable[[Steps], Result | None]) -> dict[Steps, Result | None]:
    exploring = plan(goals, LAYERS)
    found, steps = [], next(exploring)
    while True:
        found.append((steps, measure(steps)))
        try:
            steps = exploring.send(found[-1][1])
        except StopIteration:
            return {named(steps): figures for steps, figures in found}  # type: ignore[misc]


def test_int8_comes_first_and_alone_where_nothing_can_be_quantised() -> None:
    assert tried(Goals(agreement=0.9), lambda _: None) == {"quantize": None}


def test_the_smallest_accurate_size_is_closed_in_on() -> None:
    found = tried(Goals(agreement=0.9), model_of_a_net)
    accurate = [one.size_bytes for one in found.values() if one and one.agreement >= 0.9]
    inaccurate = [one.size_bytes for one in found.values() if one and one.agreement < 0.9]
    assert max(inaccurate) < min(accurate) < 1.15 * max(inaccurate)
    assert len(found) <= 6


def test_a_size_is_aimed_at_from_below() -> None:
    goals = Goals(size="600 kB")
    found = tried(goals, model_of_a_net)
    hits = [one for one in found.values() if one and 0.97 * 6e5 <= one.size_bytes <= 6e5]
    assert hits


def test_a_quantiser_that_overshoots_is_asked_again_for_less() -> None:
    def overshooting(steps: Steps) -> Result:
        found = model_of_a_net(steps)
        return result(found.size_bytes * 1.05, found.kl or 0, found.latency)

    found = tried(Goals(size="600 kB"), overshooting)
    assert any(one and 0.95 * 6e5 <= one.size_bytes <= 6e5 for one in found.values())


def test_the_most_sensitive_layers_stay_in_float_where_int8_loses_too_much() -> None:
    exploring = plan(Goals(agreement=0.99), LAYERS)
    assert next(exploring) == (Quantize(),)
    assert exploring.send(result(kl=0.2)) == (Quantize(keep={"b": "fp32"}),)
    assert exploring.send(result(kl=0.1)) == (Quantize(keep={"b": "fp32", "c": "fp32"}),)
    with pytest.raises(StopIteration):
        exploring.send(result(kl=0.05))


def test_the_model_is_slimmed_until_it_is_fast_enough() -> None:
    found = tried(Goals(latency=0.3), model_of_a_net)
    pruned = [one for name, one in found.items() if "slim" in name and one]
    assert any(one.latency <= 0.3 for one in pruned)


def test_goals_are_weighed_before_figures() -> None:
    goals = Goals(size="600 kB", agreement=0.9)
    results = [result(9e5, 0.001), result(59e4, 0.03), result(5e5, 0.02), result(3e5, 0.2)]
    assert best(goals, results) == 2
    assert best(Goals(agreement=0.9), results) == 2  # without a size: the smallest that is accurate
    assert best(Goals(size="100 kB", agreement=0.9), results) == 0


def test_a_drop_that_chance_explains_does_not_count_against_a_candidate() -> None:
    goals = Goals(max_drop=0.5)
    assert goals.is_accurate(result(top1=Difference(-0.01, -0.02, 0.0)))
    assert not goals.is_accurate(result(top1=Difference(-0.02, -0.03, -0.01)))


def test_what_is_worse_in_every_figure_is_not_on_the_front() -> None:
    results = [result(5e5, 0.05), result(6e5, 0.01), result(7e5, 0.02), result(4e5, 0.3, 0.2)]
    assert [is_on_front(number, results) for number in range(4)] == [True, True, False, True]


class Listener:
    """Hears what a search says, and counts what it had to work out."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.calibrated = 0

    def track(self, items, title, *, total):  # type: ignore[no-untyped-def]
        yield from items

    def count(self, title: str, done: int, total: int) -> None:
        self.calibrated += title == "measuring latency" and done == total

    def say(self, text: str) -> None:
        self.said.append(text)


def arrays(path: Path) -> Path:
    """Samples as unlike one another as pictures are."""
    rng = np.random.default_rng(0)
    colours = rng.uniform(0, 255, (40, 3, 1, 1))
    x = colours + rng.normal(0, 40, (40, 3, 16, 16)) * rng.uniform(0.2, 2, (40, 1, 1, 1))
    np.save(path, x.astype(np.float32))
    return path


def test_a_search_writes_its_bundle_its_recipe_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    model, folder = save(conv_net(), tmp_path / "m.onnx"), arrays(tmp_path / "x.npy")
    little = Recipe(name="little")
    search = partial(search_recipe, model, data=folder, out=tmp_path / "b", recipe=little, tries=2)
    first = Listener()
    found = search(goals=Goals(agreement=0.5), progress=first)
    assert found.compressed.bundle.manifest.name == "little"
    assert sum(point.standing == "chosen" for point in found.front) == 1
    chosen = load_recipe(found.recipe)
    assert chosen.gates.agreement == 0.5
    assert chosen.steps
    again = Listener()
    more = search(goals=Goals(agreement=0.4), replace=True, progress=again)
    assert first.calibrated == len(found.front) > 0
    assert again.calibrated == 0  # every candidate was there already, whatever the goal
    assert more.front == found.front
    assert not list((tmp_path / "b.search").glob(".draft*"))


def test_goals_out_of_reach_are_a_missed_gate_with_the_best_there_is(tmp_path: Path) -> None:
    model, folder = save(conv_net(), tmp_path / "m.onnx"), pictures(tmp_path / "p", 24)
    recipe = Recipe(input=InputRecipe(convention="caffe"))
    with pytest.raises(GateMissed, match="size: "):
        search_recipe(
            model,
            data=folder,
            out=tmp_path / "b",
            goals=Goals(size="100 B"),
            recipe=recipe,
            tries=1,
        )
    assert not (tmp_path / "b").exists()
    assert "Candidates of the search" in (tmp_path / "b.report.html").read_text()
