"""Opens the folder `train` of a bundle, and refuses files that do not belong together."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime as ort

from edgekit.array import Array
from edgekit.errors import BundleError, UnsupportedModel
from edgekit.learning.npz import read_arrays
from edgekit.learning.specs import LOSS, LOSSES, RATE, TensorSpec, next_name
from edgekit.runtime.onnx_session import DTYPES, open_session

STEP, EVALUATE, PARAMETERS = "step.onnx", "evaluate.onnx", "parameters.npz"


@dataclass(frozen=True)
class StepFiles:
    """A step that a workstation compiled, loaded.

    Attributes:
        session: of the step.
        batch: what each batch brings, in order.
        parameters: what the parameters are at first, by name.
        state: what else is carried from step to step; zero at first.
        digest: SHA-256 of the step's graph.
    """

    session: ort.InferenceSession
    batch: tuple[TensorSpec, ...]
    parameters: dict[str, Array]
    state: tuple[TensorSpec, ...]
    digest: str

    @property
    def rows(self) -> int:
        """How many rows a batch has."""
        return self.batch[0].shape[0]

    @property
    def sample(self) -> tuple[TensorSpec, ...]:
        """What one sample brings: the batch without its first axis."""
        return tuple(replace(spec, shape=spec.shape[1:]) for spec in self.batch)


def open_step(folder: Path, *, threads: int = 1) -> StepFiles:
    """Loads a step and its first parameters.

    Args:
        folder: holds `step.onnx`, `evaluate.onnx` and `parameters.npz`.
        threads: how many compute. With one, the same batches give the same bits.

    Raises:
        BundleError: a file is missing or damaged, or they are not of one step.
    """
    path = folder / STEP
    data = _read(path)
    session = _session(path, data, threads)
    inputs, outputs = _inputs(path, session), _outputs(session)
    rate = inputs.pop(RATE, None)
    if rate != TensorSpec(RATE, "float32", ()) or LOSS not in outputs:
        raise BundleError(f"{path}: is no training step: it lacks {RATE!r} or {LOSS!r}")
    carried = {name: spec for name, spec in inputs.items() if next_name(name) in outputs}
    for name, spec in carried.items():
        if outputs[next_name(name)] != (spec.dtype, spec.shape):
            raise BundleError(f"{path}: {name!r} changes its type or shape in a step")
    batch = tuple(spec for name, spec in inputs.items() if name not in carried)
    parameters = _parameters(folder / PARAMETERS, carried, of=STEP)
    state = tuple(spec for name, spec in carried.items() if name not in parameters)
    return StepFiles(
        session, _as_batch(path, batch), parameters, state, hashlib.sha256(data).hexdigest()
    )


def open_evaluation(
    folder: Path, *, threads: int = 1
) -> tuple[ort.InferenceSession, tuple[TensorSpec, ...], dict[str, Array]]:
    """Loads a step's evaluation. It takes memory, so it is opened when it is needed.

    Args:
        folder: holds `evaluate.onnx` and `parameters.npz`.
        threads: how many compute.

    Returns:
        The session, what each batch brings, and what the parameters are at first.

    Raises:
        BundleError: a file is missing or damaged, or they are not of one step.
    """
    path = folder / EVALUATE
    session = _session(path, _read(path), threads)
    inputs = _inputs(path, session)
    if LOSSES not in _outputs(session):
        raise BundleError(f"{path}: is no evaluation: it gives no {LOSSES!r}")
    parameters = _parameters(folder / PARAMETERS, inputs, of=EVALUATE)
    batch = tuple(spec for name, spec in inputs.items() if name not in parameters)
    return session, _as_batch(path, batch), parameters


def _as_batch(path: Path, batch: tuple[TensorSpec, ...]) -> tuple[TensorSpec, ...]:
    if not batch or len({spec.shape[:1] for spec in batch}) != 1 or not batch[0].shape:
        raise BundleError(f"{path}: what a batch brings does not have one number of rows")
    return batch


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}; copy the bundle again") from (
            error
        )


def _session(path: Path, data: bytes, threads: int) -> ort.InferenceSession:
    try:
        return open_session(data, threads=threads, where=str(path))
    except UnsupportedModel as error:
        raise BundleError(str(error)) from error


def _inputs(path: Path, session: ort.InferenceSession) -> dict[str, TensorSpec]:
    told: Mapping[str, str] = session.get_modelmeta().custom_metadata_map
    found = {}
    for value in session.get_inputs():
        if value.type not in DTYPES or not all(isinstance(axis, int) for axis in value.shape):
            raise BundleError(f"{path}: its input {value.name!r} has no fixed shape and type")
        classes = told.get(f"classes({value.name})", "")
        found[value.name] = TensorSpec(
            value.name,
            DTYPES[value.type],
            tuple(value.shape),
            int(classes) if classes.isdecimal() else None,
        )
    return found


def _outputs(session: ort.InferenceSession) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {
        value.name: (DTYPES.get(value.type, value.type), tuple(value.shape))
        for value in session.get_outputs()
    }


def _parameters(path: Path, inputs: Mapping[str, TensorSpec], *, of: str) -> dict[str, Array]:
    if not path.is_file():
        raise BundleError(f"{path}: the file is missing; copy the bundle again")
    try:
        found = read_arrays(path)
    except ValueError as error:
        raise BundleError(f"{path}: not readable parameters: {error}") from error
    if not found:
        raise BundleError(f"{path}: holds no parameters")
    for name, array in found.items():
        spec = inputs.get(name)
        if spec is None or (str(array.dtype), array.shape) != (spec.dtype, spec.shape):
            raise BundleError(f"{path}: {name!r} is no parameter of {of}, or of another shape")
        if not np.isfinite(array).all():
            raise BundleError(f"{path}: {name!r} holds NaN or infinity")
    return found
