"""`edgekit deploy`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekit.cli.boards import Lines, board_options, connected
from edgekit.cli.passphrase import key_options, passphrases
from edgekit.cli.rolling import OneOrFleet

if TYPE_CHECKING:
    from edgekit.deploy.ssh.signing import Signer

_PATH = click.Path(path_type=Path)


@click.command(
    cls=OneOrFleet, short_help="Have a board try a bundle, over SSH, and keep it if it is good."
)
@click.argument("bundle", type=_PATH)
@board_options
@click.option("--repository", type=_PATH, help="By default a private one for this board.")
@click.option(
    "--keys", "folders", type=_PATH, multiple=True,
    help="A folder of keys, where --repository has not signed the bundle yet.",
)  # fmt: skip
@key_options
@click.option("--bootstrap", is_flag=True, help="Install edgekit where the board has none.")
@click.option("--wheels", type=_PATH, help="Install from this folder of wheels, without network.")
@click.option(
    "--config", type=_PATH,
    help="The edgekit.toml, or a folder with it and its credentials, for a board without one.",
)  # fmt: skip
@click.option("--system-site-packages", is_flag=True, help="Where picamera2 is needed.")
@click.option("--wait", "wait_s", type=click.FloatRange(min=1), default=1800.0, show_default=True,
              help="Seconds to wait for the board's verdict.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def deploy(
    bundle: Path,
    board: str,
    repository: Path | None,
    folders: tuple[Path, ...],
    passphrase_file: Path | None,
    online_passphrase_file: Path | None,
    bootstrap: bool,
    wheels: Path | None,
    config: Path | None,
    system_site_packages: bool,
    wait_s: float,
    as_json: bool,
    **where: Any,
) -> None:
    """Sign BUNDLE, push it to USER@HOST, and wait until the board has tried and committed it.

    The board tries it beside the running model, and rolls back where it is no better; that is told,
    with the reason, and this command fails. Ctrl-C leaves nothing half done.
    """
    from edgekit.bundle import open_bundle
    from edgekit.cli import show
    from edgekit.deploy.ssh.bootstrap import Installation
    from edgekit.deploy.ssh.deployment import deploy as deploy_to
    from edgekit.errors import InputError

    if not bootstrap and (wheels or config or system_site_packages):
        raise InputError("--wheels, --config and --system-site-packages need --bootstrap")
    opened = open_bundle(bundle)

    def signer(trusted: str | None) -> "Signer":
        from edgekit.deploy.ssh.signing import Signer, private_signer

        if repository is None:
            return private_signer(board, trusted=trusted)
        given = passphrases(passphrase_file, online_passphrase_file)
        return Signer(repository, folders, given).for_board(board, trusted)

    told = Lines(board)
    try:
        with connected(board, count=True, **where) as found:
            done = deploy_to(
                found,
                opened,
                signer,
                progress=told,
                installation=Installation(wheels, config, system_site_packages)
                if bootstrap
                else None,
                deadline_s=wait_s,
            )
    finally:
        told.close()
    if as_json:
        show.json_document(done)
        return
    was = "" if done.before is None else f" (it ran {done.before})"
    if done.before == done.version:
        was = " already"
    click.echo(f"{board}: runs {done.name} {done.version}{was}; {done.sent_bytes:,} bytes pushed")
