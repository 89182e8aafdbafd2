"""Sinks: what takes events."""
