"""The `edgekit` command."""
