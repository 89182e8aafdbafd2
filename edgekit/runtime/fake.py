"""An engine that needs no model file: for tests of everything around an engine."""

from collections.abc import Callable, Sequence

from edgekit.array import Array
from edgekit.bundle.manifest import EngineName
from edgekit.runtime.engine import TensorInfo


class FakeEngine:
    """Answers with a function of the input tensor."""

    name: EngineName = "onnxruntime"
    version: str = "0"
    provider: str = "none"

    def __init__(
        self, answer: Callable[[Array], dict[str, Array]], *, inputs: Sequence[TensorInfo] = ()
    ) -> None:
        self._answer = answer
        self.inputs = inputs
        self.outputs: Sequence[TensorInfo] = ()

    def run(self, tensor: Array) -> dict[str, Array]:
        """Gives what the function gives."""
        return self._answer(tensor)

    def close(self) -> None:
        """Has nothing to give back."""
