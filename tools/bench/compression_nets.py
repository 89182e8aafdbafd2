"""The nets that compressors are measured on, each with its data."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

import edgekit.zoo.mlperf_tiny
from edgekit.array import Array
from edgekit.bundle import PictureRule
from edgekit.compress.data import PictureFolder, open_data
from edgekit.compress.recipe import InputRecipe, Recipe
from edgekit.zoo.mlperf_tiny import (
    TinySamples,
    build_dense_autoencoder,
    build_ds_cnn,
    build_mobilenet,
    build_resnet8,
    dense_autoencoder_samples,
    ds_cnn_samples,
    mobilenet_samples,
    resnet8_samples,
)
from tools.bench.tflite_weights import tflite_weights

_CACHE = Path(__file__).resolve().parent.parent.parent / ".cache" / "bench"
_TEST = 1100
_NOTHING_SAID = Recipe()
_FRAMES, _BANDS = 5, 128

_CIFAR_10: dict[int, tuple[tuple[int, int], ...]] = {
    0: ((404, 404), (895, 895)),
    1: ((436, 436), (468, 468), (511, 511), (609, 609), (661, 661), (817, 817)),
    2: ((7, 24), (80, 100), (127, 146)),
    3: ((281, 285),),
    4: ((351, 353),),
    5: ((151, 268),),
    6: ((30, 32),),
    7: ((339, 339),),
    8: ((403, 403), (510, 510), (554, 554), (625, 625), (628, 628), (724, 724), (780, 780)),
    9: ((555, 555), (569, 569), (675, 675), (717, 717), (864, 864), (867, 867)),
}
"""The first and last of ImageNet's classes that are one of CIFAR-10's."""


@dataclass(frozen=True)
class Net:
    """A float model and what it is measured on.

    Attributes:
        name: what `--only` calls it.
        title: what it is, and on what.
        model: the ONNX file.
        data: a folder of pictures, or an `.npz`.
        recipe: what a recipe has to say of it whatever else it does.
        reconstructs: whether it is an autoencoder, which is judged by its errors.
    """

    name: str
    title: str
    model: Path
    data: Path
    recipe: Recipe = _NOTHING_SAID
    reconstructs: bool = False


Maker = Callable[[Path, Path], Net]
"""From the folder of real data and one to write to."""


def _squeezenet(data: Path, _folder: Path) -> Net:
    return Net(
        name="squeezenet",
        title="SqueezeNet 1.1, photos",
        model=_require(data / "models" / "squeezenet1.1.onnx"),
        data=_require(data / "images" / "dev"),
        recipe=Recipe(
            task="classification", input=InputRecipe(convention="caffe", resize_shorter=256)
        ),
    )


def _cifar_resnet8(data: Path, folder: Path) -> Net:
    """Trained on CIFAR-10; asked about photos of ImageNet's classes, some of which it knows."""
    weights = tflite_weights(_require(data / "mlperf_tiny" / "models" / "pretrainedResnet.tflite"))
    photos = open_data(_require(data / "images" / "dev"))
    assert isinstance(photos, PictureFolder)
    assert photos.targets is not None
    pictures = photos.samples(PictureRule(height=32, width=32)).data
    tensors = np.stack([pictures[i] for i in range(len(pictures))]).transpose(0, 3, 1, 2)
    return Net(
        name="resnet8-cifar10",
        title="ResNet-8 as trained for MLPerf Tiny, photos at 32 x 32",
        model=_saved(folder / "resnet8.onnx", build_resnet8(weights)),
        data=_arrays(folder, tensors, _cifar_classes(photos.targets)),
    )


def _ad01(data: Path, folder: Path) -> Net:
    weights = tflite_weights(_require(data / "mlperf_tiny" / "models" / "ad01_fp32.tflite"))
    recording = sorted(_require(data / "mlperf_tiny" / "inputs" / "ad01").glob("*.bin"))[0]
    frames = np.fromfile(recording, np.float32).reshape(-1, _BANDS)
    windows = np.lib.stride_tricks.sliding_window_view(frames, _FRAMES, axis=0)
    windows = windows.transpose(0, 2, 1).reshape(len(windows), -1)
    return Net(
        name="autoencoder-ad01",
        title="Dense autoencoder as trained for MLPerf Tiny, a recording of a toy car",
        model=_saved(folder / "ad01.onnx", build_dense_autoencoder(weights)),
        data=_arrays(folder, windows, np.full(len(windows), -1)),
        recipe=Recipe(task="raw"),
        reconstructs=True,
    )


_LEARNED: dict[str, tuple[str, Callable[[], ir.Model], Callable[..., TinySamples]]] = {
    "resnet8": ("ResNet-8, digits", build_resnet8, resnet8_samples),
    "ds-cnn": ("DS-CNN, digits as spectra", build_ds_cnn, ds_cnn_samples),
    "mobilenet": ("MobileNetV1 0.25, digits or none", build_mobilenet, mobilenet_samples),
    "autoencoder": (
        "Dense autoencoder, spectra of a made-up machine",
        build_dense_autoencoder,
        dense_autoencoder_samples,
    ),
}
"""Nets that learn from what edgekit has: the title, the net, and its samples."""


def _learned(name: str, _data: Path, folder: Path) -> Net:
    title, build, samples_of = _LEARNED[name]
    samples = samples_of(training=0, test=_TEST)
    reconstructs = name == "autoencoder"
    return Net(
        name=name,
        title=title,
        model=_built(name, build),
        data=_arrays(folder, samples.test, samples.targets),
        recipe=Recipe(task="raw") if reconstructs else _NOTHING_SAID,
        reconstructs=reconstructs,
    )


NETS: dict[str, Maker] = {
    "squeezenet": _squeezenet,
    "resnet8-cifar10": _cifar_resnet8,
    "autoencoder-ad01": _ad01,
    **{name: partial(_learned, name) for name in _LEARNED},
}


def _require(path: Path) -> Path:
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there")
    return path


def _saved(path: Path, model: ir.Model) -> Path:
    onnx.save(ir.to_proto(model), path)
    return path


def _arrays(folder: Path, samples: Array, targets: Array) -> Path:
    path = folder / "samples.npz"
    np.savez(path, x=samples.astype(np.float32), y=targets.astype(np.int64))
    return path


def _built(name: str, build: Callable[[], ir.Model]) -> Path:
    """The net as it learned, from the last time if nothing about that has changed."""
    folder = Path(edgekit.zoo.mlperf_tiny.__file__).parent
    source = b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))
    path = _CACHE / f"{name}-{hashlib.sha256(source).hexdigest()[:16]}.onnx"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _saved(path, build())
    return path


def _cifar_classes(imagenet: Array) -> Array:
    """CIFAR-10's class of each of ImageNet's, -1 where it has none: int64 `[N]`."""
    classes = np.full(len(imagenet), -1, np.int64)
    for number, ranges in _CIFAR_10.items():
        for first, last in ranges:
            classes[(imagenet >= first) & (imagenet <= last)] = number
    return classes
