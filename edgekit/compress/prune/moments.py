"""What a layer reads and what it should answer, summed up in second moments."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.compress.layers import Layer
from edgekit.graph.observe import Observer

_POSITIONS = 1024
"""How many places of one sample count; more say little new and cost time."""
_BYTES_AT_ONCE = 256_000_000


class Moments:
    """Sums over samples and positions of patches `x` and targets `y`, kept in float64.

    Args:
        groups: how many matrices the layer has.
        inputs: numbers in a patch of one group.
        outputs: targets of one group.
    """

    def __init__(self, groups: int, inputs: int, outputs: int) -> None:
        self._xx = np.zeros((groups, inputs, inputs))
        self._yx = np.zeros((groups, outputs, inputs))
        self._x = np.zeros((groups, inputs))
        self._y = np.zeros((groups, outputs))
        self._count = 0

    def add(self, patches: Array, targets: Array) -> None:
        """Takes in patches `[groups, inputs, P]` and targets `[groups, outputs, P]`."""
        patches = np.ascontiguousarray(patches)
        self._xx += patches @ patches.transpose(0, 2, 1)
        self._yx += targets @ patches.transpose(0, 2, 1)
        self._x += patches.sum(axis=2, dtype=np.float64)
        self._y += targets.sum(axis=2, dtype=np.float64)
        self._count += patches.shape[2]

    def __add__(self, other: "Moments") -> "Moments":
        both = Moments(*self._xx.shape[:2], self._y.shape[1])
        for name in ("_xx", "_yx", "_x", "_y", "_count"):
            setattr(both, name, getattr(self, name) + getattr(other, name))
        return both

    @property
    def mean(self) -> Array:
        """E[x], `[groups, inputs]`."""
        return np.asarray(self._x / self._count)

    @property
    def target_mean(self) -> Array:
        """E[y], `[groups, outputs]`."""
        return np.asarray(self._y / self._count)

    def second(self, *, centred: bool = True) -> Array:
        """The inputs' covariance `[groups, inputs, inputs]`, or E[x x^T]."""
        return self._about(self._xx, self.mean, centred=centred)

    def cross(self, *, centred: bool = True) -> Array:
        """The covariance of targets and inputs `[groups, outputs, inputs]`, or E[y x^T]."""
        return self._about(self._yx, self.target_mean, centred=centred)

    def quadratic(self, *, centred: bool) -> tuple[Array, Array]:
        """Both of the moments that the squared error of any weights follows from."""
        return self.second(centred=centred), self.cross(centred=centred)

    def _about(self, total: Array, means: Array, *, centred: bool) -> Array:
        raw = total / self._count
        return np.asarray(raw - means[:, :, None] * self.mean[:, None, :] if centred else raw)


def moments_of(
    layers: Sequence[Layer], values: Iterator[tuple[dict[str, Array], dict[str, Array]]]
) -> dict[str, tuple[Moments, Moments]]:
    """The moments of several layers, of every other sample apart, by the names of their outputs.

    Args:
        layers: of one model.
        values: of each sample, every layer's input and every layer's target, by the names of
            its input and of its output.
    """
    halves: dict[str, list[Moments]] = {}
    for number, (inputs, targets) in enumerate(values):
        for layer in layers:
            name = str(layer.output.name)
            patches = _patches(layer, inputs)
            wanted = grouped(layer, targets[name])
            keep = _positions(patches.shape[2], number)
            patches, wanted = patches[:, :, keep], wanted[:, :, keep]
            shape = (*patches.shape[:2], wanted.shape[1])
            pair = halves.setdefault(name, [Moments(*shape), Moments(*shape)])
            pair[number % 2].add(patches, wanted)
    return {name: (pair[0], pair[1]) for name, pair in halves.items()}


def input_moments(
    model: ir.Model, layers: Sequence[Layer], tensors: Sequence[Array]
) -> dict[str, Moments]:
    """The moments of what layers read, in as many runs as memory asks for, by outputs' names."""
    found: dict[str, Moments] = {}
    for some in _chunks(layers):
        observer = Observer(model, sorted({str(layer.input.name) for layer in some}))
        for number, tensor in enumerate(tensors):
            values = observer.run(tensor)
            for layer in some:
                patches = _patches(layer, values)
                groups, inputs, count = patches.shape
                patches = patches[:, :, _positions(count, number)]
                own = Moments(groups, inputs, 0)
                found.setdefault(str(layer.output.name), own).add(patches, patches[:, :0])
    return found


def _patches(layer: Layer, values: Mapping[str, Array]) -> Array:
    return layer.patches(values[str(layer.input.name)].astype(np.float32, copy=False))


def grouped(layer: Layer, values: Array) -> Array:
    """Values of a layer's output as `[groups, outputs a group, positions]`."""
    if not layer.is_conv:
        return values.reshape(-1, values.shape[-1]).T[np.newaxis]
    channels = np.moveaxis(values, 1, 0).reshape(values.shape[1], -1)
    return channels.reshape(layer.groups, -1, channels.shape[1])


def _positions(count: int, sample: int) -> Array | slice:
    if count <= _POSITIONS:
        return slice(None)
    chosen = np.random.default_rng(sample).choice(count, _POSITIONS, replace=False)
    return np.sort(chosen)


def _chunks(layers: Sequence[Layer]) -> Iterator[list[Layer]]:
    """Runs of layers whose moments fit into memory together."""
    chunk: list[Layer] = []
    held = 0
    for layer in layers:
        groups, _, inputs = layer.matrix().shape
        size = 8 * groups * inputs**2
        if chunk and held + size > _BYTES_AT_ONCE:
            yield chunk
            chunk, held = [], 0
        chunk.append(layer)
        held += size
    if chunk:
        yield chunk
