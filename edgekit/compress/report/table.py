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
    original: Measured, milliseconds: float, artifacts: Sequence[Against], held_out: int
) -> list[tuple[str, ...]]:
    """What, the original, each artifact, and how they compare.

    Args:
        original: the original's figures.
        milliseconds: its time for one sample.
        artifacts: at least one.
        held_out: over how many samples agreement was counted.
    """

    def row(title: str, was: str, shown: _Cell, compared: _Cell = _nothing) -> tuple[str, ...]:
        if len(artifacts) == 1:
            return (title, was, shown(artifacts[0]), compared(artifacts[0]))
        both = ((shown(artifact), compared(artifact)) for artifact in artifacts)
        return (title, was, *(f"{text} ({more})" if more else text for text, more in both))

    found = [
        row(
            "model file",
            kilobytes(original.size_bytes),
            lambda found: kilobytes(found.measured.size_bytes),
            lambda found: _share(found.measured.size_bytes, original.size_bytes),
        ),
        row(
            "model file under xz",
            kilobytes(original.travels_bytes),
            lambda found: kilobytes(found.measured.travels_bytes),
            lambda found: _share(found.measured.travels_bytes, original.travels_bytes),
        ),
    ]
    samples = original.samples
    if original.top1 is not None:
        found.append(
            row(
                f"top-1, {samples} samples",
                percent(original.top1),
                lambda found: percent(found.measured.top1),
                lambda found: points(found.top1),
            )
        )
    if original.top5 is not None:
        found.append(
            row(
                f"top-5, {samples} samples",
                percent(original.top5),
                lambda found: percent(found.measured.top5),
                lambda found: points(found.top5),
            )
        )
    found.append(
        row(f"agreement, {held_out} held out", "", lambda found: percent(found.measured.agreement))
    )
    if artifacts[0].measured.kl is not None:
        found.append(
            row(
                "KL divergence", "", lambda found: f"{found.measured.kl or 0:.4f}", lambda _: "nats"
            )
        )
    return [
        *found,
        row(
            "time, 1 thread",
            f"{milliseconds:.2f} ms",
            lambda found: f"{found.milliseconds:.2f} ms",
            _speed,
        ),
    ]


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
    return f"{change:+.1f} points (95 %: {low:+.1f} to {high:+.1f})"


def _nothing(_: Against) -> str:
    return ""


def _share(size: int | None, whole: int | None) -> str:
    return "" if size is None or not whole else f"{size / whole:.1%} of it"


def _speed(artifact: Against) -> str:
    spread = artifact.latency
    return f"{1 / spread.median:.2f} x as fast ({1 / spread.high:.2f}-{1 / spread.low:.2f})"
