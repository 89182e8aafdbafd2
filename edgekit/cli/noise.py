"""`edgekit federate noise`: what a privacy budget needs."""

import click

_SHARE = click.FloatRange(0, 1, min_open=True)
_ABOVE_0 = click.FloatRange(0, min_open=True)
_DELTA = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command(short_help="Say what noise a privacy budget needs.")
@click.option("--epsilon", type=_ABOVE_0, required=True, help="What may be spent.")
@click.option("--delta", type=_DELTA, required=True, help="Well below 1 over the boards.")
@click.option("--share", type=_SHARE, default=1.0, show_default=True, help="Of the boards, drawn.")
@click.option("--rounds", type=click.IntRange(1), required=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def noise(epsilon: float, delta: float, share: float, rounds: int, as_json: bool) -> None:
    """Say which noise multiplier keeps ROUNDS within EPSILON.

    Each board is drawn by itself with probability SHARE in each round. For noise that must hold
    against whoever knows who took part, leave SHARE out and give the rounds that one board takes
    part in.
    """
    from edgekit.cli import show
    from edgekit.federated.privacy import noise_for, spent_by

    found = noise_for(epsilon, delta, share=share, rounds=rounds)
    spent = spent_by(rounds, delta, noise=found, share=share)
    if as_json:
        show.json_document({"noise": found, "epsilon_rdp": spent.rdp, "epsilon_pld": spent.pld})
        return
    click.echo(
        f"a noise multiplier of {found:.4f}: {rounds} rounds cost epsilon {spent.pld:.3f} by "
        f"privacy loss distributions, {spent.rdp:.3f} by Renyi, at delta {delta:g}"
    )
