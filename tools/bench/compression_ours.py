"""edgekit as the comparison of compressors runs it: a process of its own for each recipe."""

import sys
from pathlib import Path

import msgspec

from edgekit.compress import Recipe, compress_model
from tools.bench.compression_nets import Net
from tools.bench.compression_peers import Taken, taken_by
from tools.bench.peers.job import measured

_INT8 = """
formats = ["onnx", "tflite"]
[[steps]]
do = "quantize"
"""
_FULL_RANGE = _INT8 + "full_range = true\n"
_SLIM = """
formats = ["onnx", "tflite"]
[[steps]]
do = "slim"
keep_macs = 0.66
[[steps]]
do = "quantize"
"""
_SIZES = {
    "squeezenet": ("640 kB", "560 kB", "481280 B"),
    "resnet8-cifar10": ("50 kB", "35 kB"),
    "autoencoder-ad01": ("120 kB",),
}


def recipes_for(net: str) -> tuple[tuple[str, str], ...]:
    """What to call each row of a net, and the recipe in TOML, less what the net says of itself."""
    sized = [
        (f"edgekit, INT8 in {size}", f'{_FULL_RANGE}size = "{size}"\n')
        for size in _SIZES.get(net, ())
    ]
    return (
        ("edgekit, INT8", _INT8),
        ("edgekit, INT8, all 8 bits of the weights", _FULL_RANGE),
        *sized,
        ("edgekit, slimmed to 66 % of the MACs, INT8", _SLIM),
    )


class _Order(msgspec.Struct):
    model: Path
    data: Path
    recipe: Recipe
    out: Path


def compress(net: Net, toml: str, out: Path) -> Taken:
    """Makes a bundle at `out`; what it took includes measuring it and writing its report.

    Raises:
        LeftOut: it failed.
    """
    recipe = msgspec.toml.decode(toml, type=Recipe)
    recipe = msgspec.structs.replace(recipe, task=net.recipe.task, input=net.recipe.input)
    order = _Order(net.model, net.data, recipe, out)
    encoded = msgspec.json.encode(order, enc_hook=str).decode()
    return taken_by(Path(sys.executable), __spec__.name, encoded, out)


def _path(_kind: type, value: object) -> Path:
    return Path(str(value))


if __name__ == "__main__":
    given = msgspec.json.decode(sys.argv[1], type=_Order, dec_hook=_path)
    with measured(str(given.out)):
        compress_model(given.model, data=given.data, out=given.out, recipe=given.recipe)
