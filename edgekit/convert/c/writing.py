"""What the files of a model are written from."""

from dataclasses import dataclass

from edgekit.bundle import Manifest
from edgekit.convert.c.model import CModel


@dataclass(frozen=True)
class Writing:
    """What the files of a model say.

    Attributes:
        name: the C identifier that everything begins with.
        model: what is computed.
        manifest: of the bundle.
        labels: one a class, or none.
        short_hash: of the bundle.
    """

    name: str
    model: CModel
    manifest: Manifest
    labels: tuple[str, ...]
    short_hash: str

    @property
    def big(self) -> str:
        """The name that macros begin with."""
        return self.name.upper()

    @property
    def out_type(self) -> str:
        """What `run` gives."""
        return "float" if self.model.gives_floats else "int8_t"

    @property
    def is_anomaly(self) -> bool:
        """Whether the answer is a score with a threshold."""
        return self.manifest.task == "anomaly"

    @property
    def judges(self) -> str:
        """The function that gives the answer to a reading, after the name."""
        return {"anomaly": "score", "classification": "classify"}.get(self.manifest.task, "answer")

    @property
    def keeps_numbers(self) -> bool:
        """Whether the arena holds what `run` gives as floats."""
        return self.is_anomaly and self.model.gives_floats
