"""Builds fusion and rules from their settings."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from edgekit.config.rule_checks import readables_of
from edgekit.config.schema import Settings
from edgekit.daemon.assembly.pipelines import Workshop
from edgekit.daemon.hub import Fused, Hub
from edgekit.pipeline.fusion import Fusion
from edgekit.pipeline.parts import Sink
from edgekit.pipeline.rules.readings import Readable


def make_hub(
    settings: Settings,
    readables: Mapping[str, Readable],
    workshop: Workshop,
    resources: ExitStack,
    *,
    witnesses: Sequence[Sink] = (),
) -> Hub:
    """The hub of all fusions and rules.

    Args:
        settings: the daemon's.
        readables: what each pipeline gives.
        workshop: opens the sinks.
        resources: closes them.
        witnesses: who hears of every firing besides the rule's own sinks.

    Raises:
        InputError: an expression that cannot be read.
        Unavailable: a sink cannot be opened.
    """
    fused = [
        Fused(
            Fusion(
                name,
                table.inputs,
                window_s=table.window_s,
                boot=workshop.boot,
                require=table.require,
                pool=table.pool,
            ),
            workshop.open_sinks(table.sinks, resources),
        )
        for name, table in settings.fusion.items()
    ]
    if not settings.rules:
        return Hub(fused, numbering=workshop.numbering)
    from edgekit.pipeline.rules import RuleBook

    known, _ = readables_of(readables, settings.fusion)
    book = RuleBook(
        [table.rule(name) for name, table in settings.rules.items()],
        [table.fact(name) for name, table in settings.facts.items()],
        readables=known,
        boot=workshop.boot,
    )
    sinks = {
        name: [*workshop.open_sinks(table.sinks, resources), *witnesses]
        for name, table in settings.rules.items()
    }
    return Hub(fused, book, sinks, numbering=workshop.numbering)
