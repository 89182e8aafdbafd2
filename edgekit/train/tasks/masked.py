"""Masked reconstruction: guesses what is hidden from what can be seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.errors import UnsupportedModel
from edgekit.learning.dataset import Dataset
from edgekit.learning.specs import TensorSpec
from edgekit.learning.views import Masks
from edgekit.train.building import known_shape
from edgekit.train.losses import Reconstruction
from edgekit.train.tasks.heads import HeadBuilder, numbers_of


@dataclass(frozen=True)
class Masked:
    """Hides most blocks of a sample behind zeros, and is judged by these alone.

    He et al., 2022, arXiv:2111.06377. Any encoder will do, so it sees the whole sample with the
    hidden blocks at zero, where the paper's transformer sees the others alone.

    Attributes:
        patch: how long a block is along each axis behind the batch's.
        share: of the blocks that is hidden.
        hidden: the width of the decoder's hidden layer.
    """

    patch: tuple[int, ...]
    share: float = 0.75
    hidden: int = 64

    @property
    def loss(self) -> Reconstruction:
        """See `Task`."""
        return Reconstruction()

    def attached(self, encoder: ir.Model, rng: np.random.Generator) -> ir.Model:
        """See `Task`."""
        build = HeadBuilder(encoder.clone(), rng)
        whole, total = build.given, numbers_of(build.given)
        shape = known_shape(whole)
        if not _is_cut(shape[1:], self.patch):
            raise UnsupportedModel(
                f"the input {whole.name!r} {list(shape)} cannot be cut into several blocks of "
                f"{list(self.patch)}"
            )
        readers = list(whole.uses())
        features, count = build.features()
        assert whole.dtype is not None
        seen = build.input(TensorSpec(f"{whole.name}_seen", "bool", shape))
        blank = np.zeros((), whole.dtype.numpy())
        masked = build.op("Where", seen, whole, blank)
        for node, index in readers:
            node.replace_input_with(index, masked)
        guessed = build.perceptron(features, count, self.hidden, total, "decoder")
        answer = build.op("Where", build.op("Flatten", seen, axis=1), build.flat(whole), guessed)
        return build.finish(answer, total)

    def asked(self, samples: Dataset) -> Dataset:
        """See `Task`."""
        return Masks(samples, self.patch, self.share)


def _is_cut(shape: Sequence[int], patch: Sequence[int]) -> bool:
    is_whole = len(shape) == len(patch) and min(patch, default=0) > 0
    return is_whole and any(n > length for n, length in zip(shape, patch, strict=True))
