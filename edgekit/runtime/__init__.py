"""Engines, and a session that prepares, runs and interprets."""
