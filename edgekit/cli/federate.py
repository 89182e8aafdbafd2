"""`edgekit federate`: boards learn together."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edgekit.federated.simulation import Round


@click.group(short_help="Let boards learn together.")
def federate() -> None:
    """Rounds in which boards learn from what they see, without sending it anywhere."""


@federate.command(short_help="Try rounds with many clients in one process.")
@click.option("--task", default="digits", show_default=True, help="Or synthetic:ALPHA,BETA.")
@click.option("--clients", type=click.IntRange(1), default=10, show_default=True)
@click.option(
    "--split",
    default="dirichlet:0.5",
    show_default=True,
    help="even, dirichlet:ALPHA or pathological:SHARDS; for digits.",
)
@click.option("--strategy", default="fedavg", show_default=True, help="See docs/federated.md.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Of the strategy.")
@click.option("--share", type=click.FloatRange(0, 1, min_open=True), default=1.0, show_default=True)
@click.option(
    "--clip", type=click.FloatRange(0, min_open=True), help="The longest an update may be."
)
@click.option("--rounds", type=click.IntRange(1), default=20, show_default=True)
@click.option("--epochs", type=click.IntRange(1), default=2, show_default=True)
@click.option("--rate", type=click.FloatRange(0, min_open=True), default=0.1, show_default=True)
@click.option("--rows", type=click.IntRange(1), default=32, show_default=True, help="Of a batch.")
@click.option("--codec", default="float32", show_default=True, help="Such as top-k:0.1+int8.")
@click.option("--stragglers", type=click.FloatRange(0, 1), default=0.0, show_default=True)
@click.option("--drop-stragglers", is_flag=True, help="They send nothing rather than a part.")
@click.option("--staleness", type=click.IntRange(0), default=0, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="A folder for the report.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def simulate(
    task: str,
    clients: int,
    split: str,
    strategy: str,
    settings: tuple[str, ...],
    share: float,
    clip: float | None,
    rounds: int,
    epochs: int,
    rate: float,
    rows: int,
    codec: str,
    stragglers: float,
    drop_stragglers: bool,
    staleness: int,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Simulate rounds with the code that boards run; the same options give the same numbers."""
    import tempfile

    from edgekit.cli import show
    from edgekit.errors import InputError
    from edgekit.federated import compile_federated_step
    from edgekit.federated.report import Report, write_report
    from edgekit.federated.simulation import Plan
    from edgekit.federated.simulation import simulate as run
    from edgekit.federated.strategies import NormClipping
    from edgekit.federated.strategies.naming import strategy_of
    from edgekit.federated.tasks import task_of
    from edgekit.learning.federated import LocalTrainer
    from edgekit.learning.federated.codecs import codec_of
    from edgekit.train.losses import CrossEntropy

    wanted: dict[str, object] = {"share": share}
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set {text}: is not KEY=VALUE")
        wanted[key] = value
    if strategy == "scaffold":
        wanted.setdefault("clients", clients)
    chosen = strategy_of(strategy, wanted)
    if clip is not None:
        chosen = NormClipping(inner=chosen, longest=clip)
    plan = Plan(
        rounds=rounds,
        epochs=epochs,
        rate=rate,
        seed=seed,
        codec=codec_of(codec),
        stragglers=stragglers,
        drop_stragglers=drop_stragglers,
        staleness=staleness,
    )
    given = task_of(task, clients, split, seed)
    with tempfile.TemporaryDirectory() as name:
        compile_federated_step(
            given.model,
            CrossEntropy(),
            rows=rows,
            proximal=strategy == "fedprox",
            corrected=strategy == "scaffold",
        ).save(Path(name))
        trainer = LocalTrainer(Path(name))
        found = run(
            trainer, given.clients, chosen, plan, on_round=(lambda one: None) if as_json else _say
        )
    report = Report(
        settings={
            "task": task,
            "split": split if task == "digits" else "the task's own",
            "strategy": repr(chosen),
            "epochs": str(epochs),
            "rate": str(rate),
            "rows": str(rows),
            "codec": plan.codec.name,
            "stragglers": str(stragglers),
            "drop_stragglers": str(drop_stragglers),
            "staleness": str(staleness),
            "seed": str(seed),
        },
        clients=clients,
        parameters=sum(array.size for array in found.model.parameters.values()),
        rounds=found.rounds,
    )
    if out is not None:
        write_report(report, out)
    if as_json:
        show.json_document(report)
    elif out is not None:
        click.echo(f"wrote {out / 'report.html'}")


def _say(one: "Round") -> None:
    if one.number == 1:
        click.echo("round  accuracy    loss  updates  refused      kB up  skew  divergence")
    click.echo(
        f"{one.number:5}  {one.accuracy:8.3f}  {one.loss:6.3f}  {one.updates:7}  "
        f"{len(one.refused):7}  {one.bytes_up / 1000:9,.1f}  {one.label_skew:.2f}  "
        f"{one.update_divergence:10.2f}"
    )
