"""Who shares masks with whom, and how many shares give a secret back.

Up to a hundred boards all share masks with all (Bonawitz et al., 2017). Above, each board has
`degree` neighbours, the nearest on a ring in random order (Bell et al., 2020, CCS, section 3).
"""

import math
import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from edgekit.errors import InputError
from edgekit.learning.federated.secure.settings import SecureSettings, check_settings, most_of

COMPLETE_UP_TO = 100


@dataclass(frozen=True)
class Risks:
    """What a sum must stand, and how seldom it may fail to.

    Attributes:
        dropout: the share of boards that may drop out, in all phases together.
        corrupt: the share of boards that may tell the coordinator all they know.
        secrecy_bits: a secret is open with a probability of at most 2 to the minus this.
        failure_bits: a round fails, with no more dropouts than that, as seldom.
    """

    dropout: float = 0.2
    corrupt: float = 0.1
    secrecy_bits: int = 40
    failure_bits: int = 20

    def __post_init__(self) -> None:
        if not (0 <= self.dropout < 1 and self.corrupt >= 0 and self.dropout + self.corrupt < 0.5):
            raise InputError("secure aggregation: dropout and corrupt must stay below 0.5 together")


def plan_sum(
    session: bytes,
    size: int,
    boards: int,
    *,
    largest: float,
    samples: int = 1,
    least: int | None = None,
    bits: int = 20,
    risks: Risks | None = None,
) -> SecureSettings:
    """The settings of a sum.

    Args:
        session: 16 random bytes, never used before.
        size: how many numbers a vector has.
        boards: how many are invited.
        largest: the largest absolute value of a number of a vector.
        samples: the most that a board may count.
        least: of how many boards the sum must be, more than half; `None` for more than two thirds.
        bits: how fine a weighted number is at least; 64-bit words where 32 are too few for that.
        risks: what the graph of a large cohort must stand; `None` for the usual.

    Raises:
        InputError: no such sum is safe or fits.
    """
    risks = risks or Risks()
    least = boards * 2 // 3 + 1 if least is None else least
    degree, threshold = boards - 1, least
    if boards > COMPLETE_UP_TO and (found := neighbourhood_of(boards, risks)) is not None:
        degree, threshold = found
    fits = most_of(boards, 32) >= 2 ** (bits - 1) and boards * samples < 2**32
    settings = SecureSettings(
        session=session,
        size=size,
        boards=boards,
        least=least,
        degree=degree,
        threshold=threshold,
        largest=largest,
        samples=samples,
        word=32 if fits else 64,
    )
    check_settings(settings)
    if settings.most < 2 ** (bits - 1):
        raise InputError(f"secure aggregation: {boards} boards leave no {bits} bits a number")
    return settings


def neighbourhood_of(boards: int, risks: Risks) -> tuple[int, int] | None:
    """The smallest even degree, and its threshold; `None` where only all with all will do.

    Holds, by a union bound over the boards each, that
    - those who are honest and stay are connected: on the ring no degree / 2 in a row drop out or
      are corrupt, or part of them could be told from the rest (2^-`secrecy_bits`);
    - no board has `threshold` corrupt neighbours (2^-`secrecy_bits`);
    - each board keeps `threshold` neighbours (2^-`failure_bits`);
    - the threshold is more than half of a board and its neighbours, so no coordinator gets both
      secrets of a board, whatever it tells to whom.

    Args:
        boards: how many are invited.
        risks: what must be stood.
    """
    gone = math.ceil(risks.dropout * boards)
    corrupt = math.ceil(risks.corrupt * boards)
    ring = boards - gone  # at its smallest: all that drop out may do so before it is made
    secrecy = 2.0**-risks.secrecy_bits / boards
    failure = 2.0**-risks.failure_bits / boards
    lost = risks.dropout + risks.corrupt
    for degree in range(2, ring - 1, 2):
        if lost ** (degree / 2) > secrecy:
            continue
        threshold = degree // 2 + 1
        while threshold <= degree and _tail(ring - 1, corrupt, degree, threshold) > secrecy:
            threshold += 1
        # Fewer than the threshold stay where more than degree - threshold drop out.
        if _tail(boards - 1, gone, degree, degree - threshold + 1) <= failure:
            return degree, threshold
    return None


def neighbours_of(
    boards: Collection[str], degree: int, rng: random.Random
) -> Mapping[str, frozenset[str]]:
    """Each board's neighbours: all others, or `degree` of them, an even number.

    Args:
        boards: two at least.
        degree: how many neighbours; as many as there are where there are no more.
        rng: one that boards cannot guess.
    """
    ring = sorted(boards)
    if degree >= len(ring) - 1:
        return {board: frozenset(ring) - {board} for board in ring}
    rng.shuffle(ring)
    return {
        board: frozenset(
            ring[(place + side * step) % len(ring)]
            for step in range(1, degree // 2 + 1)
            for side in (1, -1)
        )
        for place, board in enumerate(ring)
    }


def _tail(total: int, marked: int, drawn: int, least: int) -> float:
    """How probable `least` marked ones or more are among `drawn` of `total` (hypergeometric)."""
    all_draws = math.comb(total, drawn)
    hits = sum(
        math.comb(marked, count) * math.comb(total - marked, drawn - count)
        for count in range(max(least, 0), min(marked, drawn) + 1)
    )
    return hits / all_draws
