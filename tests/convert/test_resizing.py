"""Resize, by TFLite's operators where they sample alike, else by gathering."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgekit.graph.build import GraphBuilder
from tests.convert.engines import require_same
from tests.convert.graphs import gives, normal

COORDINATES = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
ROUNDINGS = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=2),
    st.sampled_from(COORDINATES),
    st.sampled_from([*ROUNDINGS, "linear"]),
    st.data(),
)
def test_a_resize_gives_the_same(
    sizes: list[int], coordinates: str, rounding: str, data: st.DataObject
) -> None:
    build = GraphBuilder("resize")
    x = build.input("x", np.float32, (1, 2, *sizes))
    how: dict[str, Any] = {"mode": "linear"}
    if rounding != "linear":
        how = {"mode": "nearest", "nearest_mode": rounding}
    how["coordinate_transformation_mode"] = coordinates
    if data.draw(st.booleans()):
        by = [data.draw(st.sampled_from([0.5, 1.0, 1.5, 1.7, 2.0, 3.0])) for _ in sizes]
        assume(all(size * factor >= 1 for size, factor in zip(sizes, by, strict=True)))
        value = build.op("Resize", x, None, np.array([1, 1, *by], np.float32), **how)
    else:
        new = [data.draw(st.integers(1, 9)) for _ in sizes]
        value = build.op("Resize", x, None, None, np.array([1, 2, *new], np.int64), **how)
    require_same(gives(build, 2 + len(sizes), y=value), {"x": normal((1, 2, *sizes))})


@pytest.mark.parametrize(
    ("mode", "coordinates", "rounding", "code"),
    [
        ("nearest", "asymmetric", "floor", "RESIZE_NEAREST_NEIGHBOR"),
        ("nearest", "half_pixel", "round_prefer_floor", "RESIZE_NEAREST_NEIGHBOR"),
        ("nearest", "asymmetric", "ceil", "GATHER"),
        ("linear", "half_pixel", "floor", "RESIZE_BILINEAR"),
        ("linear", "align_corners", "floor", "RESIZE_BILINEAR"),
    ],
)
def test_doubling_is_one_operator_where_tflite_has_it(
    mode: str, coordinates: str, rounding: str, code: str
) -> None:
    build = GraphBuilder("double")
    x = build.input("x", np.float32, (1, 2, 3, 3))
    value = build.op(
        "Resize", x, None, np.array([1, 1, 2, 2], np.float32), mode=mode, nearest_mode=rounding,
        coordinate_transformation_mode=coordinates,
    )  # fmt: skip
    assert code in require_same(gives(build, 4, y=value), {"x": normal((1, 2, 3, 3))})
