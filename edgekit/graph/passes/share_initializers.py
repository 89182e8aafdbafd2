"""Keeps one copy of equal constants."""

import hashlib

import numpy as np
import onnx_ir as ir

from edgekit.graph.passes.graph_pass import GraphPass


class ShareInitializers(GraphPass):
    """Lets readers of equal initialisers read the first of them.

    Two are equal when their type, shape and every bit are. Leaves initialisers of subgraphs alone,
    those that are also inputs or outputs, and texts.
    """

    def rewrite_all(self, model: ir.Model) -> bool:
        """Shares all there are in one go."""
        first: dict[tuple[object, ...], ir.Value] = {}
        modified = False
        for value in list(model.graph.initializers.values()):
            tensor = value.const_value
            if tensor is None or tensor.dtype == ir.DataType.STRING:
                continue
            if value.is_graph_input() or value.is_graph_output():
                continue
            data = np.ascontiguousarray(tensor.numpy()).reshape(-1).view(np.uint8)
            digest = hashlib.sha256(data.data).digest()
            key = (tensor.dtype, tuple(tensor.shape.numpy()), digest)
            same = first.setdefault(key, value)
            if same is not value:
                value.replace_all_uses_with(same)
                modified = True
        return modified

    def rewrite(self, model: ir.Model, node: ir.Node) -> bool:
        """Does nothing: initialisers are no nodes."""
        return False
