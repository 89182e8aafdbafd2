"""How long to wait before each next attempt at something that failed."""

import itertools
import random
from collections.abc import Iterator


def jittered_backoff(first_s: float = 1.0, longest_s: float = 60.0) -> Iterator[float]:
    """Seconds to wait before each next attempt: doubling, and half of each left to chance.

    The chance keeps a fleet whose broker restarted from coming back all at once.
    """
    for attempt in itertools.count():
        ceiling = min(longest_s, first_s * 2 ** min(attempt, 16))
        yield ceiling * random.uniform(0.5, 1.0)
