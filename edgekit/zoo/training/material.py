"""What a model learns from, in memory or in files, before it is known what the model takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.array import Array
from edgekit.bundle import InputSpec, WindowRule
from edgekit.compress.data import Samples
from edgekit.errors import InputError
from edgekit.pipeline.pictures import fit_picture, read_picture
from edgekit.train.data.arrays import Arrays
from edgekit.train.data.augment import Augment
from edgekit.train.data.dataset import Dataset
from edgekit.train.data.pictures import Pictures
from edgekit.train.data.subset import Subset
from edgekit.zoo.training.models import Facts


@dataclass(frozen=True, kw_only=True)
class Material:
    """Samples with their targets.

    Attributes:
        arrays: float32 `[N, ...]`; `None` for pictures.
        pictures: files, or uint8 `[height, width, 3]` each; empty for arrays.
        targets: classes int64 `[N]`, or numbers float32 `[N, K]`; `None` without.
        labels: one a class.
        window: how windows were cut, where the arrays are windows of rows.
        overlap: how many samples after one still share rows with it; order is time then.
    """

    arrays: Array | None = None
    pictures: Sequence[Path | Array] = ()
    targets: Array | None = None
    labels: tuple[str, ...] = ()
    window: WindowRule | None = None
    overlap: int = 0

    def __len__(self) -> int:
        return len(self.pictures) if self.arrays is None else len(self.arrays)

    @property
    def has_classes(self) -> bool:
        """Whether the targets are classes."""
        return self.targets is not None and self.targets.dtype.kind == "i"

    def facts(self, numbers: Array, *, seed: int) -> Facts:
        """What a model has to know of it; scales are those of the samples with these numbers."""
        centre = scale = np.zeros(0)
        if self.arrays is not None:
            flat = self.arrays[numbers].reshape(-1, self.arrays.shape[-1]).astype(np.float64)
            centre, deviation = flat.mean(axis=0), flat.std(axis=0)
            scale = np.where(deviation > 1e-6 * np.maximum(1, np.abs(centre)), deviation, 1.0)
        classes = 0
        if self.targets is not None:
            classes = len(self.labels) if self.has_classes else self.targets.shape[1]
        return Facts(
            shape=None if self.arrays is None else self.arrays.shape[1:],
            classes=classes,
            are_classes=self.has_classes,
            centre=centre,
            scale=scale,
            window=self.window,
            seed=seed,
        )

    def dataset(
        self, spec: InputSpec, numbers: Array, *, with_targets: bool, augment: Augment | None = None
    ) -> Dataset:
        """Some of the samples as a model takes them.

        Args:
            spec: what the model takes.
            numbers: int64, which samples.
            with_targets: whether the loss needs targets.
            augment: what chance does to pictures.

        Raises:
            InputError: the loss needs targets that are not there, or the model takes no pictures.
        """
        if with_targets and self.targets is None:
            raise InputError("the loss needs targets, and the data has none")
        targets = self.targets if with_targets else None
        if self.arrays is None:
            pictures = Pictures(self.pictures, targets, spec, augment=augment)
            return Subset(pictures, numbers)
        if spec.picture is not None:
            raise InputError(f"the model takes pictures, but the data is {self._shown()}")
        if augment is not None:
            raise InputError("augment changes pictures, and the data has none")
        return Subset(Arrays(self.arrays, *([] if targets is None else [targets])), numbers)

    def samples(self, spec: InputSpec, numbers: Array) -> Samples:
        """Some of the samples for compression to calibrate on and to measure with."""
        names = tuple(f"sample {number}" for number in numbers)
        targets = None
        if self.has_classes:
            assert self.targets is not None
            targets = self.targets[numbers]
        if self.arrays is not None:
            return Samples(names, targets, list(self.arrays[numbers]))
        assert spec.picture is not None
        rule, pictures = spec.picture, [self.pictures[number] for number in numbers]
        return Samples(
            names,
            targets,
            [
                read_picture(picture, rule)
                if isinstance(picture, Path)
                else fit_picture(picture, rule)
                for picture in pictures
            ],
        )

    def _shown(self) -> str:
        assert self.arrays is not None
        return f"{list(self.arrays.shape[1:])} a sample"
