"""`edgekit keys`."""

from pathlib import Path

import click

from edgekit.cli.passphrase import key_options, passphrases

_ROLE = click.Choice(["root", "targets", "snapshot", "timestamp"])


@click.group(short_help="Make and rotate the keys that sign updates.")
def keys() -> None:
    """Make and rotate the keys that sign a repository of updates."""


@keys.command(short_help="Make the first keys.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--root-keys", type=click.IntRange(1, 20), default=1, show_default=True)
@click.option("--targets-keys", type=click.IntRange(1, 20), default=1, show_default=True)
@key_options
def init(
    folder: Path,
    root_keys: int,
    targets_keys: int,
    passphrase_file: Path | None,
    online_passphrase_file: Path | None,
) -> None:
    """Make the keys of a repository in FOLDER, encrypted.

    Those in FOLDER/offline publish and rotate: keep them off every server, and a copy in a safe.
    Those in FOLDER/online renew the repository's freshness every night.
    """
    from edgekit.deploy.keys import make_keys

    made = make_keys(
        folder,
        {"root": root_keys, "targets": targets_keys},
        passphrases=passphrases(passphrase_file, online_passphrase_file, confirm=True),
    )
    for key in made:
        click.echo(f"{key.path}: {key.role} key {key.public.keyid[:12]}")


@keys.command(short_help="Replace a key that is lost, stolen or old.")
@click.argument("role", type=_ROLE)
@click.argument("repository", type=click.Path(path_type=Path))
@click.option(
    "--keys", "folders", type=click.Path(path_type=Path), multiple=True, required=True,
    help="A folder of keys; the first one gets the new key. Give it again for more.",
)  # fmt: skip
@click.option("--revoke", help="Which key, by the first digits of its id, where a role has more.")
@key_options
def rotate(
    role: str,
    repository: Path,
    folders: tuple[Path, ...],
    revoke: str | None,
    passphrase_file: Path | None,
    online_passphrase_file: Path | None,
) -> None:
    """Put a new key in the place of a key of ROLE in REPOSITORY, and sign again what it signs.

    Boards follow by themselves: the new root is signed by the old root's keys and its own.
    """
    from edgekit.deploy.keys import KeyRing
    from edgekit.deploy.repository import Repository

    found = passphrases(passphrase_file, online_passphrase_file)
    old, new = Repository(repository).rotate(
        role,  # type: ignore[arg-type]  # click.Choice has checked it
        KeyRing(folders, found),
        into=folders[0],
        passphrases=found,
        old=revoke,
    )
    click.echo(f"{repository}: the {role} key {new[:12]} took the place of {old[:12]}")
