"""Makes a model need fewer multiply-accumulates: channels, ranks and resolution in one budget."""

from edgekit.compress.slim.steps import prune_channels, slim

__all__ = ["prune_channels", "slim"]
