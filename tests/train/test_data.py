"""Data comes in a seeded order, is changed by chance as the seed says, and ends cleanly."""

import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.array import Array
from edgekit.bundle import InputSpec, PictureRule
from edgekit.errors import InputError
from edgekit.train.data.arrays import Arrays
from edgekit.train.data.augment import Augment
from edgekit.train.data.dataset import batches, batches_in_order
from edgekit.train.data.pictures import Pictures, class_folders
from edgekit.train.data.prefetch import prefetched
from edgekit.train.data.subset import folds
from edgekit.train.data.windows import Windows


def numbers(data: Arrays, **how: int) -> list[list[int]]:
    return [batch[0].tolist() for batch in batches(data, 4, **how)]


def test_an_epochs_order_follows_from_seed_and_epoch() -> None:
    data = Arrays(np.arange(10))
    first = numbers(data, seed=0, epoch=0)
    assert [len(batch) for batch in first] == [4, 4]
    assert len({number for batch in first for number in batch}) == 8
    assert first == numbers(data, seed=0, epoch=0)
    assert first != numbers(data, seed=0, epoch=1)
    assert first != numbers(data, seed=1, epoch=0)


def test_the_last_batch_in_order_is_filled_up() -> None:
    found = [(b[0].tolist(), count) for b, count in batches_in_order(Arrays(np.arange(6)), 4)]
    assert found == [([0, 1, 2, 3], 4), ([4, 5, 5, 5], 2)]


def test_folds_validate_each_sample_once() -> None:
    data = Arrays(np.arange(12))
    classes = np.repeat([0, 1], 6)
    seen: list[int] = []
    for training, validation in folds(data, 3, classes=classes):
        assert len(training) == 8
        chosen = validation.batch(np.arange(len(validation)), (0,))[0]
        assert sorted(classes[chosen]) == [0, 0, 1, 1]
        seen += chosen.tolist()
    assert sorted(seen) == list(range(12))
    with pytest.raises(InputError, match="6 samples of the rarest class cannot be cut into 7"):
        next(folds(data, 7, classes=classes))


def test_prefetching_changes_nothing() -> None:
    assert list(prefetched(iter(range(20)), 3)) == list(range(20))


def test_an_error_in_the_thread_is_raised_where_items_are_asked_for() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise InputError("a damaged picture")

    stream = prefetched(failing(), 2)
    assert next(stream) == 1
    with pytest.raises(InputError, match="a damaged picture"):
        next(stream)


def test_the_thread_ends_when_nobody_asks_any_more() -> None:
    def endless() -> Iterator[int]:
        while True:
            yield 0

    stream = prefetched(endless(), 2)
    next(stream)
    stream.close()
    assert not [t for t in threading.enumerate() if t.name == "edgekit-prefetch"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(3):
            picture = rng.integers(0, 256, (12, 10, 3), np.uint8)
            cv2.imwrite(str(tmp_path / name / f"{number}.png"), picture)
    return tmp_path


def spec(layout: str = "NHWC") -> InputSpec:
    rule = PictureRule(height=8, width=8, layout=layout)  # type: ignore[arg-type]
    dtype = "uint8" if layout == "NHWC" else "float32"
    return InputSpec(name="image", dtype=dtype, shape=rule.tensor_shape(), picture=rule)


def test_a_folder_a_class_gives_pictures_as_the_model_takes_them(folder: Path) -> None:
    paths, classes, names = class_folders(folder)
    assert names == ("cat", "dog")
    assert classes.tolist() == [0, 0, 0, 1, 1, 1]
    pixels, targets = Pictures(paths, classes, spec()).batch(np.array([0, 5]), (0,))
    assert (pixels.shape, pixels.dtype) == ((2, 8, 8, 3), np.uint8)
    assert targets.tolist() == [0, 1]
    (planes,) = Pictures(paths, None, spec("NCHW")).batch(np.array([0, 5]), (0,))
    assert (planes.shape, planes.dtype) == ((2, 3, 8, 8), np.float32)
    np.testing.assert_array_equal(planes.transpose(0, 2, 3, 1), pixels)


def test_augmentation_follows_the_seed(folder: Path) -> None:
    paths, classes, _ = class_folders(folder)
    augment = Augment(
        flip=True, crop=0.3, rotation=20, brightness=0.2, contrast=0.2, saturation=0.2, noise=5
    )
    data = Pictures(paths, classes, spec(), augment=augment)
    first, same, other = (data.batch(np.arange(6), seed)[0] for seed in ((0, 1), (0, 1), (0, 2)))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


def test_folders_without_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a subfolder of pictures for each of two"):
        class_folders(tmp_path)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
    with pytest.raises(InputError, match="cat: holds no pictures"):
        class_folders(tmp_path)


def smooth() -> Array:
    y, x = np.mgrid[0:40, 0:40]
    return np.stack([3 * x + 60, 3 * y + 60, x + y + 80], axis=2).astype(np.uint8)


def test_augmentation_that_may_do_nothing_does_nothing() -> None:
    picture = smooth()
    assert Augment().changed(picture, np.random.default_rng(0)) is picture


@pytest.mark.parametrize("how", [{"crop": 1e-9}, {"rotation": 1e-9}])
def test_a_flip_is_a_mirror_whichever_way_it_is_made(how: dict[str, float]) -> None:
    picture, seen = smooth(), set()
    for seed in range(10):
        changed = Augment(flip=True, **how).changed(picture, np.random.default_rng(seed))
        flipped = bool(changed[0, 0, 0] > 100)
        expected = picture[:, ::-1] if flipped else picture
        assert np.abs(changed.astype(int) - expected).max() <= 1
        seen.add(flipped)
    assert seen == {True, False}


def test_a_crop_leaves_the_share_of_the_area_that_it_may_enlarged() -> None:
    made = [
        Augment(crop=0.5).changed(smooth(), np.random.default_rng(seed)).astype(int)
        for seed in range(60)
    ]
    spans = [picture[20, -1, 0] - picture[20, 0, 0] for picture in made]
    whole, least = 3 * 39, 3 * 39 * np.sqrt(0.5)
    assert least - 3 < min(spans) < least + 3
    assert whole - 3 < max(spans) <= whole


def test_noise_and_jitter_keep_within_their_limits() -> None:
    grey = np.full((32, 32, 3), 100, np.uint8)
    noisy = Augment(noise=10).changed(grey, np.random.default_rng(0)).astype(float)
    assert noisy.std() == pytest.approx(10, rel=0.1)
    for seed in range(10):
        bright = Augment(brightness=0.2).changed(grey, np.random.default_rng(seed))
        assert 80 <= bright[0, 0, 0] <= 120
        same = Augment(contrast=0.5, saturation=0.5).changed(grey, np.random.default_rng(seed))
        assert np.abs(same.astype(int) - 100).max() <= 1


def test_windows_are_runs_of_rows_with_the_last_rows_target() -> None:
    rows = np.arange(20.0).reshape(10, 2)
    data = Windows(rows, 4, hop=3, targets=np.arange(10))
    assert len(data) == 3
    windows, targets = data.batch(np.array([0, 2]), (0,))
    assert windows.dtype == np.float32
    np.testing.assert_array_equal(windows, [rows[0:4], rows[6:10]])
    assert targets.tolist() == [3, 9]


def test_noise_on_windows_is_as_wide_as_a_column_asks() -> None:
    rows = np.random.default_rng(0).normal(0, [1, 100], (500, 2))
    (plain,) = Windows(rows, 10).batch(np.arange(300), (0,))
    (noisy,) = Windows(rows, 10, noise=0.1).batch(np.arange(300), (0,))
    np.testing.assert_allclose((noisy - plain).std(axis=(0, 1)), [0.1, 10], rtol=0.1)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(InputError, match="3 rows are too few for a window of 4"):
        Windows(np.zeros((3, 2)), 4)
