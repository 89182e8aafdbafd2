"""Benchmarks: each is a module that prints Markdown."""
