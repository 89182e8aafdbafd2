"""The clock that deadlines of rounds go by."""

import time
from collections.abc import Callable

from edgekit.messaging.outbox_clock import running_s


def steady(
    now_s: Callable[[], float] = time.time, passed_s: Callable[[], float] = running_s
) -> Callable[[], float]:
    """Seconds since 1970 by what the clock says now; it does not jump when that is set later.

    Args:
        now_s: what may jump.
        passed_s: seconds that never do, from any moment.
    """
    start_s = now_s() - passed_s()
    return lambda: start_s + passed_s()
