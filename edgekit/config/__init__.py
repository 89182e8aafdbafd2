"""Settings: `edgekit.toml`, its schema, and every mistake in it at once."""

from edgekit.config.checking import check, load_toml, nearest
from edgekit.config.loading import check_surroundings, load_settings
from edgekit.config.schema import Settings

__all__ = ["Settings", "check", "check_surroundings", "load_settings", "load_toml", "nearest"]
