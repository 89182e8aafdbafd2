"""How many multiply-accumulates a model has left as channels go."""

from collections.abc import Set

import numpy as np
import onnx_ir as ir

from edgekit.compress.layers import linear_layers
from edgekit.compress.prune.channels import Channels, Slice
from edgekit.compress.prune.cutting import is_kept
from edgekit.compress.prune.tracing import shape_of
from edgekit.errors import UnsupportedModel


def layer_macs(model: ir.Model) -> dict[str, int]:
    """Multiply-accumulates of each linear layer for one run, by the name of its output.

    Raises:
        UnsupportedModel: a shape is not known.
    """
    counts = {}
    for layer in linear_layers(model):
        shape = shape_of(layer.output)
        if shape is None:
            raise UnsupportedModel(f"the shape of {layer.output.name!r} is not known")
        counts[str(layer.output.name)] = int(np.prod(shape)) * layer.matrix().shape[-1]
    return counts


class MacCounter:
    """Counts quickly what is left: each layer shrinks with its rows and with its columns."""

    def __init__(self, model: ir.Model, channels: Channels) -> None:
        self._channels = channels
        self._full = layer_macs(model)
        self._slices: dict[str, list[Slice]] = {name: [] for name in self._full}
        for piece in channels.slices:
            name = str(piece.node.outputs[0].name)
            if piece.input_index == 1 and name in self._slices:
                self._slices[name].append(piece)

    @property
    def full(self) -> int:
        """All of the model's."""
        return sum(self._full.values())

    def without(self, units: Set[int]) -> int:
        """Those that are left when units go."""
        left = 0.0
        for name, full in self._full.items():
            shares = [
                is_kept(self._channels, piece.units, units).mean() for piece in self._slices[name]
            ]
            left += full * float(np.prod(shares))
        return round(left)
