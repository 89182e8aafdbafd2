"""`edgekit federate simulate`: rounds with many clients in one process."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:
    from edgekit.federated.privacy.asked import Asked

_SHARE = click.FloatRange(0, 1, min_open=True)
_ABOVE_0 = click.FloatRange(0, min_open=True)
_DELTA = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command(short_help="Try rounds with many clients in one process.")
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
@click.option("--share", type=_SHARE, default=1.0, show_default=True)
@click.option("--clip", type=_ABOVE_0, help="The longest an update may be.")
@click.option("--rounds", type=click.IntRange(1), default=20, show_default=True)
@click.option("--epochs", type=click.IntRange(1), default=2, show_default=True)
@click.option("--rate", type=_ABOVE_0, default=0.1, show_default=True)
@click.option("--rows", type=click.IntRange(1), default=32, show_default=True, help="Of a batch.")
@click.option("--codec", default="float32", show_default=True, help="Such as top-k:0.1+int8.")
@click.option("--stragglers", type=click.FloatRange(0, 1), default=0.0, show_default=True)
@click.option("--drop-stragglers", is_flag=True, help="They send nothing rather than a part.")
@click.option("--staleness", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--dp",
    type=click.Choice(["central", "distributed", "local"]),
    help="Who adds noise: the coordinator, all boards a share, or each board for itself.",
)
@click.option("--dp-clip", type=_ABOVE_0, default=1.0, show_default=True, help="The norm S.")
@click.option("--dp-noise", type=click.FloatRange(0), help="z; by default what --epsilon needs.")
@click.option("--epsilon", type=_ABOVE_0, help="The budget; training ends before it is exceeded.")
@click.option("--delta", type=_DELTA, help="By default clients^-1.1.")
@click.option(
    "--sampling",
    type=click.Choice(["poisson", "fixed"]),
    help="How --dp draws clients; by default poisson for central noise, else fixed.",
)
@click.option("--sharers", type=click.IntRange(1), help="The fewest updates of a distributed sum.")
@click.option("--secure", is_flag=True, help="The coordinator sees the sum of updates alone.")
@click.option(
    "--secure-dropout",
    type=click.FloatRange(0, 1),
    help="With --secure: the share of clients that fall silent in a round, each in some phase.",
)
@click.option("--label-epsilon", type=_ABOVE_0, help="Clients tell their labels by random answers.")
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
    dp: Literal["central", "distributed", "local"] | None,
    dp_clip: float,
    dp_noise: float | None,
    epsilon: float | None,
    delta: float | None,
    sampling: Literal["poisson", "fixed"] | None,
    sharers: int | None,
    secure: bool,
    secure_dropout: float | None,
    label_epsilon: float | None,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Simulate rounds with the code that boards run; the same options give the same numbers."""
    import tempfile
    from dataclasses import replace

    from edgekit.cli import show
    from edgekit.cli.rounds import RoundsView
    from edgekit.errors import InputError
    from edgekit.federated import compile_federated_step
    from edgekit.federated.privacy.asked import Asked, Protection
    from edgekit.federated.report import Report, write_report
    from edgekit.federated.secrecy import Secrecy
    from edgekit.federated.simulation import Plan
    from edgekit.federated.simulation import simulate as run
    from edgekit.federated.strategies import NormClipping, Strategy
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
    mechanism = budget = None
    chosen: Strategy
    if dp is None:
        if epsilon is not None or dp_noise is not None:
            raise InputError("--epsilon and --dp-noise need --dp: who adds the noise")
        chosen = strategy_of(strategy, wanted)
        if clip is not None:
            chosen = NormClipping(inner=chosen, longest=clip)
    else:
        asked = Asked(
            kind=dp,
            longest=dp_clip,
            noise=dp_noise,
            epsilon=epsilon,
            delta=delta,
            sampling=sampling,
            sharers=sharers,
        )
        _check_asked(asked, strategy, settings, clip, codec)
        mechanism, budget = asked.settled(boards=clients, share=share, rounds=rounds)
        chosen = mechanism.strategy(share, seed=seed)
    if secure_dropout is not None and not secure:
        raise InputError("--secure-dropout needs --secure: else nobody hides anything")
    secrecy = Secrecy(dropout=secure_dropout or 0.0) if secure else None
    if secrecy is not None and mechanism is not None and mechanism.order is not None:
        secrecy = replace(secrecy, largest=mechanism.order.largest)
    plan = Plan(
        rounds=rounds,
        epochs=epochs,
        rate=rate,
        seed=seed,
        codec=codec_of(codec),
        stragglers=stragglers,
        drop_stragglers=drop_stragglers,
        staleness=staleness,
        label_epsilon=label_epsilon,
        budget=budget,
        secrecy=secrecy,
    )
    given = task_of(task, clients, split, seed)
    with tempfile.TemporaryDirectory() as name, RoundsView(rounds, quiet=as_json) as view:
        compile_federated_step(
            given.model,
            CrossEntropy(),
            rows=rows,
            proximal=strategy == "fedprox",
            corrected=strategy == "scaffold",
        ).save(Path(name))
        found = run(
            LocalTrainer(Path(name)),
            given.clients,
            chosen,
            plan,
            on_the_way=(lambda update: update)
            if mechanism is None
            else Protection(mechanism, seed),
            on_round=view.show,
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
            "dp": dp or "none",
            "secure": "no" if secrecy is None else f"yes, dropout {secrecy.dropout:g}",
            "label_epsilon": "none" if label_epsilon is None else f"{label_epsilon:g}",
            "seed": str(seed),
        },
        clients=clients,
        parameters=sum(array.size for array in found.model.parameters.values()),
        rounds=found.rounds,
        title="Simulated rounds",
        epsilon=epsilon,
        delta=None if budget is None else budget.delta,
        privacy="" if mechanism is None else mechanism.meaning,
        ended=found.ended,
    )
    if out is not None:
        write_report(report, out)
    if as_json:
        show.json_document(report)
        return
    if found.ended:
        click.echo(found.ended)
    if mechanism is not None:
        click.echo(f"noise {mechanism.noise:.4g} x norm {mechanism.longest:g}; {report.privacy}")
    if out is not None:
        click.echo(f"wrote {out / 'report.html'}")


def _check_asked(
    asked: "Asked", strategy: str, settings: tuple[str, ...], clip: float | None, codec: str
) -> None:
    """Refuses what would undo the privacy, or would not be looked at."""
    from edgekit.errors import InputError

    if strategy not in ("fedavg", "dp-fedavg") or settings or clip is not None:
        raise InputError(
            "--dp brings its own strategy: leave out --strategy, --set and --clip; see --dp-clip"
        )
    if asked.kind == "distributed" and codec != "float32":
        raise InputError(
            "shares of noise count in a sum that loses nothing: use --codec float32 with "
            "--dp distributed"
        )
