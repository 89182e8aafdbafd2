"""Times a Conv's forward and gradients: ours in onnxruntime, PyTorch's, and onnx-ad's.

`python -m tools.bench.gradients [--threads 1] [--rounds 20]`. Peers that are not installed are left
out, and so is what a peer refuses. All of them take turns in one run; a figure is the median, with
the spread from the first to the third quartile. More threads than one need idle cores.
"""

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import click
import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort

from edgekit.array import Array
from edgekit.autodiff import gradients
from edgekit.graph.build import GraphBuilder
from edgekit.graph.edit import infer_shapes, prune_unused

Run = Callable[[], Any]
PARTS = ("forward", "by input", "by weights")
QUARTILES = (50, 25, 75)
REST_S = 0.005
RUNS = 3


@dataclass(frozen=True)
class Layer:
    """A Conv: batch, channels in and out, the input's side, the kernel's, stride, pads, groups."""

    net: str
    batch: int
    depth: int
    out: int
    side: int
    kernel: int
    stride: int = 1
    pad: int = 0
    group: int = 1

    @property
    def title(self) -> str:
        """As a row is called."""
        more = f" /{self.stride}" * (self.stride > 1) + f" g{self.group}" * (self.group > 1)
        kernel = f"{self.kernel}x{self.kernel}"
        return f"{self.net} {self.batch}x{self.depth}x{self.side}^2 > {self.out}, {kernel}{more}"

    @property
    def attributes(self) -> dict[str, Any]:
        """Of the ONNX node."""
        return {
            "kernel_shape": [self.kernel] * 2,
            "strides": [self.stride] * 2,
            "pads": [self.pad] * 4,
            "group": self.group,
        }


LAYERS = (
    Layer("SqueezeNet", 8, 3, 64, 64, 3, 2),
    Layer("SqueezeNet", 8, 64, 16, 15, 1),
    Layer("SqueezeNet", 8, 16, 64, 15, 1),
    Layer("SqueezeNet", 8, 16, 64, 15, 3, 1, 1),
    Layer("SqueezeNet", 8, 32, 128, 7, 3, 1, 1),
    Layer("SqueezeNet", 8, 384, 48, 3, 1),
    Layer("SqueezeNet", 8, 48, 192, 3, 3, 1, 1),
    Layer("SqueezeNet", 8, 512, 1000, 3, 1),
    Layer("ResNet-8", 32, 3, 16, 32, 3, 1, 1),
    Layer("ResNet-8", 32, 16, 16, 32, 3, 1, 1),
    Layer("ResNet-8", 32, 16, 32, 32, 3, 2, 1),
    Layer("ResNet-8", 32, 16, 32, 32, 1, 2),
    Layer("ResNet-8", 32, 32, 32, 16, 3, 1, 1),
    Layer("ResNet-8", 32, 64, 64, 8, 3, 1, 1),
    Layer("LeNet", 32, 1, 6, 28, 5, 1, 2),
    Layer("LeNet", 32, 6, 16, 14, 5),
    Layer("MobileNet", 8, 64, 64, 24, 3, 1, 1, 64),
    Layer("MobileNet", 8, 64, 64, 24, 3, 2, 1, 64),
)


@click.command()
@click.option("--threads", default=1, show_default=True)
@click.option("--rounds", default=20, show_default=True)
def main(threads: int, rounds: int) -> None:
    """Measures every layer, and prints Markdown."""
    makers = {"edgekit": _ours}
    for module, name, maker in (("torch", "torch", _torch), ("onnx_ad", "onnx-ad", _onnx_ad)):
        if importlib.util.find_spec(module) is None:
            click.echo(f"{name} is left out: it is not installed", err=True)
        else:
            makers[f"{name} {version(name)}"] = maker
    click.echo(f"onnxruntime {ort.__version__}, {threads} threads, {rounds} rounds, ms\n")
    click.echo("| layer | part | " + " | ".join(makers) + " | edgekit / first peer |")
    click.echo("| --- | --- |" + " ---: |" * (len(makers) + 1))
    ratios: dict[str, list[float]] = {part: [] for part in PARTS}
    for layer in LAYERS:
        jobs = {name: make(layer, threads) for name, make in makers.items()}
        for part in PARTS:
            times = _times([job.get(part) for job in jobs.values()], rounds)
            ratio = ""
            if len(times) > 1 and times[0] is not None and times[1] is not None:
                ratios[part].append(times[0][0] / times[1][0])
                ratio = f"{ratios[part][-1]:.2f}"
            click.echo(f"| {layer.title} | {part} | {' | '.join(map(_cell, times))} | {ratio} |")
    for part, found in ratios.items():
        if found:
            mean = np.exp(np.mean(np.log(found)))
            click.echo(f"| geometric mean | {part} |{' |' * len(makers)} {mean:.2f} |")


def _times(jobs: list[Run | None], rounds: int) -> list[Array | None]:
    """For each job median and quartiles, in ms; the jobs take turns.

    A turn begins with a rest, in which the threads of the job before stop spinning, and a run that
    does not count.
    """
    found: list[list[float]] = [[] for _ in jobs]
    for _ in range(rounds):
        for job, times in zip(jobs, found, strict=True):
            if job is None:
                continue
            time.sleep(REST_S)
            job()
            for _ in range(RUNS):
                start = time.perf_counter()
                job()
                times.append(1e3 * (time.perf_counter() - start))
    return [np.percentile(times, QUARTILES) if times else None for times in found]


def _cell(times: Array | None) -> str:
    if times is None:
        return ""
    return "{:.3f} ({:.3f}-{:.3f})".format(*times)


def _arrays(layer: Layer) -> dict[str, Array]:
    rng = np.random.default_rng(0)
    count = (layer.side + 2 * layer.pad - layer.kernel) // layer.stride + 1
    shapes = {
        "x": (layer.batch, layer.depth, layer.side, layer.side),
        "w": (layer.out, layer.depth // layer.group, layer.kernel, layer.kernel),
        "dy": (layer.batch, layer.out, count, count),
    }
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def _conv(layer: Layer) -> ir.Model:
    """The layer with both operands given as inputs, as in a training step."""
    arrays, build = _arrays(layer), GraphBuilder("conv")
    x, w = (build.input(name, np.float32, arrays[name].shape) for name in ("x", "w"))
    y = build.op("Conv", x, w, **layer.attributes)
    return infer_shapes(build.finish(y=(y, np.float32, arrays["dy"].shape)))


def _session(model: onnx.ModelProto, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    return ort.InferenceSession(model.SerializeToString(), options)


def _job(model: onnx.ModelProto, arrays: dict[str, Array], threads: int) -> Run:
    session = _session(model, threads)
    feeds = {value.name: arrays[value.name] for value in session.get_inputs()}
    return lambda: session.run(None, feeds)


def _ours(layer: Layer, threads: int) -> dict[str, Run]:
    arrays, model = _arrays(layer), _conv(layer)
    jobs = {"forward": _job(ir.to_proto(model), arrays, threads)}
    for part, name in (("by input", "x"), ("by weights", "w")):
        found = gradients(model, "y", [name], seed="dy")
        del found.graph.outputs[0]
        prune_unused(found)
        jobs[part] = _job(ir.to_proto(found), arrays, threads)
    return jobs


def _torch(layer: Layer, threads: int) -> dict[str, Run]:
    import torch

    torch.set_num_threads(threads)
    x, w, dy = (torch.tensor(array) for array in _arrays(layer).values())
    pair = [[number] * 2 for number in (layer.stride, layer.pad, 1)]

    def back(*mask: bool) -> Run:
        return lambda: torch.ops.aten.convolution_backward(
            dy, x, w, None, *pair, False, [0, 0], layer.group, [*mask, False]
        )

    return {
        "forward": lambda: torch.nn.functional.conv2d(x, w, None, *pair, layer.group),
        "by input": back(True, False),
        "by weights": back(False, True),
    }


def _onnx_ad(layer: Layer, threads: int) -> dict[str, Run]:
    import onnx_ad

    arrays, model = _arrays(layer), ir.to_proto(_conv(layer))
    arrays["adj_y"] = arrays["dy"][..., np.newaxis]
    jobs = {}
    for part, name in (("by input", "x"), ("by weights", "w")):
        try:
            found = ir.from_proto(onnx_ad.reverse(model, inputs=[name], layout="onnx"))
        except onnx_ad.UnsupportedOperator:
            continue
        del found.graph.outputs[0]
        prune_unused(found)
        jobs[part] = _job(ir.to_proto(found), arrays, threads)
    return jobs


if __name__ == "__main__":
    main()
