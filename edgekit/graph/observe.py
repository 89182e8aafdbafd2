"""Looks at values inside a graph while it runs."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnx_ir as ir

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.graph.session import open_session


class Observer:
    """Runs a model and gives inner values beside its outputs.

    The numbers are those of the graph as it is written, within rounding: what is observed is not
    fused away, and a quantised graph is computed in float between its DequantizeLinear and
    QuantizeLinear nodes. The weights are shared with the model, so it must not be changed in
    place while the observer lives.

    Args:
        model: an ONNX model; it is left as it is.
        values: names of values of its main graph: computed ones, inputs or initialisers.
        threads: how many compute.

    Raises:
        InputError: the model has no value of that name.
        UnsupportedModel: ONNX Runtime cannot run it.
    """

    def __init__(self, model: ir.Model | bytes, values: Sequence[str], *, threads: int = 1) -> None:
        observed = (
            ir.from_proto(onnx.load_model_from_string(model))
            if isinstance(model, bytes)
            else model.clone()
        )
        graph = observed.graph
        self._inputs = [
            str(value.name) for value in graph.inputs if value.name not in graph.initializers
        ]
        computed = {value.name: value for node in graph for value in node.outputs if value.name}
        self._given = [name for name in values if name in self._inputs]
        self._constants: dict[str, Array] = {}
        for name in dict.fromkeys(values):
            constant = graph.initializers.get(name)
            if constant is not None and constant.const_value is not None:
                self._constants[name] = np.asarray(constant.const_value.numpy())
            elif name in computed:
                if not computed[name].is_graph_output():
                    graph.outputs.append(computed[name])
            elif name not in self._inputs:
                raise InputError(f"the model has no value {name!r} to observe")
        self._session = open_session(observed, threads=threads, fuse_quantized=False)
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, tensor: Array | Mapping[str, Array]) -> dict[str, Array]:
        """Runs the model once.

        Args:
            tensor: what its only input takes, or an array for each input by name.

        Returns:
            Every output and every observed value by name, of its own dtype: float32 in a float32
            graph.

        Raises:
            InputError: the tensor does not fit the model.
        """
        feeds = dict(tensor) if isinstance(tensor, Mapping) else {self._inputs[0]: tensor}
        try:
            results = self._session.run(self._outputs, feeds)
        except Exception as error:  # onnxruntime has an unrelated class for each kind of failure
            text = " ".join(str(error).split())[:300]
            raise InputError(f"the model cannot be run on this input: {text}") from error
        found = dict(zip(self._outputs, results, strict=True))
        return found | self._constants | {name: feeds[name] for name in self._given}
