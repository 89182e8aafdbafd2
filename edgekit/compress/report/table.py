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

    How an artifact compares is in the last column; where there are several, in a row of its own,
    and briefer.

    Args:
        original: the original's figures.
        milliseconds: its time for one sample.
        artifacts: at least one.
        judged: over what agreement was counted: "400 held out".
    """
    found: list[tuple[str, ...]] = []

    def add(
        title: str,
        was: str,
        shown: _Cell,
        compared: _Cell | None = None,
        brief: tuple[str, _Cell] | None = None,
    ) -> None:
        cells = [shown(artifact) for artifact in artifacts]
        if len(artifacts) == 1:
            found.append((title, was, *cells, compared(artifacts[0]) if compared else ""))
            return
        found.append((title, was, *cells))
        if brief is not None:
            found.append((f"  {brief[0]}", "", *map(brief[1], artifacts)))

    def add_size(title: str, of: Callable[[Measured], int | None]) -> None:
        def share(artifact: Against) -> str:
            size, whole = of(artifact.measured), of(original)
            return "" if size is None or not whole else percent(size / whole)

        def compared(artifact: Against) -> str:
            return f"{share(artifact)} of it" if share(artifact) else ""

        def shown(artifact: Against) -> str:
            return kilobytes(of(artifact.measured))

        add(title, kilobytes(of(original)), shown, compared, ("of the original", share))

    def add_accuracy(title: str, before: float | None, k: int) -> None:
        if before is None:
            return

        def after(artifact: Against) -> str:
            return percent(artifact.measured.top1 if k == 1 else artifact.measured.top5)

        def change(artifact: Against) -> str:
            return interval(artifact.top1 if k == 1 else artifact.top5)

        def compared(artifact: Against) -> str:
            return points(artifact.top1 if k == 1 else artifact.top5)

        title = f"{title}, {original.samples} samples"
        add(title, percent(before), after, compared, ("change in points", change))

    add_size("model file", lambda measured: measured.size_bytes)
    add_size("model file under xz", lambda measured: measured.travels_bytes)
    add_accuracy("top-1", original.top1, 1)
    add_accuracy("top-5", original.top5, 5)
    add(f"agreement, {judged}", "", lambda found: percent(found.measured.agreement))
    if artifacts[0].measured.kl is not None:
        add("KL divergence, nats", "", lambda found: f"{found.measured.kl or 0:.4f}")
    add(
        "time, 1 thread",
        f"{milliseconds:.2f} ms",
        lambda found: f"{found.milliseconds:.2f} ms",
        lambda found: f"{1 / found.latency.median:.2f} x as fast ({_range(found)})",
        ("times as fast", lambda found: f"{1 / found.latency.median:.2f} ({_range(found)})"),
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
    change, _, rest = interval(difference).partition(" ")
    return f"{change} points {rest}"


def interval(difference: Difference | None) -> str:
    """The same without the unit."""
    if difference is None:
        return ""
    change, low, high = (100 * value for value in difference)
    return f"{change:+.1f} ({low:+.1f} to {high:+.1f})"


def _range(artifact: Against) -> str:
    return f"{1 / artifact.latency.high:.2f}-{1 / artifact.latency.low:.2f}"
