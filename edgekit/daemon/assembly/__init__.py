"""Builds the daemon's parts from its settings."""
