"""Thumbnails of the pictures that changed their label."""

from base64 import b64encode

import cv2
import numpy as np

from edgekit.compress.data import Samples
from edgekit.compress.report.document import Report

_MOST = 60
_SIDE = 112
_QUALITY = 60


def thumbnails(report: Report, samples: Samples) -> dict[int, str]:
    """Small WebP pictures as data URIs, by the sample's index; none for samples that aren't RGB.

    At most 60, of about 3 kB each.
    """
    changed = [flip.index for artifact in report.artifacts for flip in artifact.changed]
    found = {}
    for index in list(dict.fromkeys(changed))[:_MOST]:
        picture = samples.data[index]
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            return {}
        scale = _SIDE / max(picture.shape[:2])
        size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
        small = cv2.resize(picture[:, :, ::-1], size, interpolation=how)
        done, data = cv2.imencode(".webp", small, [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])
        if done:
            found[index] = "data:image/webp;base64," + b64encode(data.tobytes()).decode()
    return found
