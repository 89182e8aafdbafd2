"""The C kernels: which there are, what each needs, and their text."""

from collections.abc import Iterable
from importlib.resources import files

_NEEDS: dict[str, tuple[str, ...]] = {
    "clamp": (),
    "rescale": (),
    "nearest": (),
    "sums": (),
    "dense": ("clamp", "rescale", "sums"),
    "rows": ("dense",),
    "convolve": ("dense",),
    "depthwise": ("clamp", "rescale"),
    "add": ("clamp",),
    "multiply": ("clamp", "rescale"),
    "lookup": (),
    "pad": (),
    "max_pool": (),
    "average_pool": ("clamp",),
    "mean": ("clamp", "nearest"),
    "transpose": (),
    "enlarge": (),
    "join": (),
    "move": (),
    "head": ("sums",),
    "softmax": (),
}
"""In the order in which they stand in a file."""


def kernel_text(names: Iterable[str]) -> str:
    """The definitions of these kernels and of all they need, each once."""
    wanted: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in wanted:
            wanted.add(name)
            pending += _NEEDS[name]
    folder = files("edgekit.convert.c") / "kernels"
    texts = [
        (folder / f"{name}.c").read_text(encoding="utf-8") for name in _NEEDS if name in wanted
    ]
    return "\n".join(texts)
