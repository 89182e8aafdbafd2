"""Turns a sample into the tensor a model takes."""

from collections.abc import Callable

import numpy as np

from edgekit.array import Array
from edgekit.bundle import InputSpec, PictureRule, Quantization
from edgekit.errors import InputError


def prepare(data: Array, spec: InputSpec) -> Array:
    """The tensor that stands for a sample.

    Args:
        data: a picture uint8 `[height, width, 3]` RGB already resized by the bundle's rule, a
            window float `[length, columns]`, or an array of the tensor's own shape.
        spec: what the model takes.

    Raises:
        InputError: the sample has another shape or dtype, or a value that is not finite.
    """
    if spec.picture is not None:
        tensor = _picture(data, spec.picture)
    else:
        if data.size != np.prod(spec.shape):
            raise InputError(f"has shape {list(data.shape)}, the model takes {_wanted(spec)}")
        tensor = data.reshape(spec.shape)
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise InputError("holds NaN or infinity")
    if spec.quantization is not None and tensor.dtype.name != spec.dtype:
        return _quantized(tensor, spec.dtype, spec.quantization)
    if tensor.dtype.kind == "f" and np.dtype(spec.dtype).kind in "ui":
        raise InputError(f"has dtype {tensor.dtype}, the model takes {spec.dtype}")
    return np.ascontiguousarray(tensor, dtype=spec.dtype)


def preparer(spec: InputSpec) -> Callable[[Array], Array]:
    """`prepare` for one model, with all that does not depend on the sample decided beforehand."""
    rule = spec.picture
    if rule is None or not rule.is_plain or spec.dtype != "uint8":
        return lambda data: prepare(data, spec)
    shape = (rule.height, rule.width, 3)

    def plain(data: Array) -> Array:
        if data.shape != shape or data.dtype != np.uint8:
            return prepare(data, spec)  # which says what is wrong with it
        return np.ascontiguousarray(data)[np.newaxis]

    return plain


def _picture(data: Array, rule: PictureRule) -> Array:
    if data.shape != (rule.height, rule.width, 3) or data.dtype != np.uint8:
        raise InputError(
            f"is {data.dtype} {list(data.shape)}, not a uint8 RGB picture of "
            f"{rule.height} x {rule.width}"
        )
    if rule.is_plain:
        return data[np.newaxis]
    if rule.channels == "BGR":
        data = data[:, :, ::-1]
    elif rule.channels == "GRAY":
        data = np.rint(data @ np.array([0.299, 0.587, 0.114]))[:, :, np.newaxis]
    if set(rule.mean) == {0.0} and set(rule.std) == {1.0}:
        scaled = data
    else:
        mean, std = np.array(rule.mean, np.float32), np.array(rule.std, np.float32)
        scaled = (data.astype(np.float32) - mean) / std
    return (scaled if rule.layout == "NHWC" else scaled.transpose(2, 0, 1))[np.newaxis]


def _quantized(tensor: Array, dtype: str, quantization: Quantization) -> Array:
    limits = np.iinfo(dtype)
    integers = np.rint(tensor / quantization.scale) + quantization.zero_point
    return np.ascontiguousarray(np.clip(integers, limits.min, limits.max), dtype=dtype)


def _wanted(spec: InputSpec) -> str:
    if spec.window is None:
        return str(list(spec.shape))
    return f"windows of {spec.window.length} rows with {len(spec.window.columns)} columns"
