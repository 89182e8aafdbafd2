"""The stages that `edgekit.toml` can name: before the model on samples, after it on predictions."""

from typing import Annotated

import msgspec

from edgekit.config.prediction_stages import PredictionStage
from edgekit.config.table import Table


class RateStage(Table, frozen=True, kw_only=True, tag_field="kind", tag="rate"):
    """Lets at most so many samples a second through."""

    max_hz: Annotated[float, msgspec.Meta(gt=0)]


Stage = RateStage | PredictionStage
