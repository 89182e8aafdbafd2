"""Losses as graphs, one small file a family."""
