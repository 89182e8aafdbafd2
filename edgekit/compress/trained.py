"""A trained model with all that a bundle has to say of it: what compression starts from."""

from dataclasses import dataclass, field

import onnx_ir as ir

from edgekit.bundle import InputSpec, OutputSpec, Thresholds
from edgekit.bundle.manifest import Task


@dataclass(frozen=True)
class TrainedModel:
    """A float model whose graph already holds its preprocessing and its head.

    Attributes:
        name: what the bundle will be called.
        model: the graph; its inputs and outputs are those that `input` and `output` describe.
        task: what it is for.
        input: the tensor it takes, and how a sample becomes that tensor.
        output: the tensor that is its answer.
        labels: one label a class, in class order.
        thresholds: for an anomaly model.
        facts: what is worth telling a person about how it was made, by what it is called.
        training: files with which a board can go on training it, for the bundle's folder `train`.
    """

    name: str
    model: ir.Model
    task: Task
    input: InputSpec
    output: OutputSpec
    labels: tuple[str, ...] = ()
    thresholds: Thresholds | None = None
    facts: dict[str, str | float] = field(default_factory=dict)
    training: dict[str, bytes] = field(default_factory=dict)
