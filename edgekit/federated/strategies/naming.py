"""What each strategy is called, and how it is made of what an operator wrote."""

from collections.abc import Mapping
from importlib import import_module

import msgspec

from edgekit.errors import InputError
from edgekit.federated.strategies.strategy import Strategy

_WHERE = "edgekit.federated.strategies."
STRATEGIES: Mapping[str, str] = {
    "dp-fedavg": "dp_fedavg:DpFedAvg",
    "fedadagrad": "adaptive:FedAdagrad",
    "fedadam": "adaptive:FedAdam",
    "fedavg": "fedavg:FedAvg",
    "fedbuff": "fedbuff:FedBuff",
    "fednova": "fednova:FedNova",
    "fedprox": "fedprox:FedProx",
    "fedyogi": "adaptive:FedYogi",
    "krum": "krum:Krum",
    "median": "median:Median",
    "scaffold": "scaffold:Scaffold",
    "trimmed-mean": "trimmed_mean:TrimmedMean",
}
"""From the name to the class; norm clipping goes around any of them."""


def strategy_of(name: str, settings: Mapping[str, object]) -> Strategy:
    """A strategy with some of its settings.

    Args:
        name: one of `STRATEGIES`.
        settings: attributes of it; texts are read as what the attribute is.

    Raises:
        InputError: there is no such strategy or setting, or its value cannot be.
    """
    if name not in STRATEGIES:
        raise InputError(f"no strategy {name!r}; use one of {', '.join(STRATEGIES)}")
    module, _, attribute = STRATEGIES[name].partition(":")
    kind: type[Strategy] = getattr(import_module(_WHERE + module), attribute)
    known = kind.__dataclass_fields__
    for key in settings:
        if key not in known:
            raise InputError(f"{name}: has no setting {key!r}; there are {', '.join(known)}")
    try:
        return msgspec.convert(dict(settings), kind, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(f"{name}: {error}") from error
