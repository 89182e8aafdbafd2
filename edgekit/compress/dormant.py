"""An engine that gives its memory back between uses."""

import gc
from collections.abc import Callable, Sequence

from edgekit.array import Array
from edgekit.bundle.manifest import EngineName
from edgekit.runtime.engine import Engine, TensorInfo
from edgekit.runtime.memory import give_memory_back


class DormantEngine:
    """Runs a model as the engine does that `open_engine` opens; `sleep` closes that until then.

    The original is asked at the beginning and timed at the end. In between a step needs the
    memory, which for a big model is several times the file.

    Args:
        open_engine: loads the model; called at once, and again whenever it was asleep.
    """

    def __init__(self, open_engine: Callable[[], Engine]) -> None:
        self._open = open_engine
        engine = open_engine()
        self._engine: Engine | None = engine
        self.name: EngineName = engine.name
        self.version: str = engine.version
        self.provider: str = engine.provider
        self.inputs: Sequence[TensorInfo] = engine.inputs
        self.outputs: Sequence[TensorInfo] = engine.outputs

    def run(self, tensor: Array) -> dict[str, Array]:
        """Runs the model on its only input; gives every output by name.

        Raises:
            InputError: the tensor does not fit the model.
        """
        if self._engine is None:
            self._engine = self._open()
        return self._engine.run(tensor)

    def sleep(self) -> None:
        """Closes the model until it is asked again."""
        if self._engine is not None:
            self._engine.close()
        self._engine = None
        gc.collect()
        give_memory_back()

    close = sleep
