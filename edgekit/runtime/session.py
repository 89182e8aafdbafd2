"""A bundle, loaded: prepares a sample, runs the model, interprets its output, and times each."""

from pathlib import Path
from time import monotonic_ns

from edgekit.array import Array
from edgekit.bundle import Bundle, open_bundle
from edgekit.bundle.manifest import EngineName
from edgekit.errors import BundleError
from edgekit.runtime.engine import Engine, open_engine
from edgekit.runtime.interpret import interpret
from edgekit.runtime.prediction import Prediction, Timing
from edgekit.runtime.prepare import prepare


class Session:
    """Runs one bundle with one engine. Not for two threads at once.

    Attributes:
        bundle: the bundle.
        engine: what runs it.
    """

    def __init__(self, bundle: Bundle, engine: Engine) -> None:
        self.bundle = bundle
        self.engine = engine
        self._labels = bundle.labels()
        self._manifest = bundle.manifest
        self._check_signature()

    @classmethod
    def open(cls, path: Path, *, engine: EngineName | None = None, threads: int = 1) -> "Session":
        """Opens a bundle's folder; without `engine` the first that the manifest names runs it.

        Raises:
            BundleError: the bundle must not be trusted.
            UnsupportedModel: the engine cannot run the model.
            InputError: the engine is not installed.
        """
        bundle = open_bundle(path)
        name = next(iter(bundle.manifest.models)) if engine is None else engine
        return cls(bundle, open_engine(name, bundle.model_path(name), threads=threads))

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
        tensor = prepare(data, self._manifest.input)
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
