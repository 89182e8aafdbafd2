"""The samples that a board learns from: taken from its pipeline, labelled, and kept on its disk."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.array import Array
from edgekit.bundle import Bundle, InputSpec
from edgekit.config.federated import SamplesTable
from edgekit.daemon.federated.counting import board_key, private_counts
from edgekit.daemon.federated.labels import Labelled, Recent, Seen, class_of
from edgekit.errors import BundleError, InputError
from edgekit.learning.buffer import SampleBuffer
from edgekit.learning.federated.trainer import PRESENT
from edgekit.learning.files import StepFiles
from edgekit.learning.specs import TensorSpec
from edgekit.pipeline.parts import Inference, Sample
from edgekit.runtime.interpret import dequantized
from edgekit.runtime.prediction import Classification
from edgekit.runtime.prepare import prepare

_log = logging.getLogger(__name__)
_MOST_PENDING = 64


@dataclass(frozen=True)
class Kind:
    """What the samples of a step are.

    Attributes:
        given: what the model takes, without a batch's axis.
        label: a class; `None` where the step learns without labels.
        spec: how a sample of the pipeline becomes what the model takes.
        labels: the names of the classes, perhaps none.
    """

    given: TensorSpec
    label: TensorSpec | None
    spec: InputSpec
    labels: tuple[str, ...]

    @property
    def specs(self) -> tuple[TensorSpec, ...]:
        """What one sample brings."""
        return (self.given,) if self.label is None else (self.given, self.label)

    @property
    def classes(self) -> int:
        """How many classes there are; 0 without labels."""
        return 0 if self.label is None else self.label.classes or len(self.labels)


def kind_of(bundle: Bundle, files: StepFiles) -> Kind:
    """What a bundle's step learns from.

    Raises:
        BundleError: the step takes something else than what the model sees, and perhaps its class.
    """
    specs = [spec for spec in files.sample if spec.name != PRESENT]
    given, label = specs[0], specs[1] if len(specs) == 2 else None
    where = bundle.path / "train"
    is_class = label is not None and label.shape == () and np.dtype(label.dtype).kind in "iu"
    if len(specs) > 2 or (label is not None and not is_class):
        names = ", ".join(spec.name for spec in specs)
        raise BundleError(f"{where}: the step takes {names}: no samples with a class, or alone")
    spec = bundle.manifest.input
    if spec.shape[1:] != given.shape:
        raise BundleError(
            f"{where}: the step takes {list(given.shape)}, the model {list(spec.shape[1:])}"
        )
    return Kind(given, label, spec, bundle.labels())


class LocalData:
    """Takes the samples of a pipeline and keeps those it can learn from; none leaves the board.

    Taking never waits: a sample is copied into a short line in memory, and dropped where that is
    full. `store`, which whoever learns calls, prepares and writes what waits.

    Attributes:
        kind: what the samples are.
        dropped: how many found the line full.
    """

    def __init__(
        self,
        path: Path,
        kind: Kind,
        table: SamplesTable,
        *,
        count_epsilon: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Opens the file; one with samples of another kind, or a damaged one, is begun anew.

        Args:
            path: the file.
            kind: what the samples are.
            table: what the settings say.
            count_epsilon: how privately classes are counted; `None` not to tell of them.
            clock: seconds since 1970.

        Raises:
            InputError: not even one sample is within the limit.
        """
        self.kind = kind
        self.dropped = 0
        self._table = table
        self._lock = threading.Lock()
        self._recent = Recent(table.recent)
        self._pending: deque[Labelled] = deque()
        self._last_ns: int | None = None
        self._buffer = _opened(path, kind, table, clock)
        self._count = len(self._buffer)
        self._epsilon = count_epsilon if kind.classes > 1 else None
        self._key = b"" if self._epsilon is None else board_key(path.with_name("key"))

    def take(self, sample: Sample, inference: Inference) -> None:
        """Takes a sample; on the pipeline's thread, while the sample's memory is lent."""
        if self._last_ns is not None and (
            sample.taken_at_ns - self._last_ns < self._table.min_gap_s * 1e9
        ):
            return
        if self.kind.label is None and len(self._pending) >= _MOST_PENDING:
            self.dropped += 1
            return
        self._last_ns = sample.taken_at_ns
        data = np.array(sample.data)
        with self._lock:
            if self.kind.label is None:
                self._pending.append(Labelled(data))
            else:
                seen = Seen(inference.sequence, data, self._guess(inference))
                self._put(self._recent.add(seen))

    def label(self, label: int | str, *, sequence: int | None = None, back: int = 0) -> str:
        """Labels one of the newest samples; from any thread. Gives the class's name.

        Args:
            label: a class, by its number or its name.
            sequence: of the sample's prediction; `None` to count from the newest.
            back: how many samples came after it, without a sequence.

        Raises:
            InputError: there is no such class, or no such sample, or it has a label.
        """
        kind = self.kind
        if kind.label is None:
            raise InputError("the model of this pipeline learns without labels")
        number = class_of(label, kind.labels, kind.classes)
        with self._lock:
            self._put(self._recent.label(number, sequence=sequence, back=back))
        return kind.labels[number] if number < len(kind.labels) else f"class {number}"

    def store(self) -> None:
        """Writes what waits; for one thread at a time."""
        while True:
            with self._lock:
                if not self._pending:
                    return
                labelled = self._pending.popleft()
            try:
                given = _prepared(labelled.data, self.kind)
                label = () if labelled.number is None else (np.int64(labelled.number),)
                self._buffer.add(given, *label)
            except InputError as error:
                _log.warning("a sample is not kept: %s", error)

    def refresh(self) -> int:
        """How many samples there are now; `len` gives what this gave last."""
        self._count = len(self._buffer)
        return self._count

    def __len__(self) -> int:
        return self._count

    def samples(self) -> tuple[Array, ...]:
        """An array for each part of a sample, `[samples, ...]`, oldest first.

        Raises:
            InputError: the file is damaged.
        """
        arrays = self._buffer.samples().arrays
        if self.kind.label is None:
            return arrays
        given, labels = arrays
        fits = (labels >= 0) & (labels < self.kind.classes)  # a bundle may have lost a class
        return arrays if fits.all() else (given[fits], labels[fits])

    def told_classes(self) -> tuple[float, ...] | None:
        """How many samples of each class there are, as far as the settings let it be told."""
        if self._epsilon is None:
            return None
        return private_counts(self.samples(), self.kind.classes, self._epsilon, self._key)

    def close(self) -> None:
        """Lets go of the file, after what waits is written."""
        self.store()
        self._buffer.close()

    def _put(self, labelled: Labelled | None) -> None:
        if labelled is None:
            return
        if len(self._pending) >= _MOST_PENDING:
            self.dropped += 1
            return
        self._pending.append(labelled)

    def _guess(self, inference: Inference) -> int | None:
        said = inference.prediction
        if self._table.pseudo is None or not isinstance(said, Classification) or not said.top:
            return None
        best = said.top[0]
        return best.id if best.p >= self._table.pseudo and best.id < self.kind.classes else None


def _opened(
    path: Path, kind: Kind, table: SamplesTable, clock: Callable[[], float]
) -> SampleBuffer:
    def open_it() -> SampleBuffer:
        return SampleBuffer(
            path,
            kind.specs,
            limit_bytes=round(table.max_mb * 1e6),
            max_age_s=table.max_age_days * 86_400,
            clock=clock,
        )

    try:
        buffer = open_it()
        len(buffer)
        return buffer
    except InputError as error:
        if not path.exists():
            raise
        _log.warning("%s; beginning anew without those samples", error)
    for name in _files_of(path):
        name.unlink(missing_ok=True)
    return open_it()


def _files_of(path: Path) -> Sequence[Path]:
    return [path, *(path.with_name(path.name + ending) for ending in ("-wal", "-shm", "-journal"))]


def _prepared(data: Array, kind: Kind) -> Array:
    """What the model sees of a sample, as the step takes it."""
    tensor = prepare(data, kind.spec)
    if kind.spec.quantization is not None and kind.given.dtype == "float32":
        tensor = dequantized(tensor, kind.spec.quantization)
    given: Array = tensor[0].astype(kind.given.dtype, copy=False)
    return given
