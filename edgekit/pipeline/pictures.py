"""Decodes and resizes pictures: the only module that imports cv2, never in the daemon's process.

The capture child and the workstation share it, so what accuracy was measured on is to the pixel
what a board feeds.
"""

from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from edgekit.array import Array
from edgekit.bundle import PictureRule
from edgekit.errors import InputError

cv2.setNumThreads(1)

_JPEG_QUALITY = 90
_ROTATIONS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


def decode_picture(path: Path) -> Array:
    """A picture file as uint8 `[height, width, 3]` RGB, turned as its EXIF data says.

    Raises:
        InputError: there is no such file, or it is no picture.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    picture: Array | None = None
    if data:
        try:
            picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        except cv2.error:  # OpenCV refuses, for one, a picture of more than 2^30 pixels
            picture = None
    if picture is None:
        raise InputError(f"{path}: not a picture that can be decoded, or a damaged one")
    return picture


def fit_picture(picture: Array, rule: PictureRule) -> Array:
    """The picture as uint8 `[rule.height, rule.width, 3]`.

    Shrinking averages over areas, enlarging interpolates linearly.

    Args:
        picture: uint8 `[height, width, 3]`.
        rule: says whether to crop, pad or stretch.
    """
    height, width = picture.shape[:2]
    if rule.fit == "stretch":
        return _resized(picture, rule.height, rule.width)
    if rule.fit == "letterbox":
        scale = min(rule.height / height, rule.width / width)
        inner = _resized(picture, max(1, round(height * scale)), max(1, round(width * scale)))
        out = np.full((rule.height, rule.width, 3), rule.pad, np.uint8)
        top, left = (rule.height - inner.shape[0]) // 2, (rule.width - inner.shape[1]) // 2
        out[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
        return out
    if rule.resize_shorter is None:
        scale = max(rule.height / height, rule.width / width)
    else:
        scale = rule.resize_shorter / min(height, width)
    inner = _resized(
        picture, max(rule.height, round(height * scale)), max(rule.width, round(width * scale))
    )
    top, left = (inner.shape[0] - rule.height) // 2, (inner.shape[1] - rule.width) // 2
    return inner[top : top + rule.height, left : left + rule.width]


def turn_picture(
    picture: Array,
    *,
    rotate: Literal[0, 90, 180, 270],
    flip: Literal["horizontal", "vertical"] | None,
) -> Array:
    """The picture turned clockwise by so many degrees, and mirrored then."""
    turned = picture
    if rotate:
        turned = cv2.rotate(picture, _ROTATIONS[rotate])
    if flip is not None:
        turned = cv2.flip(turned, 1 if flip == "horizontal" else 0)
    return turned


def encode_jpeg(picture: Array, channels: Literal["RGB", "BGR"]) -> bytes:
    """A picture, uint8 `[height, width, 3]`, as a JPEG file.

    Raises:
        InputError: it cannot be one, as when it is larger than JPEG allows.
    """
    bgr = picture if channels == "BGR" else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    try:
        is_done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    except cv2.error as error:
        raise InputError(f"a picture that JPEG cannot hold: {error.err}") from error
    if not is_done:
        raise InputError("a picture that JPEG cannot hold")
    return bytes(data)


def copy_as_rgb(picture: Array, channels: Literal["RGB", "BGR"], *, out: Array) -> None:
    """Writes a picture in R, G, B order into memory of its own shape."""
    if channels == "RGB":
        out[...] = picture
    else:
        cv2.cvtColor(picture, cv2.COLOR_BGR2RGB, dst=out)


def read_picture(path: Path, rule: PictureRule) -> Array:
    """Decodes a file and fits it: uint8 `[rule.height, rule.width, 3]` RGB, contiguous.

    Raises:
        InputError: there is no such file, or it is no picture.
    """
    return np.ascontiguousarray(fit_picture(decode_picture(path), rule))


def _resized(picture: Array, height: int, width: int) -> Array:
    if picture.shape[:2] == (height, width):
        return picture
    shrinks = height < picture.shape[0] or width < picture.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized: Array = cv2.resize(picture, (width, height), interpolation=interpolation)
    return resized
