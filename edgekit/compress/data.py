"""The samples that a model is calibrated and measured on: pictures in a folder, or arrays."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np

from edgekit.array import Array
from edgekit.bundle import InputSpec, PictureRule
from edgekit.errors import InputError
from edgekit.pipeline.pictures import SUFFIXES, read_picture
from edgekit.runtime.prepare import prepare

_ARRAYS = (".npy", ".npz", ".csv")
LABELS = "labels.csv"
_KEPT_BYTES = 256_000_000


@dataclass(frozen=True)
class PictureFolder:
    """Pictures on disk.

    Attributes:
        paths: the files, sorted.
        targets: int64 `[len(paths)]`, the class of each or -1; `None` where no class is known.
        known_labels: the label of each class that the folder names.
    """

    paths: tuple[Path, ...]
    targets: Array | None
    known_labels: dict[int, str]

    def samples(self, rule: PictureRule) -> "Samples":
        """The pictures as a model with this rule sees them."""
        return Samples(
            tuple(path.name for path in self.paths),
            self.targets,
            _Pictures(self.paths, rule),
        )


@dataclass(frozen=True)
class Samples:
    """Samples ready for `edgekit.runtime.prepare`, loaded as they are asked for.

    Attributes:
        names: what to call each.
        targets: int64 `[N]`, the class of each or -1; `None` where no class is known.
        data: each sample.
    """

    names: tuple[str, ...]
    targets: Array | None
    data: Sequence[Array]

    def __len__(self) -> int:
        return len(self.names)

    def seen_by(self, spec: InputSpec) -> "Samples":
        """The same for a model that takes `spec`: pictures are cut by its own rule."""
        if not isinstance(self.data, _Pictures) or spec.picture is None:
            return self
        return Samples(self.names, self.targets, _Pictures(self.data.paths, spec.picture))

    def split(self, count: int, *, seed: int) -> tuple[Array, Array]:
        """Indices for calibration, at most `count` by chance, and of the others; both sorted."""
        order = np.random.default_rng(seed).permutation(len(self))
        return np.sort(order[:count]), np.sort(order[count:])


@dataclass(frozen=True)
class _Pictures(Sequence[Array]):
    paths: tuple[Path, ...]
    rule: PictureRule

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Array:  # type: ignore[override]  # no slices
        return read_picture(self.paths[index], self.rule)


@dataclass(frozen=True)
class Prepared(Sequence[Array]):
    """Some samples as a model takes them, each prepared when it is asked for.

    Attributes:
        data: all samples.
        indices: which of them.
        spec: what the model takes.
    """

    data: Sequence[Array]
    indices: Sequence[int] | Array
    spec: InputSpec

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, place: int) -> Array: ...

    @overload
    def __getitem__(self, place: slice) -> "Prepared": ...

    def __getitem__(self, place: int | slice) -> "Array | Prepared":
        if isinstance(place, slice):
            return Prepared(self.data, self.indices[place], self.spec)
        return prepare(self.data[int(self.indices[place])], self.spec)

    def kept(self) -> Sequence[Array]:
        """The same held in memory, where that takes little of it."""
        size = int(np.prod(self.spec.shape)) * np.dtype(self.spec.dtype).itemsize
        return list(self) if size * len(self) <= _KEPT_BYTES else self


def open_data(path: Path, *, labels: Sequence[str] = ()) -> PictureFolder | Samples:
    """Finds out what lies at a path.

    A folder of pictures may have a `labels.csv` (columns `file`, and `class_index` or `label`)
    or a subfolder a class. Arrays are an `.npy` of samples, an `.npz` with `x` and perhaps `y`,
    or a folder of `.npy` files.

    Args:
        path: the file or folder.
        labels: the model's labels in class order, if they are known.

    Raises:
        InputError: nothing there, pictures and arrays mixed, or something unreadable.
    """
    if path.is_file():
        return _arrays([path])
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder")
    files = sorted(
        file
        for file in path.rglob("*")
        if file.is_file() and file.name != LABELS and not file.name.startswith(".")
    )
    pictures = [file for file in files if file.suffix.lower() in SUFFIXES]
    arrays = [file for file in files if file.suffix.lower() in _ARRAYS]
    if pictures and arrays:
        raise InputError(
            f"{path}: mixes pictures ({pictures[0].name}) and arrays ({arrays[0].name}); "
            "give a folder of one kind"
        )
    if arrays:
        return _arrays(arrays)
    if not pictures:
        raise InputError(
            f"{path}: holds no pictures and no arrays ({', '.join(SUFFIXES + _ARRAYS)})"
        )
    return _pictures(path, pictures, labels)


def _pictures(folder: Path, paths: list[Path], labels: Sequence[str]) -> PictureFolder:
    if (folder / LABELS).is_file():
        by_name = _labels_csv(folder / LABELS, {path.name for path in paths}, labels)
        targets = np.array([by_name.get(path.name, (-1, ""))[0] for path in paths], np.int64)
        known = {index: label for index, label in by_name.values() if label}
        return PictureFolder(tuple(paths), targets, known)
    classes = sorted({path.parent.name for path in paths if path.parent.parent == folder})
    if len(classes) > 1 and all(path.parent.parent == folder for path in paths):
        index = {label: number for number, label in enumerate(labels)}
        if not set(classes) <= index.keys():
            index = {label: number for number, label in enumerate(classes)}
        targets = np.array([index[path.parent.name] for path in paths], np.int64)
        return PictureFolder(tuple(paths), targets, {index[name]: name for name in classes})
    return PictureFolder(tuple(paths), None, {})


def _labels_csv(path: Path, present: set[str], labels: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Class index and label (perhaps empty) by file name."""
    index = {label: number for number, label in enumerate(labels)}
    found: dict[str, tuple[int, str]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            columns = set(reader.fieldnames or ())
            if "file" not in columns or not columns & {"class_index", "label"}:
                raise InputError(f"{path}: needs the columns file, and class_index or label")
            for row in reader:
                name, label = row["file"] or "", row.get("label") or ""
                number = row.get("class_index")
                try:
                    found[name] = (int(number) if number is not None else index[label], label)
                except (ValueError, KeyError) as error:
                    raise InputError(
                        f"{path}:{reader.line_num}: {error} is no class of the model"
                    ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a readable CSV file: {error}") from error
    missing = sorted(found.keys() - present)
    if missing:
        raise InputError(f"{path}: names {missing[0]}, which is not in the folder")
    if any(number < 0 for number, _ in found.values()):
        raise InputError(f"{path}: has a class_index below 0")
    return found


def _arrays(paths: list[Path]) -> Samples:
    parts, targets = [], []
    for path in paths:
        x, y = _array(path)
        parts.append(x)
        targets.append(np.full(len(x), -1, np.int64) if y is None else y)
    if len({part.shape[1:] for part in parts}) > 1:
        shapes = ", ".join(
            f"{path.name} {list(part.shape)}" for path, part in zip(paths, parts, strict=True)
        )
        raise InputError(f"{paths[0].parent}: arrays of different shapes: {shapes[:200]}")
    data = np.concatenate(parts)
    if len(data) == 0:
        raise InputError(f"{paths[0]}: holds no samples")
    if data.dtype.kind == "f" and not np.isfinite(data).all():
        bad = int(np.argwhere(~np.isfinite(data.reshape(len(data), -1)).all(axis=1))[0, 0])
        raise InputError(f"{paths[0]}: sample {bad} holds NaN or infinity")
    known = np.concatenate(targets)
    return Samples(
        tuple(f"sample {number}" for number in range(len(data))),
        known if (known >= 0).any() else None,
        list(data),
    )


def _array(path: Path) -> tuple[Array, Array | None]:
    """Samples `[N, ...]` and, where the file has them, their classes int64 `[N]`."""
    try:
        if path.suffix.lower() == ".csv":
            with path.open(encoding="utf-8") as file:
                return np.loadtxt(file, delimiter=",", skiprows=1, ndmin=2), None
        loaded = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: not a readable array: {error}") from error
    if isinstance(loaded, np.ndarray):
        x, y = loaded, None
    else:
        with loaded:
            if "x" not in loaded.files:
                raise InputError(f"{path}: needs an array named x (and may have y)")
            x, y = loaded["x"], loaded["y"] if "y" in loaded.files else None
    if x.ndim < 2 or x.dtype.kind not in "fiu":
        raise InputError(f"{path}: is {x.dtype} {list(x.shape)}, not numbers [samples, ...]")
    if y is not None and (y.shape != (len(x),) or y.dtype.kind not in "iu"):
        raise InputError(f"{path}: y is {y.dtype} {list(y.shape)}, not one class a sample")
    return x, None if y is None else y.astype(np.int64)


def read_labels(path: Path) -> tuple[str, ...]:
    """Labels in class order: a line each, or a JSON list, or a JSON object by class index.

    Raises:
        InputError: unreadable, empty, or an object with gaps.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix.lower() != ".json":
            labels = tuple(line.strip() for line in text.splitlines())
        else:
            document = json.loads(text)
            if isinstance(document, dict):
                document = [document[str(number)] for number in range(len(document))]
            labels = tuple(str(label) for label in document)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a file of labels: {error!r}") from error
    while labels and not labels[-1]:
        labels = labels[:-1]
    if not labels:
        raise InputError(f"{path}: holds no labels")
    return labels
