"""Runs ONNX files with ONNX Runtime: on the CPU, or where else the settings say."""

import hashlib
import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import onnxruntime as ort

from edgekit.array import Array
from edgekit.bundle.manifest import EngineName
from edgekit.errors import InputError, UnsupportedModel
from edgekit.runtime.cpu import cpu_identity
from edgekit.runtime.engine import TensorInfo
from edgekit.runtime.graph_cache import GraphCache, GraphKey
from edgekit.runtime.onnx_session import DTYPES, one_line, open_session
from edgekit.runtime.options import CPU, EngineOptions
from edgekit.runtime.providers import open_first

_log = logging.getLogger(__name__)


class OnnxRuntimeEngine:
    """One ONNX model, loaded.

    Threads do not spin, and by default the memory arena is off: on a board memory and heat matter
    more than the last per cent of speed.

    Args:
        model: the file, or what is in it; only a file's graph is kept in the cache.
        threads: how many compute; for those who need no other options.
        options: how to run it.
        sha256: of the file, where that is known.

    Attributes:
        provider: the execution provider that runs the model.
        from_cache: whether the graph is one that was optimised at an earlier start.

    Raises:
        UnsupportedModel: the file is damaged, or ONNX Runtime cannot run it.
    """

    name: EngineName = "onnxruntime"
    version: str = ort.__version__

    def __init__(
        self,
        model: Path | bytes,
        *,
        threads: int = 1,
        options: EngineOptions | None = None,
        sha256: str | None = None,
    ) -> None:
        options = options or EngineOptions(threads=threads)
        self.from_cache = False
        self._cached: tuple[GraphCache, GraphKey] | None = None
        session = self._opened(model, options, sha256)
        self._session: ort.InferenceSession | None = session
        self.provider: str = session.get_providers()[0]
        self.inputs: Sequence[TensorInfo] = tuple(map(_info, session.get_inputs()))
        self.outputs: Sequence[TensorInfo] = tuple(map(_info, session.get_outputs()))
        self._output_names = [info.name for info in self.outputs]

    def run(self, tensor: Array) -> dict[str, Array]:
        """Runs the model on its only input; gives every output by name.

        Raises:
            InputError: the tensor does not fit the model.
        """
        session = self._session
        assert session is not None, "the engine is closed"
        try:
            outputs = session.run(self._output_names, {self.inputs[0].name: tensor})
        except Exception as error:
            raise InputError(
                f"ONNX Runtime cannot run the model on this input: {one_line(error)}"
            ) from error
        return dict(zip(self._output_names, outputs, strict=True))

    def close(self) -> None:
        """Gives the model's memory back."""
        self._session = None

    def forget_cached(self) -> None:
        """Removes the optimised graph that was loaded or kept, if there is one."""
        if self._cached is not None:
            cache, key = self._cached
            cache.forget(key)

    def _opened(
        self, model: Path | bytes, options: EngineOptions, sha256: str | None
    ) -> ort.InferenceSession:
        def open_with(providers: tuple[str, ...]) -> ort.InferenceSession:
            if providers == (CPU,) and options.cache is not None and isinstance(model, Path):
                return self._opened_by_cache(model, options, options.cache, sha256)
            return open_session(
                model,
                threads=options.threads,
                arena=options.arena,
                providers=providers,
                cache=options.cache,
            )

        session, missed = open_first(options.providers, ort.get_available_providers(), open_with)
        effective = session.get_providers()[0]
        wanted = options.providers[0] if options.providers else CPU
        if effective != wanted:  # a provider whose libraries are not there falls back by itself
            why = "; ".join(missed) or f"{wanted} could not be loaded"
            _warn_once(f"onnxruntime runs with {effective}: {why}")
        return session

    def _opened_by_cache(
        self, model: Path, options: EngineOptions, folder: Path, sha256: str | None
    ) -> ort.InferenceSession:
        """Opens what an earlier start optimised, or optimises and keeps it for the next."""
        graphs = GraphCache(folder)
        key = GraphKey(sha256 or _sha256(model), self.version, cpu_identity(), (CPU, "all"))
        self._cached = (graphs, key)
        if (path := graphs.find(key)) is not None:
            try:
                session = open_session(
                    path, threads=options.threads, arena=options.arena, is_optimized=True
                )
            except UnsupportedModel as error:
                _log.warning("%s: made again: %s", path, error)
                graphs.forget(key)
            else:
                self.from_cache = True
                return session
        draft = graphs.draft()
        try:
            if draft is None:
                raise UnsupportedModel(f"{folder}: cannot be written")
            session = open_session(
                model, threads=options.threads, arena=options.arena, optimized_to=draft
            )
        except UnsupportedModel:  # perhaps the disk is full: the model may still open
            if draft is not None:
                draft.unlink(missing_ok=True)
            return open_session(model, threads=options.threads, arena=options.arena)
        graphs.keep(key, draft)
        return session


@cache
def _warn_once(line: str) -> None:
    """A board that opens a dozen models need not say the same a dozen times."""
    _log.warning("%s", line)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _info(value: ort.NodeArg) -> TensorInfo:
    return TensorInfo(
        name=value.name,
        dtype=DTYPES.get(value.type, value.type),
        shape=tuple(axis if isinstance(axis, int) else None for axis in value.shape),
    )
