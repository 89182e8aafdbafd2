"""Reads the data that a training recipe names."""

from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from edgekit.array import Array
from edgekit.bundle import WindowRule
from edgekit.compress.data import PictureFolder, open_data
from edgekit.errors import InputError
from edgekit.pipeline.rows import load_rows
from edgekit.zoo.training.machine import COLUMNS, FAULTS, machine_windows
from edgekit.zoo.training.material import Material
from edgekit.zoo.training.recipe import (
    ArrayData,
    Data,
    MachineData,
    PictureData,
    RowData,
    SklearnData,
)

_BRIGHTEST = 16
"""Of scikit-learn's digits."""

_GAPS = 4
"""Where the highest class is so many times as high as there are classes, it is a mistake."""


def load_material(data: Data) -> Material:
    """The samples that a recipe's [data] table names.

    Raises:
        InputError: they cannot be read, are none, or hold NaN or infinity.
    """
    match data:
        case SklearnData():
            return _sklearn(data.name)
        case ArrayData():
            return _arrays(data.path)
        case PictureData():
            return _pictures(data.path)
        case RowData():
            return _rows(data)
        case MachineData():
            return _machine(data)


def _sklearn(name: str) -> Material:
    from sklearn import datasets

    found = getattr(datasets, f"load_{name}")()
    if name == "diabetes":
        return Material(arrays=found.data.astype(np.float32), targets=_numbers(found.target))
    labels = tuple(str(label) for label in found.target_names)
    targets = found.target.astype(np.int64)
    if name != "digits":
        return Material(arrays=found.data.astype(np.float32), targets=targets, labels=labels)
    grey = np.rint(found.images * (255 / _BRIGHTEST)).astype(np.uint8)
    pictures = np.repeat(grey[..., np.newaxis], 3, axis=3)
    return Material(pictures=list(pictures), targets=targets, labels=labels)


def _arrays(path: Path) -> Material:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            x, y = loaded, None
        else:
            with loaded:
                x, y = loaded["x"], loaded["y"] if "y" in loaded.files else None
    except KeyError as error:
        raise InputError(f"{path}: needs an array named x (and may have y)") from error
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: not a readable .npy or .npz file: {error}") from error
    if x.ndim < 2 or x.dtype.kind not in "fiu":
        raise InputError(f"{path}: x is {x.dtype} {list(x.shape)}, not numbers [samples, ...]")
    if len(x) == 0:
        raise InputError(f"{path}: holds no samples")
    x = _finite(x, path)
    if y is None:
        return Material(arrays=x)
    if len(y) != len(x) or y.ndim > 2 or y.dtype.kind not in "fiu":
        raise InputError(
            f"{path}: y is {y.dtype} {list(y.shape)}, not a class or numbers for each of "
            f"{len(x)} samples"
        )
    if y.ndim == 1 and y.dtype.kind in "iu":
        return _classified(Material(arrays=x), y.astype(np.int64), path)
    return Material(arrays=x, targets=_finite(_numbers(y), path))


def _pictures(path: Path) -> Material:
    found = open_data(path)
    if not isinstance(found, PictureFolder):
        raise InputError(f'{path}: holds arrays, not pictures; say kind = "arrays"')
    if found.targets is None:
        return Material(pictures=found.paths)
    known = found.targets >= 0
    paths = [file for file, is_known in zip(found.paths, known, strict=True) if is_known]
    targets = found.targets[known]
    labels = tuple(
        found.known_labels.get(number, f"class {number}") for number in range(targets.max() + 1)
    )
    return Material(pictures=paths, targets=targets, labels=labels)


def _rows(data: RowData) -> Material:
    columns = data.columns
    if columns is not None and data.target is not None:
        columns = (*columns, data.target)
    rows, names = load_rows(data.path, columns)
    targets: Array | None = None
    if data.target is not None:
        if data.target not in names:
            raise InputError(f"{data.path}: has no column {data.target!r} of numbers")
        at = names.index(data.target)
        targets = rows[:, at]
        rows, names = np.delete(rows, at, axis=1), (*names[:at], *names[at + 1 :])
    if len(rows) < data.window:
        raise InputError(f"{data.path}: has {len(rows)} rows, a window needs {data.window}")
    windows = sliding_window_view(rows.astype(np.float32), data.window, axis=0)[:: data.hop]
    found = Material(
        arrays=windows.swapaxes(1, 2),
        window=WindowRule(length=data.window, hop=data.hop, columns=tuple(names)),
        overlap=(data.window - 1) // data.hop,
    )
    if targets is None:
        return found
    last = targets[data.window - 1 :: data.hop]
    if (last != np.rint(last)).any():
        raise InputError(f"{data.path}: the column {data.target!r} holds no whole classes")
    return _classified(found, last.astype(np.int64), data.path)


def _machine(data: MachineData) -> Material:
    windows, classes = machine_windows(
        data.windows, length=data.window, only_normal=data.only_normal, seed=data.seed
    )
    rule = WindowRule(length=data.window, hop=max(1, data.window // 4), columns=COLUMNS)
    if data.only_normal:
        return Material(arrays=windows, window=rule)
    return Material(arrays=windows, targets=classes, labels=FAULTS, window=rule)


def _classified(found: Material, classes: Array, path: Path) -> Material:
    if classes.min() < 0:
        raise InputError(f"{path}: has the class {classes.min()}; classes count from 0")
    known = np.unique(classes)
    if known[-1] >= _GAPS * len(known):
        raise InputError(
            f"{path}: sample {int(classes.argmax())} has the class {known[-1]}, of {len(known)} "
            "classes that there are; number them from 0 on"
        )
    labels = tuple(f"class {number}" for number in range(int(classes.max()) + 1))
    return Material(
        arrays=found.arrays,
        targets=classes,
        labels=labels,
        window=found.window,
        overlap=found.overlap,
    )


def _numbers(y: Array) -> Array:
    """Float32 `[N, K]`."""
    return y.reshape(len(y), -1).astype(np.float32)


def _finite(x: Array, path: Path) -> Array:
    x = x.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(x.reshape(len(x), -1)).all(axis=1))
    if len(bad):
        raise InputError(f"{path}: sample {bad[0]} holds NaN or infinity")
    return x
