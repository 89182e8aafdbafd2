"""Makes a model modern, static and sound, before any pass looks at it."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir
from onnx import version_converter
from onnx_ir.convenience import get_const_tensor

from edgekit.array import Array
from edgekit.errors import InputError, UnsupportedModel
from edgekit.graph.build import IR_VERSION, OPSET
from edgekit.graph.match import LAYERS, is_op
from edgekit.graph.shapes import BIG_BYTES

_TYPICAL_SIDE = 224


def raise_opset(model: ir.Model) -> ir.Model:
    """The model at the opset edgekit works at, or above.

    The converter never sees the big weights, so it copies none and the model may have any size.

    Raises:
        UnsupportedModel: it cannot be converted.
    """
    domain = "" if "" in model.opset_imports else "ai.onnx"
    opset = model.opset_imports.get(domain, 0)
    if opset >= OPSET:
        return model
    aside = {
        str(value.name): value.const_value
        for value in model.graph.initializers.values()
        if value.const_value is not None and value.const_value.nbytes > BIG_BYTES
    }
    bare = model.clone()
    bare.ir_version = max(model.ir_version or 0, IR_VERSION)  # initialisers need not be inputs
    inputs = len(bare.graph.inputs)
    for name in aside:
        bare.graph.inputs.append(bare.graph.initializers.pop(name))
    try:
        raised = ir.from_proto(version_converter.convert_version(ir.to_proto(bare), OPSET))
    except Exception as error:  # the converter is C++ and throws RuntimeError and others
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UnsupportedModel(
            f"cannot be raised from opset {opset} to {OPSET}: {reason[0][:300]}"
        ) from error
    values = list(raised.graph.inputs)
    raised.graph.inputs.clear()  # a slice deleted would leave its values marked as inputs
    raised.graph.inputs.extend(values[:inputs])
    for value in values[inputs:]:
        value.const_value = aside[str(value.name)]
        raised.graph.register_initializer(value)
    return raised


def fix_input_shapes(
    model: ir.Model, given: Sequence[int] | Mapping[str, Sequence[int]] | None
) -> None:
    """Makes every input's shape known: as given, else with a batch of 1, in place.

    What was known of other shapes is forgotten where an input's shape changes.

    Raises:
        InputError: a given shape does not fit the model.
        UnsupportedModel: an input is no tensor, or has dynamic axes that no given shape fixes.
    """
    shapes = _by_name(model, given)
    changed = False
    for value in model.graph.inputs:
        if not isinstance(value.type, ir.TensorType):
            raise UnsupportedModel(f"the input {value.name!r} is no plain tensor")
        fixed = _fixed_shape(value, shapes.get(str(value.name)))
        changed |= value.shape is None or list(value.shape) != fixed
        value.shape = ir.Shape(fixed)
    for graph in model.graphs():
        for node in graph:
            for value in node.outputs:
                if changed or not value.is_graph_output():
                    value.shape = None


def require_finite_weights(model: ir.Model) -> None:
    """Refuses a model with NaN in a constant, or infinity in a layer's weights.

    Raises:
        UnsupportedModel: names the tensor.
    """
    for graph in model.graphs():
        for value in graph.initializers.values():
            if value.const_value is not None:
                _require_finite(value, value.const_value)
        for node in graph:
            if is_op(node, "Constant") and "value" in node.attributes:
                tensor = get_const_tensor(node.outputs[0])
                assert tensor is not None
                _require_finite(node.outputs[0], tensor)


def _require_finite(value: ir.Value, tensor: ir.TensorProtocol) -> None:
    if not tensor.dtype.is_floating_point():
        return
    _require_finite_array(value, tensor.numpy())
    if isinstance(tensor, ir.ExternalTensor):
        tensor.release()  # gives back the memory its file was mapped into


def _require_finite_array(value: ir.Value, array: Array) -> None:
    with np.errstate(over="ignore"):
        total = array.sum(dtype=np.promote_types(array.dtype, np.float32))
    if np.isfinite(total):  # found out without a mask as large as the weights
        return
    numbers = array.astype(np.float64) if array.dtype.kind != "f" else array
    is_weight = any(is_op(node, *LAYERS) for node, _ in value.uses())
    for kind, is_bad in (("NaN", np.isnan(numbers)), ("infinite", np.isinf(numbers))):
        count = int(is_bad.sum())
        if count and (kind == "NaN" or is_weight):
            raise UnsupportedModel(
                f"the tensor {value.name!r} has {count} of {array.size} numbers {kind}; "
                "the training has diverged, or the file is damaged"
            )


def _by_name(
    model: ir.Model, given: Sequence[int] | Mapping[str, Sequence[int]] | None
) -> Mapping[str, Sequence[int]]:
    names = [str(value.name) for value in model.graph.inputs]
    if given is None:
        return {}
    if isinstance(given, Mapping):
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise InputError(f"has no input {unknown[0]!r}, but {', '.join(names)}")
        return given
    if len(names) != 1:
        raise InputError(f"has {len(names)} inputs ({', '.join(names)}), but one shape was given")
    return {names[0]: given}


def _fixed_shape(value: ir.Value, given: Sequence[int] | None) -> list[int]:
    axes = None if value.shape is None else list(value.shape)
    written = "of unknown shape" if axes is None else f"[{', '.join(map(_axis, axes))}]"
    if given is not None:
        fits = axes is None or len(axes) == len(given)
        if (
            not fits
            or min(given, default=1) < 1
            or any(
                isinstance(axis, int) and axis != number
                for axis, number in zip(axes or (), given, strict=False)
            )
        ):
            shape = ",".join(map(str, given))
            raise InputError(
                f"--input-shape {shape} does not fit the input {value.name!r}, {written}"
            )
        return [int(number) for number in given]
    fixed: list[int] = [
        axis if isinstance(axis, int) else 1 if place == 0 else 0
        for place, axis in enumerate(axes or ())
    ]
    if axes is None or 0 in fixed:
        example = [axis or _TYPICAL_SIDE for axis in fixed] or [1, 3, _TYPICAL_SIDE, _TYPICAL_SIDE]
        raise UnsupportedModel(
            f"the input {value.name!r}, {written}, has dynamic axes besides the batch; say what it "
            f"is to run at, as in --input-shape {','.join(map(str, example))}"
        )
    return fixed


def _axis(axis: object) -> str:
    if isinstance(axis, ir.SymbolicDim):
        return str(axis.value or "?")
    return str(axis)
