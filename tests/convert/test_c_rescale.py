"""The roundings that integer arithmetic in C has to share with LiteRT, number by number."""

import ctypes
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.convert.c.kernels import kernel_text
from tests.convert.c_harness import STRICT

_LIMIT = 2**31 - 1

_CALLED = """
#include <stdint.h>
#include <string.h>
typedef struct ek_grid { int16_t zero_point; int8_t lowest, highest; } ek_grid;
%s
void rescale(const int32_t *sum, const uint32_t *scale, int32_t *out, int32_t count);
void nearest(const float *value, const uint32_t *unused, int32_t *out, int32_t count);
void rescale(const int32_t *sum, const uint32_t *scale, int32_t *out, int32_t count)
{
    for (; count > 0; --count) {
        *out++ = ek_rescale(*sum++, *scale++);
    }
}
void nearest(const float *value, const uint32_t *unused, int32_t *out, int32_t count)
{
    (void)unused;
    for (; count > 0; --count) {
        *out++ = ek_nearest(*value++);
    }
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("rescale")
    (folder / "r.c").write_text(_CALLED % kernel_text(["rescale", "nearest"]))
    command = ["gcc", *STRICT, "-O2", "-fsanitize=undefined", "-fno-sanitize-recover", "-shared",
               "-fPIC", "r.c", "-o", "r.so"]  # fmt: skip
    subprocess.run(command, cwd=folder, check=True)
    return ctypes.CDLL(str(folder / "r.so"))


def called(library: ctypes.CDLL, name: str, first: Array, second: Array) -> Array:
    out = np.zeros(len(first), np.int32)
    arguments = [array.ctypes.data_as(ctypes.c_void_p) for array in (first, second, out)]
    getattr(library, name)(*arguments, len(out))
    return out


def rescaled(library: ctypes.CDLL, sums: Array, scales: Array) -> Array:
    sums = np.ascontiguousarray(sums, np.int32)
    return called(
        library, "rescale", sums, np.ascontiguousarray(scales, np.float32).view(np.uint32)
    )


def wanted(sums: Array, scales: Array) -> Array:
    """The float32 product, rounded half to even, and saturated as `ek_rescale` does."""
    product = sums.astype(np.int32).astype(np.float32) * scales.astype(np.float32)
    return np.clip(np.rint(product), -256, 256).astype(np.int32)


@pytest.mark.parametrize("seed", range(2))
def test_a_million_random_sums_are_rounded_as_floats_are(library: ctypes.CDLL, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sums = (2.0 ** rng.uniform(0, 31, 1_000_000) * rng.choice([-1, 1], 1_000_000)).astype(np.int64)
    sums = np.clip(sums, -_LIMIT, _LIMIT)
    goals = rng.uniform(0, 300, len(sums))
    scales = np.clip(goals / np.abs(sums), 2.0**-32, 255.9).astype(np.float32)
    np.testing.assert_array_equal(rescaled(library, sums, scales), wanted(sums, scales))


@pytest.mark.parametrize("seed", range(2))
def test_products_next_to_a_half_are_rounded_as_floats_are(library: ctypes.CDLL, seed: int) -> None:
    """Scales that bring a sum to k + 1/2 and a few units in the last place beside it."""
    rng = np.random.default_rng(seed)
    sums = (2.0 ** rng.uniform(1, 31, 500_000)).astype(np.int64).clip(1, _LIMIT)
    halves = rng.integers(0, 256, len(sums)) + 0.5
    bits = (halves / sums).clip(2.0**-32, 255).astype(np.float32).view(np.int32)
    scales = (bits + rng.integers(-3, 4, len(bits))).astype(np.int32).view(np.float32)
    scales = scales.clip(2.0**-32, 255).astype(np.float32)
    signed = sums * rng.choice([-1, 1], len(sums))
    found = wanted(signed, scales)
    np.testing.assert_array_equal(rescaled(library, signed, scales), found)
    exact = np.rint(sums.astype(np.float64) * scales.astype(np.float64)) * np.sign(signed)
    inside = np.abs(exact) < 256
    assert np.any(exact[inside] != found[inside])  # or this test would not see two roundings


@settings(max_examples=300, deadline=None)
@given(
    st.integers(-_LIMIT, _LIMIT),
    st.integers(int(np.float32(2.0**-32).view(np.int32)), int(np.float32(256).view(np.int32)) - 1),
)
def test_any_sum_times_any_scale(library: ctypes.CDLL, total: int, bits: int) -> None:
    sums, scales = np.array([total]), np.array([bits], np.int32).view(np.float32)
    assert rescaled(library, sums, scales) == wanted(sums, scales)


def test_every_sum_that_a_small_layer_has(library: ctypes.CDLL) -> None:
    sums = np.arange(-300_000, 300_000)
    for scale in (0.5, 1 / 3, 2.0**-10, 1e-3, 0.0078125, 1.0, 7.3e-4):
        scales = np.full(len(sums), scale, np.float32)
        np.testing.assert_array_equal(rescaled(library, sums, scales), wanted(sums, scales))


def test_a_float_is_rounded_to_the_nearest_integer(library: ctypes.CDLL) -> None:
    rng = np.random.default_rng(0)
    halves = np.arange(-300, 300) + 0.5
    values = np.concatenate(
        [rng.normal(0, 100, 200_000), rng.normal(0, 1, 200_000), halves, np.nextafter(halves, 0),
         np.nextafter(halves.astype(np.float32), np.float32(1e9)), [0.0, -0.0, 1e-40, 1e30, -1e30,
         np.inf, -np.inf]]
    ).astype(np.float32)  # fmt: skip
    found = called(library, "nearest", values, np.zeros(1, np.uint32))
    np.testing.assert_array_equal(found, np.clip(np.rint(values), -256, 256).astype(np.int32))


def test_not_a_number_is_beyond_all_grids(library: ctypes.CDLL) -> None:
    found = called(library, "nearest", np.array([np.nan], np.float32), np.zeros(1, np.uint32))
    assert abs(found[0]) == 256
