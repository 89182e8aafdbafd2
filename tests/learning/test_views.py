import numpy as np
import pytest

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.learning import Arrays
from edgekit.learning.dataset import Batch, Dataset
from edgekit.learning.views import Changed, Masks, Rotations, Triplets, TwoViews, WithNoise

PICTURES = np.arange(6 * 4 * 4, dtype=np.float32).reshape(6, 1, 4, 4)
LABELLED = Arrays(PICTURES, np.arange(6))
CHOSEN = np.array([4, 1, 3])


def noisy(samples: Array, rng: np.random.Generator) -> Array:
    return samples + rng.normal(size=samples.shape).astype(np.float32)


def asked(data: Dataset, seed: int = 0) -> Batch:
    return data.batch(CHOSEN, (seed, 0, 0))


@pytest.mark.parametrize(
    "data",
    [
        TwoViews(LABELLED, noisy),
        Triplets(LABELLED, noisy),
        Changed(LABELLED, noisy),
        Masks(LABELLED, (1, 2, 2), 0.5),
        WithNoise(LABELLED, 3),
    ],
    ids=lambda data: type(data).__name__,
)
def test_the_same_seed_gives_the_same_batch_and_another_does_not(data: Dataset) -> None:
    first, again, other = asked(data), asked(data), asked(data, seed=1)
    for one, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, same)
    assert any((one != another).any() for one, another in zip(first, other, strict=True))
    assert len(data) == 6
    assert len(first[0]) == len(CHOSEN) * data.views


def test_two_views_differ_by_chance_alone() -> None:
    (rows,) = asked(TwoViews(LABELLED, noisy))
    one, other = rows[:3], rows[3:]
    assert (one != other).all()
    assert np.abs(one - PICTURES[CHOSEN]).max() < 6
    assert np.abs(other - PICTURES[CHOSEN]).max() < 6


def test_the_last_of_a_triplet_is_of_another_sample() -> None:
    for seed in range(20):
        (rows,) = asked(Triplets(LABELLED, lambda samples, rng: samples), seed)
        anchor, same, other = np.split(rows, 3)
        np.testing.assert_array_equal(anchor, same)
        assert (anchor != other).all()
        assert sorted(anchor[:, 0, 0, 0]) == sorted(other[:, 0, 0, 0])


def test_all_four_turns_are_there() -> None:
    rows, turns = asked(Rotations(LABELLED, (2, 3)))
    assert turns.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    for row, turn, number in zip(rows, turns, np.tile(CHOSEN, 4), strict=True):
        np.testing.assert_array_equal(row[0], np.rot90(PICTURES[number, 0], turn))


def test_blocks_are_hidden_as_one() -> None:
    data = Arrays(np.ones((200, 3, 5, 7), np.float32))
    _, seen = Masks(data, (3, 2, 2), 0.75).batch(np.arange(200), (0,))
    assert seen.dtype == bool
    assert seen.shape == (200, 3, 5, 7)
    blocks = seen[:, 0, ::2, ::2]
    assert (blocks.reshape(200, -1).sum(axis=1) == 3).all()
    whole = blocks.repeat(2, axis=1).repeat(2, axis=2)[:, np.newaxis, :5, :7]
    np.testing.assert_array_equal(seen, whole.repeat(3, axis=1))
    assert 0.15 < blocks.mean(axis=0).min() < blocks.mean(axis=0).max() < 0.4


@pytest.mark.parametrize(("share", "hidden"), [(0.0, 1), (1.0, 3)])
def test_something_is_hidden_and_something_seen(share: float, hidden: int) -> None:
    _, seen = asked(Masks(LABELLED, (1, 2, 2), share))
    assert ((~seen).reshape(3, -1).sum(axis=1) == hidden * 4).all()


def test_the_noise_is_standard_normal() -> None:
    data = Arrays(np.zeros((5000, 2), np.float32))
    _, noise = WithNoise(data, 4).batch(np.arange(5000), (0,))
    assert (noise.dtype, noise.shape) == (np.float32, (5000, 4))
    assert np.abs(noise.mean(axis=0)).max() < 0.06
    assert np.abs(noise.std(axis=0) - 1).max() < 0.06


def test_a_view_of_views_is_refused() -> None:
    with pytest.raises(InputError, match="view of views"):
        WithNoise(TwoViews(LABELLED, noisy), 3)
