"""Settings: `edgekit.toml`, its schema, and every mistake in it at once."""
