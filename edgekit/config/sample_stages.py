"""The stages before the model that `edgekit.toml` can name."""

from typing import Annotated

import msgspec

from edgekit.config.table import Seconds, Share, Table


class RateStage(Table, frozen=True, kw_only=True, tag_field="kind", tag="rate"):
    """Lets at most so many samples a second through."""

    max_hz: Annotated[float, msgspec.Meta(gt=0, le=1e6)]


class MotionStage(Table, frozen=True, kw_only=True, tag_field="kind", tag="motion"):
    """Holds pictures back while nothing moves in them."""

    threshold: Annotated[float, msgspec.Meta(gt=0, le=255)] = 8.0
    min_area: Share = 0.005
    hold_s: Annotated[float, msgspec.Meta(ge=0)] = 2.0
    adapt_s: Seconds = 30.0


class WindowStage(Table, frozen=True, kw_only=True, tag_field="kind", tag="window"):
    """How rows become windows, where it is not as the bundle says."""

    hop: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    max_gap_s: Seconds | None = None


SampleStage = RateStage | MotionStage | WindowStage
