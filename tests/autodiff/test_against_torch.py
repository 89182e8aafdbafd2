"""The same gradients as PyTorch's autograd, where PyTorch is installed; nothing else needs it."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.autodiff import gradients
from edgekit.zoo.squeezenet import build_squeezenet, weights_of
from tests.autodiff.cases import CASES
from tests.autodiff.differences import model_of, normal, run

torch = pytest.importorskip("torch", reason="PyTorch is not installed: it is only a peer")
functional = pytest.importorskip("torch.nn.functional", reason="PyTorch is not installed")


def recurrent(kind: str, gates: Sequence[int]) -> Callable[..., Any]:
    """PyTorch's layer with ONNX's weights, whose gates come in another order."""

    def run(x: Any, w: Any, r: Any, b: Any) -> Any:
        peer = getattr(torch.nn, kind)(3, 4, bidirectional=True)
        weights = {}
        for index, end in enumerate(("", "_reverse")):
            halves = b[index].chunk(2)
            for name, value in zip(
                ("weight_ih", "weight_hh", "bias_ih", "bias_hh"),
                (w[index], r[index], *halves),
                strict=True,
            ):
                parts = value.chunk(len(gates))
                weights[f"{name}_l0{end}"] = torch.cat([parts[gate] for gate in gates])
        y, _ = torch.func.functional_call(peer, weights, x)
        return y.reshape(5, 2, 2, 4).transpose(1, 2)

    return run


def normalised(x: Any, *channels: Any) -> Any:
    """Batch normalisation in inference; PyTorch's own does not differentiate by its statistics."""
    scale, bias, mean, variance = (value[:, None] for value in channels)
    return (x - mean) / torch.sqrt(variance + 1e-5) * scale + bias


def learned_scale(x: Any, scale: Any) -> Any:
    """PyTorch's learned step size quantisation, for one scale or one a channel."""
    if scale.ndim:
        zeros = torch.zeros(3)
        quantise = torch._fake_quantize_learnable_per_channel_affine
        return quantise(x, scale, zeros, 1, -128, 127, 1.0)
    quantise = torch._fake_quantize_learnable_per_tensor_affine
    return quantise(x, scale.reshape(1), torch.zeros(1), -128, 127, 1.0)


PEERS: dict[str, Callable[..., Any]] = {
    "Abs": torch.abs,
    "Add": torch.add,
    "AveragePool": lambda x: functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "BatchNormalization": normalised,
    "BatchNormalization in training": lambda x, w, b: functional.batch_norm(
        x, None, None, w, b, training=True
    ),
    "Clip at its limits": lambda x: torch.clamp(x, 0, 2),
    "Concat": lambda *values: torch.cat(values, 1),
    "Conv": lambda x, w, b: functional.conv2d(x, w, b, (2, 1), (1, 2), (1, 2), 2),
    "Conv, depthwise": lambda x, w: functional.conv2d(x, w, groups=4),
    "Conv, few outputs": lambda x, w: functional.conv2d(x, w, padding=1),
    "Conv, of rows": lambda x, w: functional.conv1d(x, w, None, 3, 2),
    "ConvTranspose": lambda x, w, b: functional.conv_transpose2d(x, w, b, 2, 1, 1, 2),
    "Cos": torch.cos,
    "Div": torch.div,
    "Elu": functional.elu,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Expand": lambda x: x.expand(2, 3, 4),
    "Flatten": lambda x: x.flatten(1),
    "GRU": recurrent("GRU", (1, 0, 2)),
    "Gather": lambda x: x[:, [0, 2, 2, -1]],
    "GatherElements": lambda x: torch.gather(x, 0, torch.tensor([[0, 0], [1, 0]])),
    "Gelu": functional.gelu,
    "Gelu, tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "Gemm": functional.linear,
    "GlobalAveragePool": lambda x: x.mean((2, 3), keepdim=True),
    "GlobalMaxPool with ties": lambda x: functional.adaptive_max_pool2d(x, 1),
    "HardSigmoid": functional.hardsigmoid,
    "HardSwish": functional.hardswish,
    "Identity": lambda x: x * 1,
    "InstanceNormalization": lambda x, w, b: functional.instance_norm(x, None, None, w, b),
    "LSTM": recurrent("LSTM", (0, 2, 3, 1)),
    "LayerNormalization": lambda x, w, b: functional.layer_norm(x, (5,), w, b),
    "LeakyRelu": functional.leaky_relu,
    "Log": torch.log,
    "LogSoftmax": lambda x: torch.log_softmax(x, -1),
    "MatMul": torch.matmul,
    "Max": torch.maximum,
    "MaxPool with ties": lambda x: functional.max_pool2d(x, 3, 2),
    "MaxPool with ties and pads": lambda x: functional.max_pool2d(
        x, (3, 2), (1, 2), 1, ceil_mode=True
    ),
    "Min": torch.minimum,
    "Mul": torch.mul,
    "Neg": torch.neg,
    "PRelu": lambda x, slope: functional.prelu(x, slope.flatten()),
    "Pad": lambda x: functional.pad(x, (1, 2)),
    "Pow": torch.pow,
    "Reciprocal": torch.reciprocal,
    "ReduceL2": lambda x: torch.linalg.vector_norm(x, dim=-1, keepdim=True),
    "ReduceMax with ties": lambda x: torch.amax(x, (1, 2), keepdim=True),
    "ReduceMean": lambda x: x.mean(1),
    "ReduceMin with ties": lambda x: torch.amin(x, (1, 2), keepdim=True),
    "ReduceSum": lambda x: x.sum((0, 2), keepdim=True),
    "Relu": functional.relu,
    "Relu at 0": functional.relu,
    "Reshape": lambda x: x.reshape(2, -1),
    "Resize, linear": lambda x: functional.interpolate(x, scale_factor=2, mode="bilinear"),
    "Resize, nearest": lambda x: functional.interpolate(x, scale_factor=(2, 3)),
    "Sigmoid": torch.sigmoid,
    "Sin": torch.sin,
    "Slice": lambda x: x.flip(1)[:, [1, 3]],
    "Softmax": lambda x: torch.softmax(x, -1),
    "Softplus": functional.softplus,
    "Split": lambda x: x[:, 1:3] ** 2,
    "Sqrt": torch.sqrt,
    "Squeeze": lambda x: x.squeeze(1),
    "Sub": torch.sub,
    "Sum": torch.add,
    "Tanh": torch.tanh,
    "Transpose": lambda x: x.permute(2, 0, 1),
    "Unsqueeze": lambda x: x.unsqueeze(1),
    "Where": lambda x, y: torch.where(torch.tensor([True, False, True]), x, y),
    "a learned scale": learned_scale,
    "learned scales by channel": learned_scale,
}


@pytest.mark.parametrize("name", CASES)
def test_an_operator_has_the_gradients_that_torch_gives_it(name: str) -> None:
    net, arrays, opset = CASES[name]
    inputs = {str(number): array for number, array in enumerate(arrays)}
    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    y = PEERS[name](*tensors)
    dy = normal(*y.shape, seed=9)
    wanted = torch.autograd.grad(y, tensors, torch.tensor(dy))
    model = gradients(model_of(net, inputs, opset=opset), "y", list(inputs), seed="dy")
    found = run(model, {**inputs, "dy": dy})
    np.testing.assert_allclose(found["y"], y.detach(), rtol=1e-5, atol=1e-5)
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
