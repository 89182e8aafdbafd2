"""Names a training step, so that a coordinator and its boards know that they train the same one."""

import hashlib
from pathlib import Path

from edgekit.errors import BundleError
from edgekit.learning.files import PARAMETERS, STEP
from edgekit.learning.npz import read_arrays

_LETTERS = 12


def step_digest(folder: Path) -> str:
    """What a step is called: 12 hexadecimal digits, the first of a SHA-256.

    It is over the step's graph, in which parameters and state have their names, types and shapes,
    and over those of the parameters. It is not over their values: newer ones of the same step
    change nothing.

    Args:
        folder: the folder `train` of a bundle.

    Raises:
        BundleError: a file is missing or damaged.
    """
    try:
        digest = hashlib.sha256((folder / STEP).read_bytes())
    except OSError as error:
        raise BundleError(
            f"{folder / STEP}: cannot be read: {error.strerror}; copy the bundle again"
        ) from error
    try:
        parameters = read_arrays(folder / PARAMETERS)
    except ValueError as error:
        raise BundleError(f"{folder / PARAMETERS}: not readable parameters: {error}") from error
    for name in sorted(parameters):
        array = parameters[name]
        digest.update(f"{name}:{array.dtype.name}{list(array.shape)}\n".encode())
    return digest.hexdigest()[:_LETTERS]
