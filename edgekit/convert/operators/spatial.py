"""DepthToSpace and SpaceToDepth: blocks of pixels become channels, and back."""

import numpy as np

from edgekit.convert import schema
from edgekit.convert.layout import CHANNELS_LAST
from edgekit.convert.op import Op


def depth_to_space(op: Op) -> None:
    """Writes a DepthToSpace; where the channels vary slowest (CRD), a GATHER orders them first."""
    order, block = CHANNELS_LAST[4], op.integer("blocksize", 1)
    x = op.read(0, order)
    if op.text("mode", "DCR") == "CRD":
        channels = np.arange(x.shape[3]).reshape(-1, block * block).T.ravel()
        inputs = [x, op.fixed("channels", channels)]
        x = op.emit("GATHER", inputs, x.shape, schema.options("Gather", axis=3))
    batch, height, width, depth = x.shape
    shape = (batch, height * block, width * block, depth // (block * block))
    options = schema.options("DepthToSpace", blockSize=block)
    op.give(op.emit("DEPTH_TO_SPACE", [x], shape, options), order)


def space_to_depth(op: Op) -> None:
    """Writes a SpaceToDepth whose channels vary fastest (DCR), as all had once."""
    if op.text("mode", "DCR") != "DCR":
        raise op.unsupported("in the mode 'CRD'")
    order, block = CHANNELS_LAST[4], op.integer("blocksize", 1)
    x = op.read(0, order)
    batch, height, width, depth = x.shape
    shape = (batch, height // block, width // block, depth * block * block)
    options = schema.options("SpaceToDepth", blockSize=block)
    op.give(op.emit("SPACE_TO_DEPTH", [x], shape, options), order)
