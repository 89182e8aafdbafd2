"""Embeddings learn from data that gives several views of each sample."""

import numpy as np
import pytest

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.train import compile_step, evaluate, fit
from edgekit.train.losses import InfoNce, Loss, Triplet
from edgekit.train.optimizers import Adam
from tests.train.models import mlp

KINDS = np.random.default_rng(0).normal(size=(8, 12)).astype(np.float32)


class Views:
    """Noisy views of eight kinds of samples; the third view, if asked for, is of another kind."""

    ahead = 0

    def __init__(self, views: int, samples: int = 64) -> None:
        self.views = views
        self._kinds = np.arange(samples) % 8

    def __len__(self) -> int:
        return len(self._kinds)

    def batch(self, numbers: Array, seed: tuple[int, ...]) -> tuple[Array, ...]:
        rng = np.random.default_rng(seed)
        kinds = self._kinds[numbers]
        shown = [kinds, kinds, (kinds + 1) % 8][: self.views]
        rows = np.concatenate([KINDS[kind] for kind in shown])
        return ((rows + rng.normal(0, 0.5, rows.shape)).astype(np.float32),)


@pytest.mark.parametrize(("loss", "views"), [(InfoNce(), 2), (Triplet(), 3)])
def test_views_of_a_sample_come_together(loss: Loss, views: int) -> None:
    step = compile_step(mlp((12, 16, 4), softmax=False), loss, Adam(), rows=8 * views)
    data = Views(views)
    fitted = fit(step, data, epochs=20, rate=0.01)
    before, after = (evaluate(step, w, data) for w in (step.parameters, fitted.parameters))
    assert after.loss < 0.8 * before.loss
    assert len(after.losses) == len(data)


def test_a_batch_that_cuts_a_sample_apart_is_refused() -> None:
    step = compile_step(mlp((12, 16, 4), softmax=False), InfoNce(), Adam(), rows=8)
    with pytest.raises(InputError, match="8 rows cannot hold 3 views"):
        fit(step, Views(3), epochs=1, rate=0.01)
