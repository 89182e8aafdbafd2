"""Lowers the integer part of a TFLite file, and gives each of its tensors a place in memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from edgekit.bundle import Manifest
from edgekit.convert.c.answer import Answer, Head, find_answer
from edgekit.convert.c.arena import Lifetime, plan
from edgekit.convert.c.entry import Entry, find_entry, prepare_body
from edgekit.convert.c.lookup import lookup
from edgekit.convert.c.lowering import Lowering, interleaved
from edgekit.convert.c.operators import lower, require_int8
from edgekit.convert.c.program import Program, Step
from edgekit.convert.c.reading import Network, Operator, Tensor, read_network
from edgekit.errors import UnsupportedModel

_REAL_MAX = "3.40282347e+38f"


@dataclass(frozen=True)
class CModel:
    """A network that is ready to be written as C.

    Attributes:
        entry: how a reading becomes the first int8.
        answer: what becomes of the last.
        program: the constants and steps between the two.
        prepare: the statements that make the first int8 of a reading.
        bytes_size: of the arena's int8.
        offsets: where each tensor lies in it, and each step's scratch memory, by `-1 - step`.
        keeps_input: whether the first int8 is still there at the end.
    """

    entry: Entry
    answer: Answer
    program: Program
    prepare: tuple[str, ...]
    bytes_size: int
    offsets: Mapping[int, int]
    keeps_input: bool

    @property
    def gives_floats(self) -> bool:
        """Whether `run` gives real numbers: sums of integers of the last dense layer."""
        return self.answer.head is not None

    @property
    def macs(self) -> int:
        """Multiplications that are added up, in all steps."""
        return sum(step.macs for step in self.program.steps)

    def kernels(self) -> tuple[str, ...]:
        """Which kernels the steps call."""
        return tuple(dict.fromkeys(step.kernel for step in self.program.steps))


def lower_model(data: bytes, manifest: Manifest) -> CModel:
    """The integer part of a TFLite file as calls of C kernels.

    Args:
        data: the file.
        manifest: says which output is the answer, and how it is read.

    Raises:
        UnsupportedModel: an operator has no form in C; says which, and what to do.
    """
    network = read_network(data)
    answer = find_answer(network, manifest.output.name)
    last = answer.target if answer.head is None else answer.head.source
    operators, first = _integer_part(network, last)
    entry = find_entry(network, first)
    program = Program()
    lowering = Lowering(network, program, partial(lookup, data))
    for op in operators:
        lower(lowering, op)
    if answer.head is not None:
        program.steps.append(_head_step(program, answer.head, answer.target))
    elif program.root(last.index) == first.index:
        call = f"ek_move({{0}}, {{y}}, {last.size})"
        program.aliases.pop(last.index, None)
        program.steps.append(Step(call, "move", (first.index,), last.index))
    keeps_input = manifest.output.kind == "reconstruction" and entry.source.index == first.index
    lifetimes = _lifetimes(network, program, first, answer, keeps_input=keeps_input)
    arena = plan(lifetimes)
    return CModel(
        entry,
        answer,
        program,
        tuple(prepare_body(network, entry, program)),
        arena.size,
        arena.offsets,
        keeps_input,
    )


def _integer_part(network: Network, last: Tensor) -> tuple[list[Operator], Tensor]:
    """The operators that a tensor needs, and the int8 tensor where they begin."""
    needed = {last.index}
    found: list[Operator] = []
    starts: list[int] = []
    for op in reversed(network.operators):
        if not needed.intersection(op.outputs):
            continue
        source = network.tensors[op.inputs[0]]
        if op.code == "QUANTIZE" and not source.is_int8:
            starts.append(op.outputs[0])
            continue
        found.insert(0, op)
        needed |= {
            index for index in op.inputs if index >= 0 and network.tensors[index].data is None
        }
    starts += [index for index in network.inputs if index in needed]
    for op in found:
        require_int8(network, op)
    if len(starts) != 1:
        raise UnsupportedModel(
            f"becomes int8 in {len(starts)} places, and C export knows one: let the recipe's "
            "quantize step take every layer"
        )
    return found, network.tensors[starts[0]]


def _head_step(program: Program, head: Head, target: Tensor) -> Step:
    names = [
        program.constant("weights", interleaved(head.rows), np.int8),
        program.constant("offset", head.offset, np.int32),
        program.constant("scale", head.scales, np.float32),
        program.constant("bias", head.bias, np.float32),
    ]
    bounds = [
        f"{bound:.1f}f" if np.isfinite(bound) else f"{'-' if bound < 0 else ''}{_REAL_MAX}"
        for bound in (head.low, head.high)
    ]
    width, depth = head.rows.shape
    arguments = ", ".join([str(depth), str(width), *names, *bounds])
    call = f"ek_head({{0}}, {{y}}, {arguments})"
    return Step(call, "head", (head.source.index,), target.index, macs=head.rows.size)


def _lifetimes(
    network: Network, program: Program, first: Tensor, answer: Answer, *, keeps_input: bool
) -> dict[int, Lifetime]:
    """When each int8 tensor is needed; a step's scratch memory is called `-1 - step`."""
    end = len(program.steps)
    born = {first.index: -1}
    dies = {first.index: end if keeps_input else 0}
    lives: dict[int, Lifetime] = {}
    for number, step in enumerate(program.steps):
        for index in step.reads:
            dies[program.root(index)] = max(number, dies.get(program.root(index), 0))
        born.setdefault(step.gives, number)
        dies.setdefault(step.gives, number)
        if step.patch:
            lives[-1 - number] = Lifetime(step.patch, number, number)
    if answer.head is None:
        dies[program.root(answer.target.index)] = end
    else:
        born.pop(answer.target.index)
    for index, begin in born.items():
        end_of_life = max(dies[index], end if keeps_input and index == first.index else begin)
        lives[index] = Lifetime(network.tensors[index].size, begin, end_of_life)
    return lives
