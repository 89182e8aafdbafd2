"""The same model trained by PyTorch: its graph is run by `torch.nn.functional`."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import onnx_ir as ir

from edgekit.array import Array
from edgekit.graph.match import ints_of
from edgekit.train.optimizers import Adam, Optimizer, Sgd

Tensors = dict[str, Any]


class TorchTrainer:
    """Takes steps of training in PyTorch, on one thread, from a model's own weights.

    Args:
        model: of Add, BatchNormalization, Concat, Conv, Flatten, Gemm, GlobalAveragePool, MaxPool,
            Relu, and perhaps a Softmax at its end, which becomes part of the loss.
        optimizer: `Adam` or `Sgd`, of which PyTorch has its own.
        rate: the learning rate.
    """

    def __init__(self, model: ir.Model, optimizer: Optimizer, rate: float) -> None:
        torch = import_module("torch")
        torch.set_num_threads(1)
        self._torch = torch
        self._held: Tensors = {
            str(name): torch.tensor(value.const_value.numpy())
            for name, value in model.graph.initializers.items()
            if value.const_value is not None
        }
        self._nodes = [(node, _operator(torch, node)) for node in model.graph]
        self._input = str(model.graph.inputs[0].name)
        self._output = str(model.graph.outputs[0].name)
        if self._nodes[-1][0].op_type == "Softmax":
            self._output = str(self._nodes.pop()[0].inputs[0].name)  # type: ignore[union-attr]
        running = {
            str(value.name)
            for node in model.graph
            if node.op_type == "BatchNormalization"
            for value in node.inputs[3:5]
            if value is not None
        }
        learned = [t.requires_grad_() for name, t in self._held.items() if name not in running]
        self._optimizer = _optimizer(torch, optimizer, learned, rate)

    def run(self, x: Array, target: Array | None = None) -> float:
        """Takes a step; the mean loss before it. Without a target the input is to be rebuilt."""
        functional = self._torch.nn.functional
        given = self._torch.from_numpy(x)
        self._optimizer.zero_grad()
        answer = self._answer(given)
        if target is None:
            loss = functional.mse_loss(answer, given)
        else:
            loss = functional.cross_entropy(answer, self._torch.from_numpy(target))
        loss.backward()
        self._optimizer.step()
        return float(loss.item())

    def answer(self, x: Array) -> Array:
        """What the model says."""
        with self._torch.no_grad():
            found: Array = self._answer(self._torch.from_numpy(x)).numpy()
        return found

    def _answer(self, given: Any) -> Any:
        values: Tensors = {**self._held, self._input: given}
        for node, run in self._nodes:
            operands = [values[str(value.name)] for value in node.inputs if value is not None]
            values[str(node.outputs[0].name)] = run(*operands)
        return values[self._output]


def _operator(torch: Any, node: ir.Node) -> Callable[..., Any]:
    functional = torch.nn.functional
    strides = list(ints_of(node, "strides") or [1, 1])
    pads = list((ints_of(node, "pads") or [0] * 4)[:2])
    kernel = list(ints_of(node, "kernel_shape") or [])
    operators: Mapping[str, Callable[..., Any]] = {
        "Add": torch.add,
        "BatchNormalization": lambda x, scale, bias, mean, variance: functional.batch_norm(
            x, mean, variance, scale, bias, training=True
        ),
        "Concat": lambda *parts: torch.cat(parts, 1),
        "Conv": lambda x, weight, bias=None: functional.conv2d(x, weight, bias, strides, pads),
        "Flatten": lambda x: x.flatten(1),
        "Gemm": lambda x, weight, bias: torch.addmm(bias, x, weight),
        "GlobalAveragePool": lambda x: functional.adaptive_avg_pool2d(x, 1),
        "MaxPool": lambda x: functional.max_pool2d(x, kernel, strides, pads),
        "Relu": functional.relu,
        "Softmax": lambda x: functional.softmax(x, 1),
    }
    return operators[node.op_type]


def _optimizer(torch: Any, optimizer: Optimizer, learned: Sequence[Any], rate: float) -> Any:
    if isinstance(optimizer, Adam):
        return torch.optim.Adam(learned, lr=rate)
    assert isinstance(optimizer, Sgd)
    return torch.optim.SGD(learned, lr=rate, momentum=optimizer.momentum)
