"""Where a region of an upright picture lies in the picture as the camera gives it."""

from typing import Literal

from edgekit.errors import InputError

Region = tuple[int | float, int | float, int | float, int | float]
"""`x, y, width, height`: pixels where all are integers, else shares of the picture."""

Box = tuple[int, int, int, int]
"""`left, top, width, height` in pixels."""

Turn = Literal[0, 90, 180, 270]
Flip = Literal["horizontal", "vertical"] | None


def region_mistake(region: Region) -> str | None:
    """What is wrong with a region whatever the picture."""
    x, y, width, height = region
    if all(isinstance(value, int) for value in region):
        if min(x, y) < 0 or min(width, height) < 1:
            return "region must be [x, y, width, height] with x and y from 0 and sizes from 1"
    elif not (min(x, y) >= 0 and min(width, height) > 0 and max(x + width, y + height) <= 1 + 1e-9):
        return "a region with a fraction is of shares: x + width and y + height are at most 1.0"
    return None


def box_of(region: Region, *, height: int, width: int) -> Box:
    """The region in pixels of an upright picture of `height` by `width`.

    Raises:
        InputError: it leaves the picture.
    """
    if all(isinstance(value, int) for value in region):
        left, top, wide, high = (int(value) for value in region)
        if left + wide > width or top + high > height:
            raise InputError(
                f"region {list(region)} leaves the picture, which is {width} x {height}"
            )
        return left, top, wide, high
    left, top = int(region[0] * width), int(region[1] * height)
    right = min(width, max(left + 1, round((region[0] + region[2]) * width)))
    bottom = min(height, max(top + 1, round((region[1] + region[3]) * height)))
    return left, top, right - left, bottom - top


def box_as_taken(box: Box, *, height: int, width: int, rotate: Turn, flip: Flip) -> Box:
    """The same pixels before the picture was turned clockwise and then flipped.

    Cutting first spares turning what is cut away.

    Args:
        box: in the upright picture.
        height: of the picture as it is taken.
        width: of the picture as it is taken.
        rotate: degrees clockwise.
        flip: what was mirrored after turning.
    """
    left, top, wide, high = box
    turned_width, turned_height = (height, width) if rotate in (90, 270) else (width, height)
    if flip == "horizontal":
        left = turned_width - left - wide
    elif flip == "vertical":
        top = turned_height - top - high
    if rotate == 90:
        return top, height - left - wide, high, wide
    if rotate == 180:
        return width - left - wide, height - top - high, wide, high
    if rotate == 270:
        return width - top - high, left, high, wide
    return left, top, wide, high
