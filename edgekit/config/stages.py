"""The stages that `edgekit.toml` can name: before the model on samples, after it on predictions."""

from edgekit.config.prediction_stages import PredictionStage
from edgekit.config.sample_stages import SampleStage

Stage = SampleStage | PredictionStage
