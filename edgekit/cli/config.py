"""`edgekit config`."""

import tomllib
from pathlib import Path
from typing import Any

import click

_SOURCES = (
    *("camera", "picamera2", "rpicam", "rtsp", "video", "images"),
    *("csv", "stdin", "mqtt", "iio"),
)


@click.group(short_help="Begin, check and migrate a board's configuration.")
def config() -> None:
    """Begin, check and migrate a board's configuration."""


@config.command(short_help="Find every mistake in an edgekit.toml.")
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Find every mistake in FILE, and whether the bundles and files it names are there."""
    from edgekit.config import check_surroundings, load_settings

    settings = load_settings(file)
    check_surroundings(settings, source=str(file))
    count = len(settings.pipelines)
    click.echo(f"{file}: in order: {count} pipeline{'s' if count > 1 else ''}")


@config.command(short_help="Begin an edgekit.toml.")
@click.option("--bundle", required=True, help="The bundle's folder, as the board will see it.")
@click.option("--source", type=click.Choice(_SOURCES), required=True, help="What gives samples.")
@click.option("--at", "place", help="The source's device, address, file, folder or topic.")
@click.option("--pipeline", default="main", show_default=True, help="What to call the pipeline.")
@click.option("--broker", help="HOST or HOST:PORT; without one, events go to a file.")
@click.option("--fleet", default="default", show_default=True)
@click.option("--name", help="The board's name; by default the host's.")
@click.option(
    "--credentials",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="What `edgekit provision` wrote, for the board's name and its broker.",
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("edgekit.toml"))
def init(out: Path, credentials: Path | None, **wish: Any) -> None:
    """Write OUT, by default edgekit.toml, with comments; never over a file that is there."""
    from edgekit.cli import show
    from edgekit.config import check_surroundings, load_settings
    from edgekit.config.generating import Wish, settings_text
    from edgekit.errors import ConfigError, InputError

    tables = None if credentials is None else _credentials(credentials, out.parent)
    text = settings_text(Wish(**wish, credentials=tables))
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"{out}: cannot be made: {error.strerror}") from error
    try:
        check_surroundings(load_settings(out), source=str(out))
    except ConfigError as error:
        for mistake in error.mistakes:
            show.warning(f"{mistake} (before the board can use it)")
    click.echo(f"{out}: written")


@config.command(short_help="Bring an edgekit.toml of an older version up to date.")
@click.argument("file", type=click.Path(path_type=Path))
def migrate(file: Path) -> None:
    """Rewrite FILE in the form of today's version, with its comments; the old one is kept."""
    from edgekit.config.rewriting import rewrite_settings

    done = rewrite_settings(file)
    if done.backup is None:
        click.echo(f"{file}: is up to date")
        return
    for change in done.changes:
        click.echo(f"{file}: {change}")
    click.echo(f"{file}: rewritten; the old one is {done.backup}")


def _credentials(folder: Path, beside: Path) -> dict[str, Any]:
    """The tables of a provisioned folder, with paths as a file in `beside` has to name them."""
    from edgekit.errors import InputError

    path = folder / "edgekit.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        mqtt = dict(document["mqtt"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: is not what `edgekit provision` wrote: {error}") from error
    for key in ("ca", "certificate", "key", "password_file"):
        if key in mqtt and folder.resolve() != beside.resolve():
            mqtt[key] = str((folder / mqtt[key]).resolve())
    return {"device": document.get("device"), "mqtt": mqtt}
