"""Epsilon of rounds with Gaussian noise, computed by Google's `dp-accounting` in two ways.

Both are upper bounds for the same mechanism: in each round every board takes part with probability
q by itself (Poisson sampling), its change is no longer than S, and the sum gets normal noise of
deviation z S. Neighbours differ by all that one board has, added or removed.
"""

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import Any

from edgekit.errors import InputError

_MANY = 1000
"""From so many rounds on, what rounding adds to each is worth finer steps."""

_ORDERS = (
    *(1 + n / 8 for n in range(1, 25)),
    *(4 + n / 2 for n in range(1, 9)),
    *range(9, 65),
    *(80, 96, 128, 192, 256, 512, 1024),
)
"""Of Renyi divergences; each gives a bound, and the least one counts."""


@dataclass(frozen=True)
class Epsilons:
    """One guarantee, bounded in two ways; each holds.

    Attributes:
        rdp: by Renyi differential privacy. Mironov et al., 2019, arXiv:1908.10530.
        pld: by privacy loss distributions. Doroshenko et al., 2022, arXiv:2207.04380.
    """

    rdp: float
    pld: float

    @property
    def least(self) -> float:
        """The smaller of the two, which is what a budget is held against."""
        return min(self.rdp, self.pld)


@lru_cache(maxsize=4096)
def spent_by(rounds: int, delta: float, *, noise: float, share: float = 1.0) -> Epsilons:
    """What rounds cost together.

    Args:
        rounds: how many; 0 costs nothing.
        delta: above 0 and below 1; well below 1 over the number of boards.
        noise: the noise multiplier z; 0 gives infinity.
        share: q, how likely each board takes part in each round; 1 where it counts for nothing.

    Raises:
        InputError: a number cannot be, or dp-accounting is not installed.
    """
    _check(delta, share)
    if rounds <= 0:
        return Epsilons(0.0, 0.0)
    if noise <= 0:
        return Epsilons(math.inf, math.inf)
    rdp = _by_rdp(rounds, delta, noise, share)
    return Epsilons(rdp, _by_pld(rounds, delta, noise, share, about=rdp))


def noise_for(epsilon: float, delta: float, *, share: float, rounds: int) -> float:
    """The smallest noise multiplier with which rounds stay within a budget, to 0.1 %.

    Args:
        epsilon: above 0.
        delta: as for `spent_by`.
        share: as for `spent_by`.
        rounds: how many, 1 at least.

    Raises:
        InputError: no noise up to 10,000 is enough, or as `spent_by`.
    """
    _check(delta, share)
    if not (0 < epsilon < math.inf and rounds >= 1):
        raise InputError(f"epsilon {epsilon} and {rounds} rounds: both must be above 0")

    def fits(noise: float) -> bool:
        return spent_by(rounds, delta, noise=noise, share=share).least <= epsilon

    enough = 1.0
    while _by_rdp(rounds, delta, enough, share) > epsilon:
        enough *= 2
        if enough > 10_000:
            raise InputError(f"no noise keeps {rounds} rounds within epsilon {epsilon}")
    short = enough / 2
    while short > 1e-2 and fits(short):
        enough, short = short, short / 2
    return _bisected(fits, short, enough)


def most_rounds(
    epsilon: float, delta: float, *, noise: float, share: float = 1.0, limit: int = 100_000
) -> int:
    """How many rounds a budget pays for; `limit` at most.

    Raises:
        InputError: as `spent_by`.
    """

    def fits(rounds: int) -> bool:
        return spent_by(rounds, delta, noise=noise, share=share).least <= epsilon

    fitting, beyond = 0, 1
    while beyond <= limit and fits(beyond):
        fitting, beyond = beyond, 2 * beyond
    beyond = min(beyond, limit + 1)
    while beyond - fitting > 1:
        middle = (fitting + beyond) // 2
        fitting, beyond = (middle, beyond) if fits(middle) else (fitting, middle)
    return fitting


def _by_rdp(rounds: int, delta: float, noise: float, share: float) -> float:
    library = _library("dp_accounting")
    gaussian = library.GaussianDpEvent(noise)
    event = gaussian if share == 1 else library.PoissonSampledDpEvent(share, gaussian)
    with _quiet():
        accountant = _library("dp_accounting.rdp").RdpAccountant(_ORDERS)
        accountant.compose(event, rounds)
        return float(accountant.get_epsilon(delta))


def _by_pld(rounds: int, delta: float, noise: float, share: float, *, about: float) -> float:
    if share == 1:  # rounds without chance are one round with less noise, exactly
        together = noise / math.sqrt(rounds)
        return float(_library("dp_accounting").get_epsilon_gaussian(together, delta))
    step = 1e-4 if about < 0.5 else 1e-3 if about < 5 else 1e-2
    one = _losses(noise, share, step if rounds <= _MANY else 1e-4)
    return float(one.self_compose(rounds).get_epsilon_for_delta(delta))


@lru_cache(maxsize=64)
def _losses(noise: float, share: float, step: float) -> Any:
    """The losses of one round, rounded up to steps: an upper bound whatever the step."""
    library = _library("dp_accounting.pld.privacy_loss_distribution")
    return library.from_gaussian_mechanism(
        noise, sampling_prob=share, value_discretization_interval=step
    )


def _bisected(fits: Callable[[float], bool], short: float, enough: float) -> float:
    while enough / short > 1.001:
        middle = math.sqrt(short * enough)
        short, enough = (short, middle) if fits(middle) else (middle, enough)
    return enough


def _check(delta: float, share: float) -> None:
    if not 0 < delta < 1:
        raise InputError(f"delta {delta} is not between 0 and 1")
    if not 0 < share <= 1:
        raise InputError(f"share {share} is not above 0 and at most 1")


def _library(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(
            "epsilons need dp-accounting: pip install 'edgekit[privacy]' where the coordinator runs"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's warnings about orders that it leaves out of the minimum."""
    logger = logging.getLogger("absl")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
