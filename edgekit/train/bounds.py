"""Kinds of settings, with what they may be: recipes are checked by them."""

from typing import Annotated

from msgspec import Meta

Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, lt=1)]
"""From 0 up to, but not, 1."""
Count = Annotated[int, Meta(ge=1)]
