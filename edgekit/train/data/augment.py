"""Changes pictures by chance in ways that leave what they show the same."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from edgekit.array import Array
from edgekit.train.bounds import NotNegative, Share

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, kw_only=True)
class Augment:
    """What chance may do to a picture; by default nothing.

    Attributes:
        flip: whether left and right are swapped half of the time.
        crop: the share of the area that may be cut away; what stays is enlarged to the old size.
        rotation: the most degrees a picture is turned by, either way. Corners are mirrored.
        brightness: the share by which all values may become more or less.
        contrast: the share by which the distance from the mean grey may.
        saturation: the share by which the distance of a colour from its grey may.
        noise: the standard deviation of normal noise, in grey levels of 0 to 255.
    """

    flip: bool = False
    crop: Share = 0.0
    rotation: NotNegative = 0.0
    brightness: NotNegative = 0.0
    contrast: NotNegative = 0.0
    saturation: NotNegative = 0.0
    noise: NotNegative = 0.0

    def changed(self, picture: Array, rng: np.random.Generator) -> Array:
        """A picture of the same size.

        Args:
            picture: uint8 `[height, width, 3]` RGB; left as it is.
            rng: decides; the same state gives the same picture.
        """
        return self._recoloured(self._moved(picture, rng), rng)

    def _moved(self, picture: Array, rng: np.random.Generator) -> Array:
        """Cut, turned and flipped by one transform, so that pixels are interpolated once."""
        flipped = self.flip and rng.random() < 0.5
        if not self.crop and not self.rotation:
            return picture[:, ::-1] if flipped else picture
        height, width = picture.shape[:2]
        side = math.sqrt(1 - rng.uniform(0, self.crop))
        angle = math.radians(rng.uniform(-self.rotation, self.rotation))
        offset = rng.uniform(-1, 1, 2) * (1 - side) / 2 * (width, height)
        centre = np.array([width - 1, height - 1]) / 2
        turn = side * np.array(
            [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
        )
        if flipped:
            turn[:, 0] *= -1
        shift = centre + offset - turn @ centre
        from_new = np.hstack([turn, shift[:, np.newaxis]])
        moved: Array = cv2.warpAffine(
            picture,
            from_new,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        return moved

    def _recoloured(self, picture: Array, rng: np.random.Generator) -> Array:
        if not (self.brightness or self.contrast or self.saturation or self.noise):
            return picture
        values: Array = picture.astype(np.float32)
        values *= 1 + rng.uniform(-self.brightness, self.brightness)
        if self.contrast:
            grey = float((values @ _LUMA).mean())
            values = grey + (values - grey) * (1 + rng.uniform(-self.contrast, self.contrast))
        if self.saturation:
            greys = (values @ _LUMA)[:, :, np.newaxis]
            share = 1 + rng.uniform(-self.saturation, self.saturation)
            values = greys + (values - greys) * share
        if self.noise:
            values += self.noise * rng.standard_normal(values.shape, np.float32)
        return np.clip(np.rint(values), 0, 255).astype(np.uint8)
