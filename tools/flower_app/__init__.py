"""Flower on this machine alone: a SuperLink, SuperNodes, and the example app."""
