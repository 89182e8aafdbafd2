"""`edgekit provision`."""

from pathlib import Path

import click


@click.command(short_help="Give a board its credentials.")
@click.argument("device")
@click.option("--fleet", default="default", show_default=True, help="The fleet it belongs to.")
@click.option(
    "--ca-dir",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="ca.pem, ca.key, the registry, and the broker's folder; made where it is not there.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="A new folder, to be copied to the board."
)
@click.option(
    "--certificate/--password", "certificate", default=True, help="What it shows the broker."
)
@click.option("--broker", help="The host name by which boards call the broker.")
@click.option("--port", type=click.IntRange(1, 65535), help="By default 8883, or 8884.")
@click.option("--days", type=click.IntRange(1, 7300), default=730, show_default=True)
@click.option("--rotate", is_flag=True, help="New credentials beside those it has.")
@click.option(
    "--overlap-days",
    type=click.IntRange(0, 3650),
    default=14,
    show_default=True,
    help="How long the older ones stay good.",
)
@click.option("--retire", is_flag=True, help="Revoke all but the newest, and issue nothing.")
@click.option("--revoke", is_flag=True, help="Revoke all: the board is lost. Issues nothing.")
@click.option(
    "--ca-passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Holds the passphrase of ca.key.",
)
def provision(
    device: str,
    fleet: str,
    ca_dir: Path,
    out: Path | None,
    certificate: bool,
    broker: str | None,
    port: int | None,
    days: int,
    rotate: bool,
    overlap_days: int,
    retire: bool,
    revoke: bool,
    ca_passphrase_file: Path | None,
) -> None:
    """Give DEVICE a key and a certificate, or a password, and the broker what lets it in.

    OUT is for the board, CA_DIR/broker for mosquitto. docs/provisioning.md shows the whole way.
    """
    from edgekit.deploy.provisioning.provision import Order, withdraw
    from edgekit.deploy.provisioning.provision import provision as issue

    passphrase = ca_passphrase_file.read_bytes().rstrip(b"\r\n") if ca_passphrase_file else None
    if retire or revoke:
        if (retire and revoke) or rotate or out is not None:
            raise click.UsageError("--retire and --revoke stand alone")
        for gone in withdraw(
            fleet, device, authority_folder=ca_dir, keep_newest=retire, passphrase=passphrase
        ):
            click.echo(f"revoked {gone.kind} {gone.number} of {gone.user}")
        click.echo(f"{ca_dir / 'broker'}: copy it to the broker again")
        return
    if out is None or broker is None:
        raise click.UsageError("--out and --broker are needed to issue credentials")
    order = Order(
        fleet=fleet,
        device=device,
        kind="certificate" if certificate else "password",
        broker=broker,
        port=port,
        days=days,
        rotate=rotate,
        overlap_days=overlap_days,
    )
    issued = issue(order, authority_folder=ca_dir, out=out, passphrase=passphrase)
    until = f", good until {issued.expires:%Y-%m-%d}" if issued.expires else ""
    click.echo(f"{out}: {issued.kind} of {issued.user}{until}; copy it to /etc/edgekit")
    click.echo(f"{ca_dir / 'broker'}: copy it to the broker")
