"""Which recipes a search tries: each next one follows from what was measured so far.

Pure: `plan` gives steps and is sent their figures. It starts from INT8 and repairs what that
misses: accuracy by leaving the most sensitive layers in float, latency by slimming, size by
rate-distortion rounding, whose own budget follows the layers' sensitivities.
"""

from collections.abc import Generator, Sequence
from math import sqrt

from edgekit.compress.search.goals import Goals, Result
from edgekit.compress.sensitivity import LayerSensitivity
from edgekit.compress.steps import Quantize, Slim, Step

Steps = tuple[Step, ...]
Plan = Generator[Steps, Result | None, None]
"""Gives steps to try; is sent what was measured, or `None` for steps that cannot be done."""

_LEAST_MACS = 0.3
_SMALLEST = 0.3  # of plain INT8's size: about two bits a weight
_BISECTIONS = 4
_KEPT = (1, 2, 4)
_TARGET = 0.99  # a little below a size, so that a file's headers fit too


def plan(goals: Goals, layers: Sequence[LayerSensitivity]) -> Plan:
    """The steps to try, in order.

    Args:
        goals: what is to be reached.
        layers: how much each layer matters, of the float model.
    """
    int8 = yield (Quantize(),)
    if int8 is None:
        return
    if not goals.is_accurate(int8):
        yield from _keeping_layers(goals, layers)
    stems: list[Steps] = [()]
    if not goals.is_fast(int8):
        pruned = yield from _pruning(goals, int8)
        stems = [pruned] if pruned else stems
    if goals.size is not None or goals.is_accurate(int8):
        for stem in stems:
            yield from _sizing(goals, stem, int8.size_bytes)
    if goals.size_bytes is not None and stems == [()]:
        # Whether fewer weights of more bits do better than more weights of fewer.
        yield sized((Slim(keep_macs=0.8),), _TARGET * goals.size_bytes)


def sized(stem: Steps, size_bytes: float) -> Steps:
    """Steps whose model travels with about so many bytes."""
    return (*stem, Quantize(size=f"{float(f'{size_bytes / 1000:.3g}'):g} kB"))


def _keeping_layers(goals: Goals, layers: Sequence[LayerSensitivity]) -> Plan:
    """The most sensitive layers stay in float, more of them each time."""
    worst = [layer.name for layer in sorted(layers, key=lambda layer: -layer.kl)]
    for count in _KEPT:
        if count > len(worst):
            return
        result = yield (Quantize(keep=dict.fromkeys(worst[:count], "fp32")),)
        if result is not None and goals.is_accurate(result):
            return


def _pruning(goals: Goals, int8: Result) -> Generator[Steps, Result | None, Steps]:
    """Fewer MACs until the goal of latency is met; gives the steps that met it, or the last."""
    assert goals.latency is not None
    share, latency = 1.0, int8.latency
    steps: Steps = ()
    for _ in range(3):
        share *= 0.95 * goals.latency / latency
        if share < _LEAST_MACS:
            break
        steps = (Slim(keep_macs=round(share, 3)),)
        result = yield (*steps, Quantize())
        if result is None or goals.is_fast(result):
            break
        latency = result.latency
    return steps


def _sizing(goals: Goals, stem: Steps, int8_bytes: int) -> Plan:
    """Around the size asked for; or down to the smallest that is still accurate."""
    wanted = goals.size_bytes
    if wanted is not None:
        result = yield sized(stem, _TARGET * wanted)
        if result is not None and result.size_bytes > wanted:
            result = yield sized(stem, _TARGET * wanted * wanted / result.size_bytes)
        if result is None:
            return
        # What a little more or less of it would bring: the front around the goal.
        for factor in (0.85, 1.2) if goals.is_accurate(result) else (1.2, 1.5):
            if factor * wanted < int8_bytes:
                yield sized(stem, factor * wanted)
        return
    low, high = _SMALLEST * int8_bytes, float(int8_bytes)
    for _ in range(_BISECTIONS):
        middle = sqrt(low * high)
        result = yield sized(stem, middle)
        if result is not None and goals.is_accurate(result):
            high = middle
        else:
            low = middle
