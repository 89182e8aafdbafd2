"""The motion gate: closed while nothing moves, whatever the light does."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.pipeline.parts import Sample
from edgekit.pipeline.stages.motion import Motion, small_grey

H, W = 96, 128
FPS = 10


def scene(seed: int = 0) -> np.ndarray:
    """A room: smooth light, some edges, float `[H, W, 3]` between 60 and 180."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:H, :W]
    room = 120 + 30 * np.sin(x / 25 + rng.uniform(0, 6)) + 20 * np.cos(y / 18)
    room[H // 2 :, W // 3 : W // 2] -= 30
    return np.repeat(room[:, :, None], 3, axis=2)


def noisy(room: np.ndarray, rng: np.random.Generator, sigma: float = 4.0) -> np.ndarray:
    return np.clip(room + rng.normal(0, sigma, room.shape), 0, 255).astype(np.uint8)


def with_block(room: np.ndarray, x: int, y: int = 40, side: int = 16) -> np.ndarray:
    moved = room.copy()
    moved[y : y + side, x : x + side] = 230
    return moved


def passes(gate: Motion, pictures: list[np.ndarray], start: int = 0) -> list[bool]:
    return [
        gate.push(Sample(picture, round((start + n) / FPS * 1e9), 0)) is not None
        for n, picture in enumerate(pictures)
    ]


def test_the_first_picture_passes_and_a_still_scene_does_not() -> None:
    rng = np.random.default_rng(1)
    found = passes(Motion(hold_s=0), [noisy(scene(), rng) for _ in range(50)])
    assert found == [True] + [False] * 49


def test_what_moves_opens_the_gate_and_it_stays_open_for_a_while() -> None:
    rng = np.random.default_rng(1)
    room = scene()
    pictures = [noisy(room, rng) for _ in range(30)]
    pictures += [noisy(with_block(room, 10 + 5 * n), rng) for n in range(10)]
    pictures += [noisy(room, rng) for _ in range(30)]
    found = passes(Motion(hold_s=1.0), pictures)
    assert found[:12] == [True] * 11 + [False]
    assert found[11:30] == [False] * 19
    assert all(found[30:50])
    assert found[50:] == [False] * 20


@pytest.mark.parametrize(
    "relight",
    [
        lambda room: room + 50,
        lambda room: room - 50,
        lambda room: room * 1.4,
        lambda room: room * 0.6,
        lambda room: room * 1.3 - 20,
        lambda room: room + 100,
    ],
)
def test_a_jump_of_the_light_is_no_motion(relight: object) -> None:
    assert callable(relight)
    rng = np.random.default_rng(2)
    room = scene()
    pictures = [noisy(room, rng) for _ in range(20)]
    pictures += [noisy(relight(room), rng) for _ in range(20)]
    pictures += [noisy(room, rng) for _ in range(20)]
    assert passes(Motion(hold_s=0), pictures) == [True] + [False] * 59


@pytest.mark.parametrize("factor", [0.7, 1.4])
def test_what_moves_while_the_light_jumps_is_seen(factor: float) -> None:
    rng = np.random.default_rng(3)
    room = scene()
    pictures = [noisy(room, rng) for _ in range(20)]
    pictures += [noisy(with_block(room, 60) * factor, rng)]
    assert passes(Motion(hold_s=0), pictures)[-1]


def test_less_than_the_least_area_is_no_motion() -> None:
    rng = np.random.default_rng(4)
    room = scene()
    pictures = [noisy(room, rng), noisy(with_block(room, 50, side=9), rng)]
    assert passes(Motion(hold_s=0, min_area=0.05), pictures) == [True, False]
    assert passes(Motion(hold_s=0, min_area=0.003), pictures) == [True, True]


def test_what_stays_becomes_background() -> None:
    rng = np.random.default_rng(5)
    room = scene()
    pictures = [noisy(room, rng) for _ in range(10)]
    pictures += [noisy(with_block(room, 60), rng) for _ in range(200)]
    found = passes(Motion(hold_s=0, adapt_s=3.0), pictures)
    assert all(found[10:20])
    assert not any(found[-50:])


def test_light_that_fades_slowly_is_no_motion() -> None:
    rng = np.random.default_rng(6)
    pictures = [noisy(scene() * (1 - n / 400), rng) for n in range(200)]
    assert not any(passes(Motion(hold_s=0), pictures)[1:])


def test_what_is_held_back_is_released_and_a_gap_does_not_open_the_gate() -> None:
    released: list[int] = []
    gate = Motion(hold_s=0)
    picture = noisy(scene(), np.random.default_rng(0))
    for number in range(3):
        gate.reset()
        release = lambda number=number: released.append(number)  # noqa: E731
        gate.push(Sample(picture, number * 10**8, 0, release=release))
    assert released == [1, 2]


def test_a_picture_of_another_size_passes_as_a_first_one() -> None:
    gate = Motion(hold_s=0)
    small, large = np.zeros((40, 50, 3), np.uint8), np.zeros((80, 50, 3), np.uint8)
    assert passes(gate, [small, small, large, large]) == [True, False, True, False]


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 130), st.integers(1, 130), st.integers(0, 2**32 - 1))
def test_a_small_grey_picture_is_the_means_of_its_blocks(
    height: int, width: int, seed: int
) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    small = small_grey(picture)
    side = max(1, min(height, width) // 32)
    assert small.shape == (height // side, width // side)
    for row, column in [(0, 0), (small.shape[0] - 1, small.shape[1] - 1)]:
        block = picture[row * side : (row + 1) * side, column * side : (column + 1) * side]
        assert small[row, column] == pytest.approx(block.mean(), abs=1e-3)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.integers(0, 255), min_size=2, max_size=6), st.integers(1, 40), st.integers(1, 40)
)
def test_flat_pictures_of_any_brightness_are_no_motion(
    levels: list[int], height: int, width: int
) -> None:
    pictures = [np.full((height, width, 3), level, np.uint8) for level in levels]
    found = passes(Motion(hold_s=0, threshold=255), pictures)
    assert found == [True] + [False] * (len(levels) - 1)


@pytest.mark.data
def test_frames_of_a_video_pass_while_bottles_move_and_not_while_it_stands_still(
    data: Path,
) -> None:
    cv2 = pytest.importorskip("cv2")
    video = cv2.VideoCapture(str(data / "video" / "bottle-detection.mp4"))
    pictures = []
    while len(pictures) < 120:
        ok, picture = video.read()
        if not ok:
            break
        pictures.append(np.ascontiguousarray(cv2.resize(picture, (320, 180))[:, :, ::-1]))
    video.release()
    still = passes(Motion(hold_s=0), [pictures[0]] * 20)
    assert still == [True] + [False] * 19
    moving = passes(Motion(hold_s=1.0), pictures)
    assert np.mean(moving) > 0.5


def test_a_camera_that_is_covered_is_motion_once() -> None:
    rng = np.random.default_rng(7)
    black = np.zeros((H, W, 3), np.uint8)
    found = passes(Motion(hold_s=0), [noisy(scene(), rng), noisy(scene(), rng), *[black] * 20])
    assert found == [True, False, True] + [False] * 19
