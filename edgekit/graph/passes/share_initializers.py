"""Keeps one copy of equal constants."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgekit.graph.passes.graph_pass import GraphPass


class ShareInitializers(GraphPass):
    """Lets readers of equal initialisers read the first of them.

    Two are equal when their type, shape and every bit are. Leaves initialisers of subgraphs alone,
    those that are also inputs or outputs, texts, and what lies in another file: sharing that would
    not make it smaller.
    """

    def rewrite_all(self, model: ir.Model) -> bool:
        """Shares all there are in one go."""
        alike: defaultdict[object, list[ir.Value]] = defaultdict(list)
        for value in model.graph.initializers.values():
            tensor = value.const_value
            if tensor is None or tensor.dtype == ir.DataType.STRING:
                continue
            if isinstance(tensor, ir.ExternalTensor):
                continue
            if not value.is_graph_input() and not value.is_graph_output():
                alike[tensor.dtype, tuple(tensor.shape.numpy())].append(value)
        modified = False
        for values in alike.values():
            if len(values) > 1:  # nothing else needs to be read
                modified |= _share(values)
        return modified

    def rewrite(self, model: ir.Model, node: ir.Node) -> bool:
        """Does nothing: initialisers are no nodes."""
        return False


def _share(values: Sequence[ir.Value]) -> bool:
    first: dict[bytes, ir.Value] = {}
    modified = False
    for value in values:
        assert value.const_value is not None
        data = np.ascontiguousarray(value.const_value.numpy()).reshape(-1).view(np.uint8)
        same = first.setdefault(hashlib.sha256(data.data).digest(), value)
        if same is not value:
            value.replace_all_uses_with(same)
            modified = True
    return modified
