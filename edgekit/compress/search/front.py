"""The Pareto front: candidates of which none is better in every figure."""

from collections.abc import Sequence

from edgekit.compress.search.goals import Goals, Result


def is_on_front(number: int, results: Sequence[Result]) -> bool:
    """Whether no other candidate is at least as good in every figure and better in one."""
    mine = _figures(results[number])
    others = (_figures(result) for place, result in enumerate(results) if place != number)
    return not any(
        all(theirs <= own for theirs, own in zip(other, mine, strict=True)) and other != mine
        for other in others
    )


def best(goals: Goals, results: Sequence[Result]) -> int:
    """Which candidate to take.

    Of those that meet the goals: the closest to the original where a size was asked for, else the
    smallest. Where none meets them: the one that misses fewest, then the closest.
    """

    def order(number: int) -> tuple[float, ...]:
        result = results[number]
        held = (goals.is_accurate(result), goals.is_small(result), goals.is_fast(result))
        missed = sum(not one for one in held)
        if missed == 0 and goals.size is None:
            return (missed, result.size_bytes, result.distance)
        return (missed, result.distance, result.size_bytes)

    return min(range(len(results)), key=order)


def _figures(result: Result) -> tuple[float, float, float]:
    """Size, distance and latency: less is better; latency to a twentieth, which is its noise."""
    return (result.size_bytes, result.distance, round(result.latency * 20) / 20)
