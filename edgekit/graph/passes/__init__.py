"""Rewrites of a graph, one a file, that keep its signature and its numbers."""
