"""Makes the folders of a split network from ONNX files."""

from collections.abc import Mapping
from pathlib import Path

import onnx_ir as ir

from edgekit.config.checking import nearest
from edgekit.errors import InputError
from edgekit.federated.vertical.compiling import compile_bottom, compile_top
from edgekit.graph.load import canonical, load_onnx
from edgekit.graph.match import static_shape
from edgekit.train.losses import CrossEntropy, Focal, Huber, Loss, Mse
from edgekit.train.optimizers import OPTIMIZERS

_LOSSES: Mapping[str, type[Loss]] = {
    "cross-entropy": CrossEntropy,
    "focal": Focal,
    "huber": Huber,
    "mse": Mse,
}


def split_network(
    bottoms: Mapping[str, Path], top: Path, *, loss: str, optimizer: str, rows: int, out: Path
) -> None:
    """Compiles every half, and writes a folder for each party and one for the top.

    Args:
        bottoms: the ONNX file of each party.
        top: the label holder's ONNX file; its inputs are the parties.
        loss: a name, such as `cross-entropy`.
        optimizer: a name, such as `sgd`.
        rows: how many samples a batch has.
        out: a folder that is not there, or empty.

    Raises:
        InputError: a name is unknown, a file cannot be used, the halves do not fit, or the folder
            holds something.
        UnsupportedModel: a half cannot be trained.
    """
    if loss not in _LOSSES:
        raise InputError(f"--loss {loss}: unknown; {nearest(loss, list(_LOSSES))}")
    if optimizer not in OPTIMIZERS:
        raise InputError(
            f"--optimizer {optimizer}: unknown; {nearest(optimizer, list(OPTIMIZERS))}"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: is there already; choose another folder")
    upper = _loaded(top)
    takes = {str(value.name): static_shape(value) for value in upper.graph.inputs}
    if takes.keys() != bottoms.keys():
        raise InputError(
            f"{top}: its inputs are {', '.join(takes)}, but the parties are {', '.join(bottoms)}"
        )
    if "top" in bottoms:
        raise InputError("a party cannot be called top; rename it")
    steps = {}
    for party, path in bottoms.items():
        model = _loaded(path)
        gives = static_shape(model.graph.outputs[0])
        if gives is not None and takes[party] is not None and gives[1:] != (takes[party] or ())[1:]:
            raise InputError(
                f"{path}: gives {list(gives)}, the top takes {list(takes[party] or ())} of {party}"
            )
        steps[party] = compile_bottom(model, rows=rows, optimizer=OPTIMIZERS[optimizer]())
    whole = compile_top(upper, _LOSSES[loss](), rows=rows, optimizer=OPTIMIZERS[optimizer]())
    try:
        for party, step in steps.items():
            step.save(out / party)
        whole.save(out / "top")
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error.strerror}") from error


def _loaded(path: Path) -> ir.Model:
    return canonical(load_onnx(path), where=str(path))
