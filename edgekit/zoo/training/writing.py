"""Writes what came of a training into a folder."""

from pathlib import Path

import msgspec
import onnx_ir as ir

from edgekit.errors import InputError
from edgekit.zoo.training.outcome import Outcome
from edgekit.zoo.training.report import training_html

LABELS = "labels.txt"
CHECKPOINTS = "checkpoints"


def write_outcome(outcome: Outcome, out: Path) -> None:
    """Writes `model.onnx`, `train/`, `report.html`, `report.json` and, for classes, `labels.txt`.

    Each file takes the place of an older one by renaming.

    Raises:
        InputError: the folder cannot be written to.
    """
    files = {f"train/{name}": data for name, data in outcome.step.files().items()}
    files["model.onnx"] = ir.to_proto(outcome.trained.model).SerializeToString()
    if outcome.trained.labels:
        files[LABELS] = ("\n".join(outcome.trained.labels) + "\n").encode()
    document = msgspec.json.format(msgspec.json.encode(outcome.report), indent=2)
    files["report.json"] = document + b"\n"
    files["report.html"] = training_html(outcome.report).encode()
    try:
        for name, data in files.items():
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_name(path.name + ".new")
            beside.write_bytes(data)
            beside.replace(path)
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error.strerror}") from error


def require_free(out: Path, *, resume: bool, replace: bool) -> None:
    """Refuses a folder that holds something else, or another training's checkpoints.

    Args:
        out: the folder.
        resume: whether to go on from the checkpoints that are in it.
        replace: whether what is there gives way.

    Raises:
        InputError: says what to do.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file, not a folder")
    has_checkpoints = any((out / CHECKPOINTS).rglob("checkpoint.json"))
    if resume:
        if not has_checkpoints:
            raise InputError(f"{out}: holds no checkpoints to go on from; leave out --resume")
        return
    if out.is_dir() and any(out.iterdir()) and not replace:
        hint = "say --resume to go on, --force" if has_checkpoints else "say --force"
        raise InputError(f"{out}: is not empty; {hint} to replace it, or choose another --out")
    for path in sorted((out / CHECKPOINTS).rglob("checkpoint*")):
        path.unlink()
