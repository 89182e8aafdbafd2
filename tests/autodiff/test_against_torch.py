"""The same gradients as PyTorch's autograd, where PyTorch is installed; nothing else needs it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.array import Array
from edgekit.autodiff import gradients
from edgekit.zoo.squeezenet import build_squeezenet, weights_of
from tests.autodiff.differences import Net, model_of, normal, run

torch = pytest.importorskip("torch", reason="PyTorch is not installed: it is only a peer")
functional = pytest.importorskip("torch.nn.functional", reason="PyTorch is not installed")


def op(kind: str, **attributes: Any) -> Net:
    return lambda build, *values: build.op(kind, *values, **attributes)


def quantised(*shape: int) -> Array:
    """Numbers of which many are equal, and many 0."""
    return np.maximum(np.round(normal(*shape) * 2), 0).astype(np.float32)


CASES: dict[str, tuple[Net, Callable[..., Any], list[Array]]] = {
    "conv": (
        op("Conv", strides=[2, 1], pads=[1, 2, 1, 2], dilations=[1, 2], group=2),
        lambda x, w, b: functional.conv2d(x, w, b, (2, 1), (1, 2), (1, 2), 2),
        [normal(3, 4, 9, 8), normal(6, 2, 3, 3, seed=1), normal(6, seed=2)],
    ),
    "conv of rows": (
        op("Conv", strides=[3], pads=[2, 2]),
        lambda x, w: functional.conv1d(x, w, None, 3, 2),
        [normal(2, 20, 11), normal(5, 20, 5, seed=1)],
    ),
    "transposed conv": (
        op("ConvTranspose", strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1], group=2),
        lambda x, w, b: functional.conv_transpose2d(x, w, b, 2, 1, 1, 2),
        [normal(2, 4, 5, 4), normal(4, 3, 3, 3, seed=1), normal(6, seed=2)],
    ),
    "max pool with ties": (
        op("MaxPool", kernel_shape=[3, 3], strides=[2, 2]),
        lambda x: functional.max_pool2d(x, 3, 2),
        [quantised(3, 4, 9, 11)],
    ),
    "max pool with ties and pads": (
        op("MaxPool", kernel_shape=[3, 2], strides=[1, 2], pads=[1, 1, 1, 1], ceil_mode=1),
        lambda x: functional.max_pool2d(x, (3, 2), (1, 2), 1, ceil_mode=True),
        [quantised(2, 2, 7, 8)],
    ),
    "average pool": (
        op("AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        lambda x: functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        [normal(2, 3, 8, 8)],
    ),
    "layer norm": (
        op("LayerNormalization", axis=-1),
        lambda x, w, b: functional.layer_norm(x, (5,), w, b),
        [normal(2, 3, 5), normal(5, seed=1), normal(5, seed=2)],
    ),
    "hard swish": (op("HardSwish"), functional.hardswish, [3 * normal(4, 5)]),
    "relu at 0": (op("Relu"), functional.relu, [quantised(4, 5)]),
    "clip at its limits": (
        lambda build, x: build.op("Clip", x, 0.0, 2.0),
        lambda x: torch.clamp(x, 0, 2),
        [quantised(4, 5)],
    ),
    "gather": (
        lambda build, x: build.op("Gather", x, np.array([0, 2, 2, -1]), axis=1),
        lambda x: x[:, [0, 2, 2, -1]],
        [normal(3, 4, 2)],
    ),
    "resize": (
        lambda build, x: build.op(
            "Resize", x, None, np.array([1, 1, 2, 2], np.float32), mode="linear"
        ),
        lambda x: functional.interpolate(x, scale_factor=2, mode="bilinear"),
        [normal(2, 3, 4, 5)],
    ),
    "gemm": (
        op("Gemm", transB=1),
        lambda x, w, b: functional.linear(x, w, b),
        [normal(4, 3), normal(5, 3, seed=1), normal(5, seed=2)],
    ),
    "log softmax": (op("LogSoftmax"), lambda x: torch.log_softmax(x, -1), [normal(3, 5)]),
}


@pytest.mark.parametrize("name", CASES)
def test_an_operator_has_the_gradients_that_torch_gives_it(name: str) -> None:
    net, peer, arrays = CASES[name]
    inputs = {str(number): array for number, array in enumerate(arrays)}
    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    y = peer(*tensors)
    dy = normal(*y.shape, seed=9)
    wanted = torch.autograd.grad(y, tensors, torch.tensor(dy))
    model = gradients(model_of(net, inputs), "y", list(inputs), seed="dy")
    found = run(model, {**inputs, "dy": dy})
    np.testing.assert_allclose(found["y"], y.detach(), atol=1e-5)
    for key, slope in zip(inputs, wanted, strict=True):
        np.testing.assert_allclose(found[f"grad({key})"], slope, rtol=1e-4, atol=1e-5)


def squeezenet_in_torch(x: Any, weights: list[tuple[Any, Any]]) -> Any:
    """SqueezeNet 1.1's logits."""
    queue = iter(weights)

    def conv(value: Any, **how: Any) -> Any:
        return functional.relu(functional.conv2d(value, *next(queue), **how))

    value = functional.max_pool2d(conv(x, stride=2), 3, 2)
    for number in range(8):
        squeezed = conv(value)
        value = torch.cat([conv(squeezed), conv(squeezed, padding=1)], dim=1)
        if number in (1, 3):
            value = functional.max_pool2d(value, 3, 2)
    return conv(value).mean(dim=(2, 3))


def test_squeezenet_has_the_gradients_that_torch_gives_it() -> None:
    model = build_squeezenet(classes=10, size=64)
    weights = weights_of(model)
    names = [
        value.name
        for node in model.graph
        if node.op_type == "Conv"
        for value in node.inputs[1:]
        if value is not None
    ]
    # biases of 0 are one constant that all Convs share; to torch they are 26
    kernels = [str(name) for name in names if len(model.graph.initializers[str(name)].shape) > 1]
    x, label = normal(1, 3, 64, 64), np.eye(10, dtype=np.float32)[[3]]
    target = ir.Value(name="label", shape=ir.Shape((1, 10)), type=ir.TensorType(ir.DataType.FLOAT))
    model.graph.inputs.append(target)
    value = model.graph.outputs[0]
    for kind, *more in (("Log",), ("Mul", target), ("ReduceSum",), ("Neg",)):
        node = ir.node(kind, [value, *more])
        model.graph.append(node)
        value = node.outputs[0]
    value.name = "loss"
    value.type = target.type
    model.graph.outputs.append(value)

    found = run(gradients(model, "loss", [*kernels, "data"]), {"data": x, "label": label})
    tensors = [tuple(torch.tensor(array, requires_grad=True) for array in pair) for pair in weights]
    picture = torch.tensor(x, requires_grad=True)
    logits = squeezenet_in_torch(picture, tensors)
    peer = functional.cross_entropy(logits, torch.tensor([3]))
    slopes = torch.autograd.grad(peer, [*(pair[0] for pair in tensors), picture])
    for name, slope in zip([*kernels, "data"], slopes, strict=True):
        error = np.abs(found[f"grad({name})"] - slope.numpy()).max() / np.abs(slope.numpy()).max()
        assert error < 1e-4, name
