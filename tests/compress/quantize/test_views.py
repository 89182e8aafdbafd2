"""Further views of pictures."""

import numpy as np
import pytest

from edgekit.compress.quantize.views import further_views


def pictures(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (1, 12, 16, 3)).astype(np.uint8) for _ in range(count)]


def test_each_picture_is_looked_at_so_many_times_more() -> None:
    given = pictures(5)
    views = further_views(given, 2, seed=0)
    assert len(views) == 10
    assert all(view.shape == (1, 12, 16, 3) and view.dtype == np.uint8 for view in views)
    assert not any(np.array_equal(view, picture) for view in views for picture in given)


def test_they_follow_from_the_seed() -> None:
    given = pictures(3)
    np.testing.assert_array_equal(further_views(given, 1, seed=4), further_views(given, 1, seed=4))
    first, other = further_views(given, 1, seed=4)[0], further_views(given, 1, seed=5)[0]
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    "tensor",
    [
        np.zeros((1, 12, 16, 3), np.float32),
        np.zeros((1, 3, 12, 16), np.uint8),
        np.zeros((1, 7), np.uint8),
    ],
)
def test_other_samples_have_none(tensor: np.ndarray) -> None:
    assert further_views([tensor], 2, seed=0) == []
