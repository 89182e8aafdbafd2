"""Windows of rows: none lost, none across a gap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.bundle import WindowRule
from edgekit.pipeline.parts import Sample
from edgekit.pipeline.stages.window import Window


def windows(count: int, length: int, hop: int, gap: int | None = None) -> list[np.ndarray]:
    stage = Window(WindowRule(length=length, hop=hop, columns=("a", "b")))
    found = []
    for number in range(count):
        if number == gap:
            stage.reset()
        window = stage.push(Sample(np.array([number, -number]), number, number))
        if window is not None:
            assert window.taken_at_ns == number
            found.append(window.data)
    return found


@given(st.integers(0, 60), st.integers(1, 9), st.integers(1, 9))
@settings(deadline=None)
def test_windows_are_those_of_a_sliding_view(count: int, length: int, hop: int) -> None:
    rows = np.stack([np.arange(count), -np.arange(count)], axis=1)
    starts = range(0, count - length + 1, hop)
    wanted = [rows[start : start + length] for start in starts]
    np.testing.assert_array_equal(windows(count, length, hop), wanted)


def test_a_window_never_spans_a_gap() -> None:
    found = windows(10, 4, 1, gap=5)
    assert [window[:, 0].tolist() for window in found] == [
        [0, 1, 2, 3],
        [1, 2, 3, 4],
        [5, 6, 7, 8],
        [6, 7, 8, 9],
    ]


def test_a_hop_of_its_own_takes_the_place_of_the_bundles() -> None:
    stage = Window(WindowRule(length=2, hop=1, columns=("a",)), hop=3)
    found = [stage.push(Sample(np.array([n]), n, n)) for n in range(9)]
    assert [n for n, window in enumerate(found) if window is not None] == [1, 4, 7]


@pytest.mark.parametrize("later_ms", [5001, -1])
def test_rows_too_far_apart_in_time_are_a_gap(later_ms: int) -> None:
    stage = Window(WindowRule(length=2, hop=1, columns=("a",)), max_gap_s=5)
    times = [0, 5000, 5000 + later_ms, 5000 + later_ms]
    found = [stage.push(Sample(np.array([n]), n, ms)) for n, ms in enumerate(times)]
    assert [window is not None for window in found] == [False, True, False, True]


@given(
    st.lists(st.one_of(st.none(), st.integers(0, 4)), max_size=60),
    st.integers(1, 5),
    st.integers(1, 5),
)
@settings(deadline=None)
def test_no_window_spans_a_refusal_or_a_jump_in_time(
    steps: list[int | None], length: int, hop: int
) -> None:
    stage = Window(WindowRule(length=length, hop=hop, columns=("run", "n")), max_gap_s=0.003)
    now_ms = run = 0
    for number, step in enumerate(steps):
        if step is None:
            stage.reset()
            run += 1
            continue
        now_ms += step
        run += step > 3
        window = stage.push(Sample(np.array([run, number]), number, now_ms))
        if window is not None:
            assert len(set(window.data[:, 0].tolist())) == 1
            np.testing.assert_array_equal(np.diff(window.data[:, 1]), np.ones(length - 1))


def test_a_row_is_released_once_the_window_has_it() -> None:
    released: list[int] = []
    stage = Window(WindowRule(length=2, hop=1, columns=("a",)))
    data = np.array([1.0])
    stage.push(Sample(data, 0, 0, release=lambda: released.append(0)))
    data[0] = 7.0
    window = stage.push(Sample(data, 1, 1))
    assert released == [0]
    assert window is not None
    assert window.data[:, 0].tolist() == [1.0, 7.0]
