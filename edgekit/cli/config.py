"""`edgekit config`."""

from pathlib import Path

import click


@click.group(short_help="Look at a board's configuration.")
def config() -> None:
    """Look at a board's configuration."""


@config.command(short_help="Find every mistake in an edgekit.toml.")
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Find every mistake in FILE, and whether the bundles and files it names are there."""
    from edgekit.config import check_surroundings, load_settings

    settings = load_settings(file)
    check_surroundings(settings, source=str(file))
    count = len(settings.pipelines)
    click.echo(f"{file}: in order: {count} pipeline{'s' if count > 1 else ''}")
