"""What boards learned together, as a new bundle."""

import io
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.bundle import Bundle, Manifest, OutputSpec, open_bundle, write_bundle
from edgekit.compress import Recipe, compress_model, load_recipe, pack_model
from edgekit.compress.golden import golden_file, golden_inputs
from edgekit.errors import InputError
from edgekit.federated.job.opening import OpenJob
from edgekit.federated.job.schema import ResultTable
from edgekit.graph.load import load_onnx
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from edgekit.train.tasks import with_parameters

_TRAIN = "train/"


def write_result(opened: OpenJob, parameters: Mapping[str, Array], table: ResultTable) -> Bundle:
    """Writes a bundle with the learned parameters, in its model and in its `train` folder.

    A bundle that stands at the place gives way, if it is one: serving a finished job again writes
    the same.

    Args:
        opened: the job.
        parameters: what boards share, float32 by name.
        table: what the job says of the result.

    Raises:
        InputError: the model has none of the parameters, the version is not above the old one's, or
            the place is taken.
        BundleError: the job's bundle is damaged.
        GateMissed: the recipe's gates are not held.
    """
    old = open_bundle(opened.job.bundle)
    version = table.version or raised(old.manifest.version)
    whole = opened.trainer.parameters | dict(parameters)
    path = table.model or old.model_path("onnxruntime")
    try:
        model = with_parameters(ir.from_proto(load_onnx(path)), whole)
    except InputError as error:
        raise InputError(
            f"{path}: holds none of the learned parameters; name the float model that the step was "
            "compiled from as result.model"
        ) from error
    with TemporaryDirectory(prefix="edgekit-") as scratch:
        learned = Path(scratch) / "model.onnx"
        ir.save(model, learned)
        draft = Path(scratch) / "bundle"
        if table.recipe is None:
            made = _packed(learned, draft, old, version)
        else:
            recipe = load_recipe(table.recipe)
            recipe = msgspec.structs.replace(recipe, name=old.manifest.name, version=version)
            made = _compressed(opened, learned, draft, old, recipe)
        files = {name: (made.path / name).read_bytes() for name in made.manifest.files}
        files = {name: data for name, data in files.items() if not name.startswith(_TRAIN)}
        files |= {
            name: (old.path / name).read_bytes()
            for name in old.manifest.files
            if name.startswith(_TRAIN)
        }
        files[_TRAIN + "parameters.npz"] = _npz(whole)
        manifest = _as_before(made.manifest, old.manifest)
        return write_bundle(table.bundle, manifest, files=files, replace=True)


def raised(version: str) -> str:
    """The next version: its last number raised by one."""
    start, _, last = version.rpartition(".")
    return f"{start}.{int(last) + 1}"


def _packed(model: Path, out: Path, old: Bundle, version: str) -> Bundle:
    manifest = old.manifest
    thresholds = manifest.thresholds
    made = pack_model(
        model,
        task=manifest.task,
        out=out,
        labels=None if manifest.labels is None else old.path / manifest.labels,
        threshold=None if thresholds is None else thresholds.anomaly,
        recipe=Recipe(name=manifest.name, version=version),
    )
    return _with_output(made, manifest.output)


def _with_output(made: Bundle, output: OutputSpec) -> Bundle:
    """The bundle read by the old one's output, where the model has it: it may have several."""
    engine = OnnxRuntimeEngine(made.model_path("onnxruntime").read_bytes())
    if made.manifest.output == output or output.name not in {one.name for one in engine.outputs}:
        return made
    files = {name: (made.path / name).read_bytes() for name in made.manifest.files}
    files["golden.npz"] = golden_file(
        golden_inputs(made.manifest.input, ()), None, [engine], output.name
    )
    manifest = msgspec.structs.replace(made.manifest, output=output, golden="golden.npz")
    return write_bundle(made.path, manifest, files=files, replace=True)


def _compressed(opened: OpenJob, model: Path, out: Path, old: Bundle, recipe: Recipe) -> Bundle:
    table = opened.job.result
    labels = None if old.manifest.labels is None else old.path / old.manifest.labels
    data = None if table is None else table.calibrate
    if data is None:
        data = out.parent / "held.npz"
        held = opened.held
        arrays: dict[str, Array] = {"x": held[0]}
        if len(held) > 1 and held[-1].dtype.kind in "iu":
            arrays["y"] = held[-1]
        np.savez(data, **arrays)  # type: ignore[arg-type]
    return compress_model(model, data=data, out=out, recipe=recipe, labels=labels).bundle


def _as_before(made: Manifest, old: Manifest) -> Manifest:
    """The new manifest, with what the old one knew of how samples become input."""
    if made.input.shape != old.input.shape or made.input.dtype != old.input.dtype:
        return made
    spec = msgspec.structs.replace(made.input, picture=old.input.picture, window=old.input.window)
    return msgspec.structs.replace(made, input=spec)


def _npz(arrays: Mapping[str, Array]) -> bytes:
    packed = io.BytesIO()
    np.savez(packed, **arrays)  # type: ignore[arg-type]
    return packed.getvalue()
