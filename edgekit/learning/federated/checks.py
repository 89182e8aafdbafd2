"""Refuses updates that cannot be, before anything is made of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.learning.federated.update import Update, norm_of


class UpdateRefused(InputError):
    """An update that must not be combined with others.

    Attributes:
        client: whose it is.
        why: one line.
    """

    def __init__(self, client: str, why: str) -> None:
        self.client, self.why = client, why
        super().__init__(f"the update of {client} is refused: {why}")


_MOST = 2**31 - 1
"""CBOR's numbers have no end: larger ones would not fit a float, nor be printed in good time."""


@dataclass(frozen=True)
class Limits:
    """What an update may be.

    Attributes:
        shapes: of each parameter.
        version: of the model that it must have begun with; `None` for any.
        longest: the largest norm of the change; `None` for any finite one.
        samples: the most that a board may say it has: its weight in the mean.
        epochs: how often the board was asked to go over its samples: FedNova weighs by steps, and
            each takes a sample at least; `None` for any number of steps.
    """

    shapes: Mapping[str, tuple[int, ...]]
    version: int | None = None
    longest: float | None = None
    samples: int = 10_000_000
    epochs: int | None = None


def check_update(update: Update, limits: Limits) -> None:
    """Says whether an update may be combined.

    Raises:
        UpdateRefused: a parameter is missing, unknown, of another shape or kind, or not finite;
            the change is too long; or the round, samples or steps cannot be.
    """

    def refuse(why: str) -> UpdateRefused:
        return UpdateRefused(update.client, why)

    if not all(0 <= n <= _MOST for n in (update.version, update.samples, update.steps)):
        raise refuse("its version, samples or steps are below 0 or more than can be")
    if limits.version is not None and update.version != limits.version:
        raise refuse(f"it began with version {update.version}, not {limits.version}")
    if not 0 < update.samples <= limits.samples:
        raise refuse(f"{update.samples} samples are not in 1..{limits.samples}")
    if update.steps < 1:
        raise refuse(f"{update.steps} steps are none")
    if limits.epochs is not None and update.steps > limits.epochs * update.samples:
        raise refuse(f"{update.steps} steps are more than it has samples in {limits.epochs} epochs")
    for what, arrays in (("change", update.change), ("control", update.control)):
        if what == "control" and not arrays:
            continue
        if why := _mistake(arrays, limits.shapes):
            raise refuse(f"{what}: {why}")
    if limits.longest is not None and (norm := norm_of(update.change)) > limits.longest:
        raise refuse(f"its norm {norm:.4g} is above {limits.longest:.4g}")


def _mistake(arrays: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    for name in sorted(shapes.keys() | arrays.keys()):
        if name not in arrays:
            return f"{name!r} is missing"
        if name not in shapes:
            return f"the model has no {name!r}"
        array = arrays[name]
        if tuple(array.shape) != shapes[name]:
            return f"{name!r} is {list(array.shape)}, not {list(shapes[name])}"
        if array.dtype != np.float32:
            return f"{name!r} is {array.dtype}, not float32"
        if not np.isfinite(array).all():
            return f"{name!r} holds NaN or infinity"
    return None
