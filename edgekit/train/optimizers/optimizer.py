"""What all optimisers share: clipping, penalties, decay, and how tensors are put together."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgekit.train.bounds import NotNegative, Positive
from edgekit.train.building import StepBuilder, known_shape

SMALL = 16384
"""Parameters of fewer numbers are updated as parts of one vector: a node costs more than they.

A step of a 64-32-10 perceptron takes 38 us instead of 52 with Adam, and no longer with SGD."""


@dataclass(frozen=True, kw_only=True)
class Optimizer(ABC):
    """Follows the gradient; a subclass says how.

    Attributes:
        clip_norm: the longest that the gradient of all parameters together may be; it is
            shortened to that. Pascanu et al., 2013, arXiv:1211.5063.
        l1: times the sign of each parameter is added to its gradient, after clipping.
        l2: times each parameter is added to its gradient, after clipping.
        decay: times the learning rate is the share of each parameter that is taken off,
            whatever its gradient. Loshchilov and Hutter, 2019, arXiv:1711.05101.
    """

    clip_norm: Positive | None = None
    l1: NotNegative = 0.0
    l2: NotNegative = 0.0
    decay: NotNegative = 0.0

    def following(
        self,
        build: StepBuilder,
        parameters: Sequence[ir.Value],
        gradients: Sequence[ir.Value],
        rate: ir.Value,
    ) -> list[ir.Value]:
        """Appends an update to a graph.

        Args:
            build: appends nodes, and inputs for the state.
            parameters: float32, of static shapes.
            gradients: of each parameter.
            rate: the learning rate, float32 `[]`.

        Returns:
            What each parameter is in the next step.
        """
        found: dict[ir.Value, ir.Value] = {}
        groups = [
            _Group(build, members)
            for members in _grouped(list(zip(parameters, gradients, strict=True)))
        ]
        slopes = [group.gradient for group in groups]
        if self.clip_norm is not None:
            slopes = _clipped(build, slopes, self.clip_norm)
        common = self.common(build, rate)
        kept = build.op("Sub", 1.0, build.op("Mul", rate, self.decay)) if self.decay else None
        for number, (group, slope) in enumerate(zip(groups, slopes, strict=True)):
            weights = group.weights
            if self.l2:
                slope = build.op("Add", slope, build.op("Mul", weights, self.l2))
            if self.l1:
                sign = build.op("Sign", weights)
                slope = build.op("Add", slope, build.op("Mul", sign, self.l1))
            state = State(build, number, group.shape)
            change = self.change(build, slope, state, common)
            if kept is not None:
                weights = build.op("Mul", weights, kept)
            found |= group.apart(build.op("Sub", weights, change))
        return [found[parameter] for parameter in parameters]

    def common(self, build: StepBuilder, rate: ir.Value) -> Sequence[ir.Value]:
        """What is computed once a step, for `change`."""
        return [rate]

    @abstractmethod
    def change(
        self, build: StepBuilder, slope: ir.Value, state: "State", common: Sequence[ir.Value]
    ) -> ir.Value:
        """What is to be taken off some parameters.

        Args:
            build: appends nodes.
            slope: their gradient.
            state: gives tensors of their shape that last from step to step.
            common: what `common` gave.
        """


@dataclass(frozen=True)
class State:
    """Makes the tensors of one group of parameters that last from step to step."""

    build: StepBuilder
    number: int
    shape: tuple[int, ...]

    def __call__(self, name: str) -> ir.Value:
        """A tensor of the group's shape, zero before the first step."""
        return self.build.carried(f"{name}.{self.number}", self.shape)


class _Group:
    """Some parameters as one vector, or one parameter as it is.

    One whose last axis is 1, as of a Conv of one position, is a vector too: onnxruntime takes 100
    times as long for an operation of it and a scalar.
    """

    def __init__(self, build: StepBuilder, members: Sequence[tuple[ir.Value, ir.Value]]) -> None:
        self._build = build
        self._members = [parameter for parameter, _ in members]
        shape = known_shape(self._members[0])
        self._is_vector = len(members) > 1 or shape[-1:] == (1,)
        self.shape = (sum(map(_size, self._members)),) if self._is_vector else shape
        self.weights = self._joined(self._members)
        self.gradient = self._joined([gradient for _, gradient in members])

    def apart(self, vector: ir.Value) -> dict[ir.Value, ir.Value]:
        """The part of the vector that belongs to each parameter."""
        if not self._is_vector:
            return {self._members[0]: vector}
        build, sizes = self._build, [_size(value) for value in self._members]
        parts: Sequence[ir.Value] = [vector]
        if len(sizes) > 1:
            parts = build.op_many("Split", vector, sizes, outputs=len(sizes), axis=0)
        return {
            value: part
            if len(known_shape(value)) == 1
            else build.op("Reshape", part, list(known_shape(value)))
            for value, part in zip(self._members, parts, strict=True)
        }

    def _joined(self, values: Sequence[ir.Value]) -> ir.Value:
        if not self._is_vector:
            return values[0]
        flat = [
            value if len(known_shape(value)) == 1 else self._build.op("Reshape", value, [-1])
            for value in values
        ]
        return flat[0] if len(flat) == 1 else self._build.op("Concat", *flat, axis=0)


def _grouped(
    pairs: Sequence[tuple[ir.Value, ir.Value]],
) -> Iterator[Sequence[tuple[ir.Value, ir.Value]]]:
    small = [pair for pair in pairs if _size(pair[0]) < SMALL]
    if small:
        yield small
    for pair in pairs:
        if _size(pair[0]) >= SMALL:
            yield [pair]


def _clipped(build: StepBuilder, gradients: Sequence[ir.Value], longest: float) -> list[ir.Value]:
    squares = [build.op("ReduceSumSquare", value, keepdims=0) for value in gradients]
    total = squares[0] if len(squares) == 1 else build.op("Sum", *squares)
    norm = build.op("Add", build.op("Sqrt", total), 1e-6)
    factor = build.op("Min", build.op("Div", longest, norm), 1.0)
    return [build.op("Mul", value, factor) for value in gradients]


def _size(value: ir.Value) -> int:
    return math.prod(known_shape(value))
