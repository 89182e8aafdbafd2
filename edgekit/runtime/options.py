"""How an engine is to run a model on this board."""

from dataclasses import dataclass
from pathlib import Path

CPU = "CPUExecutionProvider"
"""ONNX Runtime's provider that is always there."""


@dataclass(frozen=True)
class EngineOptions:
    """What a board's settings say of engines; each heeds what is its own.

    Attributes:
        threads: how many compute.
        arena: whether onnxruntime keeps freed memory for the next run: more memory, at times less
            time.
        providers: onnxruntime's execution providers, the most wanted first; the CPU's is always
            the last resort.
        cache: the folder where graphs that onnxruntime optimised are kept; without one each start
            optimises.
    """

    threads: int = 1
    arena: bool = False
    providers: tuple[str, ...] = ()
    cache: Path | None = None


DEFAULTS = EngineOptions()


def graphs_in(state_dir: Path) -> Path:
    """Where a state directory keeps optimised graphs."""
    return state_dir / "engines" / "graphs"


def choices_in(state_dir: Path) -> Path:
    """Where a state directory keeps which engine was chosen."""
    return state_dir / "engines" / "choices"
