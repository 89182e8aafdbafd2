"""The before-and-after table: the rows that people read first."""

from collections.abc import Callable, Sequence

from edgekit.bundle import Measured
from edgekit.compress.measure import Against
from edgekit.compress.statistics import Difference

_Cell = Callable[[Against], str]


def columns(artifacts: Sequence[Against]) -> tuple[str, ...]:
    """What stands above the rows: an artifact by itself has a last column that compares."""
    if len(artifacts) == 1:
        return ("", "original", "artifact", "")
    return ("", "original", *(artifact.engine for artifact in artifacts))


def rows(
    original: Measured, milliseconds: float, artifacts: Sequence[Against], judged: str
) -> list[tuple[str, ...]]:
    """What, the original, each artifact, and how they compare.

    How an artifact compares is in the last column; where there are several, in a row of its own.

    Args:
        original: the original's figures.
        milliseconds: its time for one sample.
        artifacts: at least one.
        judged: over what agreement was counted: "400 held out".
    """
    found: list[tuple[str, ...]] = []

    def add(title: str, was: str, shown: _Cell, compared: _Cell = _nothing) -> None:
        cells, more = map(shown, artifacts), [compared(artifact) for artifact in artifacts]
        if len(artifacts) == 1:
            found.append((title, was, *cells, *more))
            return
        found.append((title, was, *cells))
        if any(more):
            found.append(("", "", *more))

    def share(of: Callable[[Measured], int | None]) -> _Cell:
        return lambda found: _share(of(found.measured), of(original))

    add(
        "model file",
        kilobytes(original.size_bytes),
        lambda found: kilobytes(found.measured.size_bytes),
        share(lambda measured: measured.size_bytes),
    )
    add(
        "model file under xz",
        kilobytes(original.travels_bytes),
        lambda found: kilobytes(found.measured.travels_bytes),
        share(lambda measured: measured.travels_bytes),
    )
    samples = f"{original.samples} samples"
    if original.top1 is not None:
        add(
            f"top-1, {samples}",
            percent(original.top1),
            lambda found: percent(found.measured.top1),
            lambda found: points(found.top1),
        )
    if original.top5 is not None:
        add(
            f"top-5, {samples}",
            percent(original.top5),
            lambda found: percent(found.measured.top5),
            lambda found: points(found.top5),
        )
    add(f"agreement, {judged}", "", lambda found: percent(found.measured.agreement))
    if artifacts[0].measured.kl is not None:
        add("KL divergence, nats", "", lambda found: f"{found.measured.kl or 0:.4f}")
    add(
        "time, 1 thread",
        f"{milliseconds:.2f} ms",
        lambda found: f"{found.milliseconds:.2f} ms",
        _speed,
    )
    return found


def kilobytes(size_bytes: int | None) -> str:
    """A size for people; nothing where it is not known."""
    return "" if size_bytes is None else f"{size_bytes / 1000:,.1f} kB"


def percent(share: float | None) -> str:
    """A share for people; nothing where it is not known."""
    return "" if share is None else f"{share:.1%}"


def points(difference: Difference | None) -> str:
    """A change of a share with its paired interval, in points."""
    if difference is None:
        return ""
    change, low, high = (100 * value for value in difference)
    return f"{change:+.1f} points ({low:+.1f} to {high:+.1f})"


def _nothing(_: Against) -> str:
    return ""


def _share(size: int | None, whole: int | None) -> str:
    return "" if size is None or not whole else f"{size / whole:.1%} of it"


def _speed(artifact: Against) -> str:
    spread = artifact.latency
    return f"{1 / spread.median:.2f} x as fast ({1 / spread.high:.2f}-{1 / spread.low:.2f})"
