"""Searches recipes for one that meets a size, a latency and an accuracy."""

from edgekit.compress.search.goals import Goals, Result
from edgekit.compress.search.searching import Found, search_recipe

__all__ = ["Found", "Goals", "Result", "search_recipe"]
