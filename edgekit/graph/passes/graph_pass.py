"""What every rewrite of a graph is: a pass that visits each node and says whether it changed it."""

import os
from abc import abstractmethod

import onnx_ir as ir
from onnx_ir.passes import InPlacePass, PassResult
from onnx_ir.traversal import RecursiveGraphIterator

from edgekit.graph.edit import prune_unused
from edgekit.graph.verify import require_same_outputs, snapshot

VERIFY = "EDGEKIT_VERIFY_PASSES"
"""The environment variable that makes every pass check its own work."""


class GraphPass(InPlacePass):
    """A rewrite that is offered every node, in subgraphs too, until it finds nothing more to do.

    It works in place, keeps names, types and shapes of inputs and outputs, and prunes what it
    leaves unread. Bodies of model-local functions are left alone: they cannot hold initialisers.

    Args:
        verify: whether to run the model in ONNX Runtime before and after on seeded random inputs,
            and raise `PostconditionError` naming the pass where an output differs. By default as
            the environment variable EDGEKIT_VERIFY_PASSES says.
    """

    def __init__(self, *, verify: bool | None = None) -> None:
        super().__init__()
        self.verify = os.environ.get(VERIFY, "") not in ("", "0") if verify is None else verify

    @abstractmethod
    def rewrite(self, model: ir.Model, node: ir.Node) -> bool:
        """Changes the graph around one node if it can; whether it did."""

    def call(self, model: ir.Model) -> PassResult:
        """Rewrites what it can; `modified` is true only where the graph differs."""
        before = snapshot(model) if self.verify else None
        modified = self.rewrite_all(model)
        if modified:
            prune_unused(model)
        if before is not None:
            require_same_outputs(before, model, by=type(self).__name__)
        return PassResult(model, modified)

    def rewrite_all(self, model: ir.Model) -> bool:
        """Offers every node to `rewrite` until none takes it."""
        modified = False
        while self._rewrite_once(model):
            modified = True
        return modified

    def _rewrite_once(self, model: ir.Model) -> bool:
        changed = False
        for node in list(RecursiveGraphIterator(model.graph)):
            if node.graph is not None and self.rewrite(model, node):
                changed = True
        return changed
