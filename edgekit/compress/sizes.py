"""Says to which layer each byte of a model's constants belongs."""

import lzma
from collections import defaultdict

import msgspec
import onnx_ir as ir

OTHER = "everything else"
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6}]


class LayerSize(msgspec.Struct, frozen=True):
    """What one layer's constants take.

    Attributes:
        name: the layer; layers that hold almost nothing are one row.
        original_bytes: before, `None` for a layer that came to be.
        artifact_bytes: after, `None` for a layer that is gone.
        artifact_squeezed_bytes: after, each layer compressed by itself.
    """

    name: str
    original_bytes: int | None
    artifact_bytes: int | None
    artifact_squeezed_bytes: int | None


def layer_sizes(original: ir.Model, artifact: ir.Model) -> list[LayerSize]:
    """The layers of both, in the order in which the artifact runs them, others last."""
    before, after = _bytes_by_layer(original), _bytes_by_layer(artifact)
    small = _SMALL_SHARE * max(sum(map(_size, before.values())), sum(map(_size, after.values())))
    names = [*after, *(name for name in before if name not in after)]
    shown = [
        name
        for name in names
        if name != OTHER and max(_size(before.get(name, [])), _size(after.get(name, []))) >= small
    ]
    rest = [name for name in names if name not in shown]
    rows = [_row(name, before.get(name), after.get(name)) for name in shown]
    others = [
        [part for name in rest for part in by_layer.get(name, [])] for by_layer in (before, after)
    ]
    return [*rows, _row(OTHER, *others)] if rest else rows


_SMALL_SHARE = 0.002


def _row(name: str, before: list[bytes] | None, after: list[bytes] | None) -> LayerSize:
    return LayerSize(
        name=name,
        original_bytes=None if before is None else _size(before),
        artifact_bytes=None if after is None else _size(after),
        artifact_squeezed_bytes=None if after is None else _squeezed(after),
    )


def _size(parts: list[bytes]) -> int:
    return sum(map(len, parts))


def _squeezed(parts: list[bytes]) -> int:
    compressor = lzma.LZMACompressor(lzma.FORMAT_RAW, filters=_FILTERS)
    return sum(len(compressor.compress(part)) for part in parts) + len(compressor.flush())


def _bytes_by_layer(model: ir.Model) -> dict[str, list[bytes]]:
    """The bytes of initialisers under the name of the first node that computes with them."""
    owners = _owners(model)
    by_layer: dict[str, list[bytes]] = defaultdict(list)
    for node in model.graph:
        name = str(node.name or node.outputs[0].name)
        for value in owners.pop(node, []):
            by_layer[name].append(_bytes(value))
    for values in owners.values():  # constants that only other graphs read
        by_layer[OTHER] += [_bytes(value) for value in values]
    return dict(by_layer)


def _owners(model: ir.Model) -> dict[ir.Node | None, list[ir.Value]]:
    """Which node each initialiser is for.

    An initialiser that DequantizeLinear, Gather or Reshape unpacks is for whatever computes with
    what they give.
    """
    unpacked = {
        node
        for node in model.graph
        if node.op_type in ("DequantizeLinear", "Gather", "Reshape", "Cast", "Transpose", "Mul")
        and _is_constant(node)
    }
    found: dict[ir.Node | None, list[ir.Value]] = defaultdict(list)
    for value in model.graph.initializers.values():
        reader = _first_reader(value)
        while reader in unpacked:
            assert reader is not None
            reader = _first_reader(reader.outputs[0])
        found[reader].append(value)
    return found


def _is_constant(node: ir.Node) -> bool:
    return all(
        value is None
        or value.is_initializer()
        or (value.producer() is not None and _is_constant(value.producer()))  # type: ignore[arg-type]
        for value in node.inputs
    )


def _first_reader(value: ir.Value) -> ir.Node | None:
    return next((node for node, _ in value.uses()), None)


def _bytes(value: ir.Value) -> bytes:
    return b"" if value.const_value is None else bytes(value.const_value.tobytes())
