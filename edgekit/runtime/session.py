"""A bundle, loaded: prepares a sample, runs the model, interprets its output, and times each."""

from collections.abc import Sequence
from pathlib import Path
from time import monotonic_ns

import msgspec

from edgekit.array import Array
from edgekit.bundle import MAIN, Artifact, Bundle, open_bundle
from edgekit.bundle.manifest import EngineName
from edgekit.errors import BundleError
from edgekit.runtime.engine import Engine, open_engine
from edgekit.runtime.interpret import interpret
from edgekit.runtime.memory import give_memory_back
from edgekit.runtime.options import EngineOptions
from edgekit.runtime.prediction import Prediction, Timing
from edgekit.runtime.prepare import preparer


class Session:
    """Runs one artifact of a bundle with one engine. Not for two threads at once.

    Args:
        bundle: the bundle.
        engine: what runs it.
        artifact: which of the bundle's files it runs; by default the engine's of `models`.

    Attributes:
        bundle: the bundle.
        engine: what runs it.
        artifact: which of the bundle's files it runs, and how that is fed and read.
    """

    def __init__(self, bundle: Bundle, engine: Engine, artifact: Artifact | None = None) -> None:
        self.bundle = bundle
        self.engine = engine
        self.artifact = artifact or bundle.artifact(engine.name)
        self._labels = bundle.labels()
        self._manifest = msgspec.structs.replace(
            bundle.manifest, input=self.artifact.input, output=self.artifact.output
        )
        self._prepare = preparer(self._manifest.input)
        self._check_signature()

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        engine: EngineName | None = None,
        variant: str = MAIN,
        threads: int = 1,
        providers: Sequence[str] = (),
        arena: bool = False,
        cache: Path | None = None,
    ) -> "Session":
        """Opens a bundle's folder.

        Args:
            path: the folder.
            engine: what is to run it; by default the first that the manifest names.
            variant: which form of the model; by default that of the manifest's `models`.
            threads: how many compute.
            providers: onnxruntime's execution providers, the most wanted first; what is not there
                or does not work is passed over with a warning.
            arena: whether onnxruntime keeps freed memory for the next run.
            cache: a folder for graphs that onnxruntime optimised; without one nothing is kept.

        Raises:
            BundleError: the bundle must not be trusted.
            UnsupportedModel: the engine cannot run the model.
            InputError: the engine is not installed.
        """
        bundle = open_bundle(path)
        options = EngineOptions(threads, arena, tuple(providers), cache)
        return cls.of(bundle, bundle.artifact(engine, variant), options)

    @classmethod
    def of(cls, bundle: Bundle, artifact: Artifact, options: EngineOptions) -> "Session":
        """Opens one artifact of a verified bundle; raises as `open` does."""
        engine = open_engine(
            artifact.engine, artifact.path, options=options, sha256=artifact.sha256
        )
        return cls(bundle, engine, artifact)

    def close(self) -> None:
        """Gives the model's memory back; it cannot predict any more."""
        self.engine.close()
        give_memory_back()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def predict(self, data: Array, *, taken_at_ns: int | None = None) -> tuple[Prediction, Timing]:
        """What the model says of a sample.

        Args:
            data: the sample, as `prepare` takes it.
            taken_at_ns: when it was taken, by `time.monotonic_ns`; by default now.

        Raises:
            InputError: the sample does not fit the model.
            UnsupportedModel: the model answered with NaN or infinity.
        """
        started = monotonic_ns()
        tensor = self._prepare(data)
        prepared = monotonic_ns()
        output = self.engine.run(tensor)[self._manifest.output.name]
        inferred = monotonic_ns()
        prediction = interpret(output, tensor, self._manifest, self._labels)
        interpreted = monotonic_ns()
        age = started - (taken_at_ns if taken_at_ns is not None else started)
        return prediction, Timing(
            age=age / 1e6,
            prepare=(prepared - started) / 1e6,
            infer=(inferred - prepared) / 1e6,
            interpret=(interpreted - inferred) / 1e6,
        )

    def _check_signature(self) -> None:
        """Refuses a manifest that speaks of tensors that the model does not have."""
        where = self.bundle.path
        inputs = [info.name for info in self.engine.inputs]
        outputs = [info.name for info in self.engine.outputs]
        if inputs != [self._manifest.input.name]:
            raise BundleError(
                f"{where}: the manifest names the input {self._manifest.input.name}, "
                f"the model has {', '.join(inputs)}"
            )
        if self._manifest.output.name not in outputs:
            raise BundleError(
                f"{where}: the manifest names the output {self._manifest.output.name}, "
                f"the model has {', '.join(outputs)}"
            )
