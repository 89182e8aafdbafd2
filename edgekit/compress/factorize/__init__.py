"""Writes a layer as two smaller ones."""
