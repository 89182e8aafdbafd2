"""Pictures in files or in memory, cut to size and augmented as they are asked for."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgekit.array import Array
from edgekit.bundle import InputSpec
from edgekit.errors import InputError
from edgekit.pipeline.pictures import SUFFIXES, fit_picture, read_picture
from edgekit.runtime.prepare import prepare
from edgekit.train.data.augment import Augment
from edgekit.train.data.dataset import Batch


class Pictures:
    """Pictures as a model takes them, and their classes.

    Args:
        pictures: files, or uint8 `[height, width, 3]` RGB each.
        classes: int64, of each picture; `None` where a loss needs none.
        spec: what the model takes, with a rule for pictures.
        augment: what chance does to each picture, differently every epoch. It sees the picture as
            it was cut to the model's size.
        ahead: how many batches a thread makes ahead.

    Raises:
        InputError: there is no rule for pictures, or not one class a picture.
    """

    views = 1

    def __init__(
        self,
        pictures: Sequence[Path | Array],
        classes: Array | None,
        spec: InputSpec,
        *,
        augment: Augment | None = None,
        ahead: int = 2,
    ) -> None:
        if spec.picture is None:
            raise InputError(f"the input {spec.name!r} takes no pictures")
        if classes is not None and len(classes) != len(pictures):
            raise InputError(f"{len(classes)} classes do not go with {len(pictures)} pictures")
        self._pictures, self._classes, self._spec = pictures, classes, spec
        self._rule, self._augment = spec.picture, augment
        self.ahead = ahead

    def __len__(self) -> int:
        """How many samples there are."""
        return len(self._pictures)

    def batch(self, numbers: Array, seed: tuple[int, ...]) -> Batch:
        """See `Dataset`."""
        rng = np.random.default_rng(seed)
        made = []
        for number in numbers:
            given = self._pictures[number]
            picture = (
                read_picture(given, self._rule)
                if isinstance(given, Path)
                else fit_picture(given, self._rule)
            )
            if self._augment is not None:
                picture = self._augment.changed(picture, rng)
            made.append(prepare(np.ascontiguousarray(picture), self._spec))
        pictures = np.concatenate(made)
        return (pictures,) if self._classes is None else (pictures, self._classes[numbers])


def class_folders(folder: Path) -> tuple[tuple[Path, ...], Array, tuple[str, ...]]:
    """The pictures of a folder that has a subfolder for each class.

    Returns:
        The files, the class of each int64 `[N]`, and the classes' names in alphabetical order.

    Raises:
        InputError: there are no such folders, or one holds no pictures.
    """
    names = (
        sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    )
    if len(names) < 2:
        raise InputError(f"{folder}: needs a subfolder of pictures for each of two or more classes")
    paths: list[Path] = []
    classes: list[int] = []
    for number, name in enumerate(names):
        found = sorted(p for p in (folder / name).rglob("*") if p.suffix.lower() in SUFFIXES)
        if not found:
            raise InputError(f"{folder / name}: holds no pictures ({', '.join(SUFFIXES)})")
        paths += found
        classes += [number] * len(found)
    return tuple(paths), np.array(classes, np.int64), tuple(names)
