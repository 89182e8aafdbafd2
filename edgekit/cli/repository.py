"""`edgekit repository`."""

from datetime import UTC, datetime
from pathlib import Path

import click

from edgekit.cli.passphrase import key_options, passphrases

_KEYS = click.option(
    "--keys", "folders", type=click.Path(path_type=Path), multiple=True, required=True,
    help="A folder of keys; give it again for more.",
)  # fmt: skip
_DAYS = click.IntRange(1, 36500)
_SOON_DAYS = 30


@click.group(short_help="Publish signed bundles for boards.")
def repository() -> None:
    """Make and keep a repository of signed bundles: a folder that any web server can serve."""


@repository.command(short_help="Make an empty repository.")
@click.argument("folder", type=click.Path(path_type=Path))
@_KEYS
@click.option("--root-threshold", type=click.IntRange(1, 20), default=1, show_default=True)
@click.option("--targets-threshold", type=click.IntRange(1, 20), default=1, show_default=True)
@click.option("--root-days", type=_DAYS, default=365, show_default=True)
@click.option("--targets-days", type=_DAYS, default=365, show_default=True)
@click.option("--snapshot-days", type=_DAYS, default=14, show_default=True)
@click.option("--timestamp-days", type=_DAYS, default=7, show_default=True)
@key_options
def init(
    folder: Path,
    folders: tuple[Path, ...],
    root_threshold: int,
    targets_threshold: int,
    root_days: int,
    targets_days: int,
    snapshot_days: int,
    timestamp_days: int,
    passphrase_file: Path | None,
    online_passphrase_file: Path | None,
) -> None:
    """Make a repository in FOLDER that trusts the keys given."""
    from edgekit.deploy.keys import KeyRing
    from edgekit.deploy.repository import Repository

    ring = KeyRing(folders, passphrases(passphrase_file, online_passphrase_file))
    root = Repository(folder).create(
        ring,
        thresholds={"root": root_threshold, "targets": targets_threshold},
        days={
            "root": root_days,
            "targets": targets_days,
            "snapshot": snapshot_days,
            "timestamp": timestamp_days,
        },
    )
    click.echo(f"{folder}: made; install {root} on every board")


@repository.command(short_help="Publish bundles.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("bundles", type=click.Path(path_type=Path), nargs=-1, required=True)
@_KEYS
@click.option("--floor", help="Boards may install nothing of that name below this version.")
@key_options
def add(
    folder: Path,
    bundles: tuple[Path, ...],
    folders: tuple[Path, ...],
    floor: str | None,
    passphrase_file: Path | None,
    online_passphrase_file: Path | None,
) -> None:
    """Pack BUNDLES, list them in the repository in FOLDER, and sign the list."""
    import re

    from edgekit.bundle import open_bundle
    from edgekit.deploy.keys import KeyRing
    from edgekit.deploy.repository import Repository
    from edgekit.errors import InputError

    if floor is not None and not re.fullmatch(r"\d{1,6}\.\d{1,6}\.\d{1,6}", floor):
        raise InputError(f"--floor {floor}: is no version; write it as 1.2.0")
    opened = [open_bundle(path) for path in bundles]
    ring = KeyRing(folders, passphrases(passphrase_file, online_passphrase_file))
    for added in Repository(folder).add(opened, ring, floor=floor):
        what = "added" if added.is_new else "was there already"
        click.echo(f"{added.release.label}: {what}; the floor of its name is {added.floor}")


@repository.command(short_help="Renew signatures before they end; for cron.")
@click.argument("folder", type=click.Path(path_type=Path))
@_KEYS
@click.option(
    "--role", "roles", type=click.Choice(["root", "targets", "snapshot", "timestamp"]),
    multiple=True, help="Renew this one now; by default the online ones where half has passed.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Renew the online ones however fresh they are.")
@key_options
def sign(
    folder: Path,
    folders: tuple[Path, ...],
    roles: tuple[str, ...],
    force: bool,
    passphrase_file: Path | None,
    online_passphrase_file: Path | None,
) -> None:
    """Renew the signatures of the repository in FOLDER; run it every night."""
    from edgekit.deploy.keys import KeyRing
    from edgekit.deploy.repository import Repository

    ring = KeyRing(folders, passphrases(passphrase_file, online_passphrase_file))
    opened = Repository(folder)
    renewed = opened.sign(ring, roles, force=force)  # type: ignore[arg-type]  # click checked them
    click.echo(f"{folder}: renewed {', '.join(renewed) or 'nothing: all are fresh'}")
    now = datetime.now(UTC)
    for role, end in opened.ends().items():
        left = (end - now).days
        if left < _SOON_DAYS and role in ("root", "targets"):
            click.echo(
                f"edgekit: warning: {role} ends in {left} days, on {end:%Y-%m-%d}: run "
                f"`edgekit repository sign --role {role}` with its offline key",
                err=True,
            )


@repository.command(short_help="Serve a repository over HTTP.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
def serve(folder: Path, host: str, port: int) -> None:
    """Serve the repository in FOLDER until it is interrupted, and nothing but the repository."""
    from edgekit.deploy.serving import RepositoryServer

    with RepositoryServer(folder, host=host, port=port) as server:
        click.echo(f"{folder}: at {server.address}")
        server.serve_forever()
