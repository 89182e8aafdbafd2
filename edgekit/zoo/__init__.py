"""Builders of the models that edgekit ships recipes for."""
