"""Which version of each TFLite operator edgekit writes, and the first TensorFlow Lite that has it.

After tensorflow/lite/tools/versioning/{op_version,runtime_version}.cc.
"""

from dataclasses import dataclass

_FIRST = "1.5.0"


@dataclass(frozen=True)
class Version:
    """A version of an operator, and the release of the runtime that brought it."""

    number: int
    runtime: str


def _both(runtime: str = _FIRST, int8: str = "1.14.0") -> tuple[Version, Version]:
    return Version(1, runtime), Version(2, int8)


def _same(number: int, runtime: str) -> tuple[Version, Version]:
    return Version(number, runtime), Version(number, runtime)


VERSIONS: dict[str, tuple[Version, Version]] = {
    "ABS": _both("1.13.1", "2.4.0"),
    "ADD": _both(),
    "ARG_MAX": _both("1.9.0"),
    "AVERAGE_POOL_2D": _both(),
    "BATCH_MATMUL": _both("2.3.0", "2.3.0"),
    "BROADCAST_TO": _same(2, "2.5.0"),
    "CAST": _same(1, _FIRST),
    "CEIL": _same(1, "1.14.0"),
    "CONCATENATION": _both(),
    "CONV_2D": (Version(1, _FIRST), Version(3, "1.14.0")),
    "COS": _same(1, "2.3.0"),
    "DEPTHWISE_CONV_2D": (Version(2, "1.12.0"), Version(3, "1.14.0")),
    "DEPTH_TO_SPACE": _same(1, "2.1.0"),
    "DEQUANTIZE": (Version(3, "1.15.0"), Version(2, "1.14.0")),
    "DIV": _same(1, "1.6.0"),
    "ELU": _same(1, "1.14.0"),
    "EXP": _same(1, "1.7.0"),
    "FLOOR": _same(1, "1.9.0"),
    "FULLY_CONNECTED": (Version(1, _FIRST), Version(4, "1.14.0")),
    "GELU": _same(1, "2.8.0"),
    "GATHER": _both("1.6.0"),
    "HARD_SWISH": _same(1, "1.15.0"),
    "LEAKY_RELU": _same(1, "1.13.1"),
    "LOG": _same(1, "1.14.0"),
    "LOGISTIC": _both("1.14.0"),
    "LOG_SOFTMAX": _both("1.14.0"),
    "MAXIMUM": _both("1.14.0"),
    "MAX_POOL_2D": _both(),
    "MEAN": _both("1.6.0"),
    "MINIMUM": _both("1.14.0"),
    "MIRROR_PAD": _both("1.13.1", "2.3.0"),
    "MUL": _both(),
    "NEG": _same(1, "1.9.0"),
    "PACK": _both("1.11.0"),
    "PAD": _both(),
    "PADV2": _both("1.9.0"),
    "POW": _same(1, "1.10.0"),
    "PRELU": _same(1, "1.8.0"),
    "QUANTIZE": _same(1, "1.14.0"),
    "REDUCE_MAX": _both("1.11.0"),
    "REDUCE_MIN": _both("1.11.0"),
    "REDUCE_PROD": _same(1, "1.11.0"),
    "RELU": _both(_FIRST, "2.1.0"),
    "RELU6": _both(),
    "RELU_0_TO_1": _same(1, "2.10.0"),
    "RELU_N1_TO_1": _same(1, _FIRST),
    "RESHAPE": _same(1, _FIRST),
    "RESIZE_BILINEAR": _same(3, "2.2.0"),
    "RESIZE_NEAREST_NEIGHBOR": _same(3, "2.3.0"),
    "ROUND": _same(1, "1.14.0"),
    "SIGN": _same(1, "2.12.0"),
    "SIN": _same(1, "1.9.0"),
    "SLICE": _both("1.14.0"),
    "SOFTMAX": _both(),
    "SPACE_TO_DEPTH": _both(_FIRST, "1.14.0"),
    "SPLIT": _both(),
    "SQRT": _same(1, "1.10.0"),
    "STRIDED_SLICE": _both("1.6.0"),
    "SUB": _both("1.6.0"),
    "SUM": _both("1.10.0", "1.15.0"),
    "TANH": _both("1.14.0"),
    "TILE": _same(1, "1.10.1"),
    "TRANSPOSE": _both("1.6.0"),
    "TRANSPOSE_CONV": _same(3, "2.3.0"),
    "UNPACK": _both("1.11.0"),
}
"""By operator: the version for floats (and all else), and the version for int8."""

GROUPED_CONV = Version(6, "2.9.0")
KEEPS_AXES = Version(5, "2.0.0")
DEQUANTIZES_CHANNELS = Version(5, "2.7.0")


def newest(runtimes: list[str]) -> str:
    """The latest of several releases."""
    return max([_FIRST, *runtimes], key=lambda text: tuple(map(int, text.split("."))))
