"""Strategies, a paper a file."""

from edgekit.federated.strategies.adaptive import FedAdagrad, FedAdam, FedYogi
from edgekit.federated.strategies.dp_fedavg import DpFedAvg
from edgekit.federated.strategies.fedavg import FedAvg
from edgekit.federated.strategies.fedbuff import FedBuff
from edgekit.federated.strategies.fednova import FedNova
from edgekit.federated.strategies.fedprox import FedProx
from edgekit.federated.strategies.krum import Krum
from edgekit.federated.strategies.median import Median
from edgekit.federated.strategies.norm_clipping import NormClipping
from edgekit.federated.strategies.scaffold import Scaffold
from edgekit.federated.strategies.strategy import Strategy
from edgekit.federated.strategies.trimmed_mean import TrimmedMean

__all__ = [
    "DpFedAvg",
    "FedAdagrad",
    "FedAdam",
    "FedAvg",
    "FedBuff",
    "FedNova",
    "FedProx",
    "FedYogi",
    "Krum",
    "Median",
    "NormClipping",
    "Scaffold",
    "Strategy",
    "TrimmedMean",
]
