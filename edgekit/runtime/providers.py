"""Which execution providers to try: what is wanted, as far as it is there, and the CPU last."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from edgekit.runtime.options import CPU

Opened = TypeVar("Opened")


def attempts(wanted: Sequence[str], available: Sequence[str]) -> list[tuple[str, ...]]:
    """The lists of providers to open a session with, the most wanted first, the CPU alone last."""
    there = [name for name in dict.fromkeys(wanted) if name in available and name != CPU]
    return [(*there[start:], CPU) for start in range(len(there) + 1)]


def open_first(
    wanted: Sequence[str],
    available: Sequence[str],
    open_with: Callable[[tuple[str, ...]], Opened],
) -> tuple[Opened, list[str]]:
    """Opens with the first list of providers that works.

    Args:
        wanted: the most wanted first.
        available: those that this build of ONNX Runtime has.
        open_with: opens a session, or raises.

    Returns:
        What was opened, and a line for each provider that was passed over.

    Raises:
        Exception: what `open_with` raised for the CPU alone.
    """
    missed = [
        f"{name} is not in this build of onnxruntime"
        for name in dict.fromkeys(wanted)
        if name not in available
    ]
    *others, last = attempts(wanted, available)
    for providers in others:
        try:
            return open_with(providers), missed
        except Exception as error:  # onnxruntime has an unrelated class for each kind of failure
            text = " ".join(str(error).split())[:200] or type(error).__name__
            missed.append(f"{providers[0]} does not work: {text}")
    return open_with(last), missed
