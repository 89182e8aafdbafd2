"""A privacy budget: what was spent, and which round would be one too many."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

import msgspec

from edgekit.federated.privacy.accountant import Epsilons, most_rounds, spent_by


class Budget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much boards may be told apart by what is published, and how much of that is used up.

    A value: `begun` gives the next one. Keep it where the rounds are kept, and in the same
    transaction: `msgspec.json.encode(budget)` and `msgspec.json.decode(text, type=Budget)`. A round
    counts from when it begins, so that none is forgotten; and once, however often it is begun, so
    that none counts twice. A round that is begun anew after something of its noise was seen is
    another one: give it another number.

    It counts in one of two ways. With a `share` it counts rounds, in each of which every board was
    drawn by itself with that probability, and nobody who sees the models knows who was. Without, it
    counts for each board the rounds it took part in, and the board with the most says what is
    spent: this needs nothing of how boards are chosen, as long as it is not by their samples, and
    holds against a coordinator that knows who took part.

    Attributes:
        epsilon: what may be spent, above 0.
        delta: see `spent_by`.
        noise: the noise multiplier z of each round.
        share: q of Poisson sampling; `None` counts by board.
        rounds: the numbers of those that count, in order.
        taken: how many rounds each board took part in; empty with a `share`.
    """

    epsilon: float
    delta: float
    noise: float
    share: float | None = None
    rounds: tuple[int, ...] = ()
    taken: Mapping[str, int] = {}

    def spent(self, after_rounds: int | None = None) -> Epsilons:
        """What is spent, or would be after so many rounds (of one board, without a `share`)."""
        count = self._used if after_rounds is None else after_rounds
        share = 1.0 if self.share is None else self.share
        return spent_by(count, self.delta, noise=self.noise, share=share)

    def allowed(self, boards: Iterable[str]) -> list[str]:
        """The boards that may take part in one more round, in the order given."""
        if self.share is not None:
            return list(boards) if self._fits_another() else []
        most = _most_rounds(self.epsilon, self.delta, self.noise)
        return [board for board in boards if self.taken.get(board, 0) < most]

    def may_begin(self, number: int, boards: Iterable[str] = ()) -> bool:
        """Whether a round may begin: it counts already, or stays within the budget.

        Args:
            number: of the round.
            boards: who is to take part; matters without a `share` alone.
        """
        if number in self.rounds:
            return True
        if self.share is not None:
            return self._fits_another()
        asked = list(boards)
        return len(self.allowed(asked)) == len(asked)

    def begun(self, number: int, boards: Iterable[str] = ()) -> "Budget":
        """The budget after a round has begun; the same where that round counts already.

        Args:
            number: of the round.
            boards: all who were asked, whether they answer or not.
        """
        if number in self.rounds:
            return self
        taken = self.taken
        if self.share is None:
            taken = {**taken, **{board: taken.get(board, 0) + 1 for board in set(boards)}}
        rounds = tuple(sorted((*self.rounds, number)))
        return msgspec.structs.replace(self, rounds=rounds, taken=taken)

    def last_words(self) -> str:
        """One line for when no further round may begin."""
        what = f"the budget of epsilon {self.epsilon:g} (delta {self.delta:.2g}) is spent"
        now, then = self.spent().least, self.spent(self._used + 1).least
        if self.share is not None:
            why = f"{len(self.rounds)} rounds cost {now:.2f}, another would make it {then:.2f}"
        else:
            why = (
                f"too few boards may take part again: {self._used} times cost {now:.2f}, another "
                f"would make it {then:.2f}"
            )
        return f"{what}: {why}; training ends here, and its model is kept"

    @property
    def _used(self) -> int:
        if self.share is not None:
            return len(self.rounds)
        return max(self.taken.values(), default=0)

    def _fits_another(self) -> bool:
        return self.spent(len(self.rounds) + 1).least <= self.epsilon


@lru_cache(maxsize=64)
def _most_rounds(epsilon: float, delta: float, noise: float) -> int:
    return most_rounds(epsilon, delta, noise=noise)
