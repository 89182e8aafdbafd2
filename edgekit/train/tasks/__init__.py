"""Learning without labels: pretext tasks, what is made of their encoders, and plain statistics."""

from edgekit.train.tasks.clusters import Clusters, cluster
from edgekit.train.tasks.contrastive import Contrastive, TripletTask
from edgekit.train.tasks.denoising import Denoising
from edgekit.train.tasks.embedding import embed
from edgekit.train.tasks.masked import Masked
from edgekit.train.tasks.pretraining import compile_pretext, pretrain, with_parameters
from edgekit.train.tasks.principal import Principal, principal_components, raw_features
from edgekit.train.tasks.probe import fine_tune, linear_probe
from edgekit.train.tasks.rotation import Rotation
from edgekit.train.tasks.task import Task
from edgekit.train.tasks.variational import Variational

__all__ = [
    "Clusters",
    "Contrastive",
    "Denoising",
    "Masked",
    "Principal",
    "Rotation",
    "Task",
    "TripletTask",
    "Variational",
    "cluster",
    "compile_pretext",
    "embed",
    "fine_tune",
    "linear_probe",
    "pretrain",
    "principal_components",
    "raw_features",
    "with_parameters",
]
