"""One model file of a bundle, and how to feed, read and test it."""

from dataclasses import dataclass
from pathlib import Path

from edgekit.bundle.manifest import EngineName, InputSpec, Manifest, OutputSpec

MAIN = "main"
"""What the files that `Manifest.models` names are called beside the variants."""


@dataclass(frozen=True)
class Artifact:
    """A model file that one engine runs.

    Attributes:
        variant: `main`, or the variant's name.
        engine: what runs it.
        path: the file.
        sha256: of the file, as the manifest has it.
        input: what it takes.
        output: its answer, and how to read it.
    """

    variant: str
    engine: EngineName
    path: Path
    sha256: str
    input: InputSpec
    output: OutputSpec

    @property
    def label(self) -> str:
        """What it is called for people: `onnxruntime`, `fp16/litert`."""
        return self.engine if self.variant == MAIN else f"{self.variant}/{self.engine}"

    @property
    def golden_outputs(self) -> str:
        """What its outputs are called in `golden.npz`."""
        return self.engine if self.variant == MAIN else f"{self.variant}.{self.engine}"

    @property
    def golden_inputs(self) -> str:
        """What inputs of its own would be called there; without them it is fed `inputs`."""
        return f"inputs.{self.golden_outputs}"


def artifacts_of(folder: Path, manifest: Manifest) -> tuple[Artifact, ...]:
    """Every model file of a bundle: those of `models` in their order, then the variants."""
    found = [
        Artifact(
            MAIN,
            engine,
            folder / name,
            manifest.files[name].sha256,
            manifest.input,
            manifest.output,
        )
        for engine, name in manifest.models.items()
    ]
    found += [
        Artifact(
            variant.name,
            variant.engine,
            folder / variant.file,
            manifest.files[variant.file].sha256,
            variant.input or manifest.input,
            variant.output or manifest.output,
        )
        for variant in manifest.variants
    ]
    return tuple(found)
