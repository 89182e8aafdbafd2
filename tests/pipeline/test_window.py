"""Windows of rows: none lost, none across a gap."""

import numpy as np
from hypothesis import given
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
