"""Keeps a training on disk so that it goes on as if it had never stopped."""

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.learning.durable import write_durably
from edgekit.learning.npz import write_arrays
from edgekit.train.history import Epoch
from edgekit.train.step import Step

_NAME = "checkpoint.json"
_NOW, _BEST = "now:", "best:"


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a training stands after an epoch.

    Attributes:
        of: what is trained; a checkpoint of something else is refused.
        steps: taken so far.
        history: of each epoch so far.
        carried: parameters and state.
        best: the parameters of the best epoch.
    """

    of: str
    steps: int
    history: tuple[Epoch, ...]
    carried: dict[str, Array]
    best: dict[str, Array]


def fingerprint(step: Step, seed: int, samples: int) -> str:
    """Tells one training from another: its graph, first parameters, seed and amount of data."""
    digest = hashlib.sha256(f"{seed} {samples}".encode())
    digest.update(ir.to_proto(step.step).SerializeToString(deterministic=True))
    for name, array in step.parameters.items():
        digest.update(name.encode() + array.tobytes())
    return digest.hexdigest()


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> Path:
    """Writes a checkpoint; whenever power fails, the folder holds this one or the one before.

    The arrays go to a file of their own. `checkpoint.json`, which names it, is put in its place
    last, by renaming.

    Returns:
        The file of arrays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arrays = folder / f"checkpoint-{len(checkpoint.history):06}.npz"
    named = {_NOW + name: array for name, array in checkpoint.carried.items()}
    named |= {_BEST + name: array for name, array in checkpoint.best.items()}
    write_arrays(arrays, named)
    told = {
        "of": checkpoint.of,
        "steps": checkpoint.steps,
        "arrays": arrays.name,
        "history": msgspec.to_builtins(checkpoint.history),
    }
    text = json.dumps(told, indent=1).encode()
    write_durably(folder / _NAME, lambda file: file.write(text))
    for old in folder.glob("checkpoint-*.npz"):
        if old != arrays:
            old.unlink()
    return arrays


def load_checkpoint(folder: Path, of: str) -> Checkpoint | None:
    """The checkpoint in a folder, or `None` where there is none.

    Raises:
        InputError: it is unreadable, or of another training.
    """
    path = folder / _NAME
    if not path.exists():
        return None
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        with np.load(folder / told["arrays"], allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        history = msgspec.convert(told["history"], tuple[Epoch, ...])
        found = Checkpoint(
            of=told["of"],
            steps=told["steps"],
            history=history,
            carried=_part(arrays, _NOW),
            best=_part(arrays, _BEST),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a readable checkpoint: {error}") from error
    if found.of != of:
        raise InputError(
            f"{path}: belongs to another model, loss, optimiser, seed or data; "
            "remove it, or name another folder"
        )
    return found


def _part(arrays: dict[str, Array], prefix: str) -> dict[str, Array]:
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
