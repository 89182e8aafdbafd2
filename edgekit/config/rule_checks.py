"""Looks for mistakes in fusion, facts and rules that only show beside the pipelines."""

import keyword
from collections.abc import Iterator, Mapping

from edgekit.config.checking import nearest
from edgekit.config.rules import FactTable, FusionTable, RuleTable
from edgekit.pipeline.rules.language import (
    Expression,
    compile_expression,
    mistakes_in,
)
from edgekit.pipeline.rules.order import FactsInCircle, in_order
from edgekit.pipeline.rules.parsing import BadExpression
from edgekit.pipeline.rules.readings import Readable, readable_of_fused

_HINT_LENGTH = 160


def check_rules(
    *,
    pipelines: Mapping[str, Readable | None],
    fusion: Mapping[str, FusionTable],
    facts: Mapping[str, FactTable],
    rules: Mapping[str, RuleTable],
) -> list[str]:
    """Every mistake in fusion, facts and rules, each with the path of its key.

    Args:
        pipelines: what each pipeline gives; `None` where its bundle cannot be read, which is a
            mistake told elsewhere: what reads it is not judged.
        fusion: the fusions, by name.
        facts: the facts, by name.
        rules: the rules, by name.
    """
    mistakes = list(_name_mistakes(pipelines, fusion, facts))
    for name, table in fusion.items():
        mistakes += _input_mistakes(f"fusion.{name}.inputs", table, pipelines)
    readables, unread = readables_of(pipelines, fusion)
    compiled: dict[str, Expression] = {}
    for where, when in [
        *((f"facts.{name}", table.when) for name, table in facts.items()),
        *((f"rules.{name}", table.when) for name, table in rules.items()),
    ]:
        found = mistakes_in(when, readables=readables, facts=facts)
        mistakes += [f"{where}.when: {m}{_hint(m, unread)}" for m in found if m.word not in unread]
        if not found:
            compiled[where] = compile_expression(when, readables=readables, facts=facts)
    try:
        in_order({name: compiled[at] for name in facts if (at := f"facts.{name}") in compiled})
    except FactsInCircle as error:
        mistakes.append(f"facts.{error.circle[0]}.when: {error}")
    return mistakes


def readables_of(
    pipelines: Mapping[str, Readable | None], fusion: Mapping[str, FusionTable]
) -> tuple[dict[str, Readable], set[str]]:
    """What expressions can read, and the names of what is there but cannot be judged."""
    readables = {name: found for name, found in pipelines.items() if found is not None}
    unread = set(pipelines) - set(readables)
    for name, table in fusion.items():
        if name in pipelines:
            continue
        inputs = [readables[one] for one in table.inputs if one in readables]
        if len(inputs) == len(table.inputs):
            readables[name] = readable_of_fused(inputs)
        else:
            unread.add(name)
    return readables, unread


def _name_mistakes(
    pipelines: Mapping[str, Readable | None],
    fusion: Mapping[str, FusionTable],
    facts: Mapping[str, FactTable],
) -> Iterator[str]:
    for name in fusion:
        if name in pipelines:
            yield f"fusion.{name}: a pipeline has that name"
    for name in facts:
        if name in pipelines or name in fusion:
            yield f"facts.{name}: a {'pipeline' if name in pipelines else 'fusion'} has that name"
        if keyword.iskeyword(name):
            yield f"facts.{name}: the word means something in expressions; choose another"


def _input_mistakes(
    where: str, table: FusionTable, pipelines: Mapping[str, Readable | None]
) -> Iterator[str]:
    kinds: dict[str, str] = {}
    for name in table.inputs:
        if name not in pipelines:
            yield f"{where}.{name}: there is no such pipeline; {nearest(name, list(pipelines))}"
            continue
        readable = pipelines[name]
        if readable is None:
            continue
        if readable.kind == "raw":
            yield f"{where}.{name}: gives raw values, which cannot be fused"
        else:
            kinds.setdefault(readable.kind, name)
    if len(kinds) > 1:
        yield (
            f"{where}: {kinds['classes']} gives classes and {kinds['anomaly']} an anomaly score, "
            "which cannot be fused with each other; write a rule that reads both"
        )


def _hint(error: BadExpression, unread: set[str]) -> str:
    if not error.word:
        return ""
    hint = nearest(error.word, [*error.known, *sorted(unread)])
    return f"; {hint}" if len(hint) <= _HINT_LENGTH else f"; {hint[:_HINT_LENGTH]}..."
