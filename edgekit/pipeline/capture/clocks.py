"""When a picture was taken, from what its driver or its stream says of it."""

_MS = 1_000_000
_OLDEST_NS = 2_000 * _MS
"""A picture that waited longer in a driver's few buffers is a clock that is not ours."""

_DRIFT = 500e-6
"""How fast a stream's clock may run beside ours; crystals are ten times better."""


def driver_time(said_ns: int, *, before_ns: int, arrived_ns: int) -> int:
    """The driver's time where it can be believed, else the time of arrival.

    Args:
        said_ns: what the driver says, of whichever clock.
        before_ns: what it said of the picture before.
        arrived_ns: when reading returned, by `time.monotonic_ns`.
    """
    is_plausible = said_ns > before_ns and 0 <= arrived_ns - said_ns <= _OLDEST_NS
    return said_ns if is_plausible else arrived_ns


class StreamClock:
    """Tells by a stream's own clock how long a picture was held up on its way.

    The picture that travelled fastest sets the difference between the clocks, so a constant
    delay, as of an encoder, stays unseen, and a growing queue does not.
    """

    def __init__(self) -> None:
        self._least_ns: float | None = None
        self._said_ns = -1
        self._arrived_ns = 0

    def taken_at_ns(self, said_ns: int, arrived_ns: int) -> int:
        """When the picture was taken, by `time.monotonic_ns`: never later than it arrived.

        Args:
            said_ns: the picture's time in the stream.
            arrived_ns: when reading returned, by `time.monotonic_ns`.
        """
        elapsed_ns, apart_ns = arrived_ns - self._arrived_ns, arrived_ns - said_ns
        steps_back = said_ns <= self._said_ns
        self._said_ns, self._arrived_ns = said_ns, arrived_ns
        if self._least_ns is None or steps_back:
            self._least_ns = float(apart_ns)  # the stream began anew
            return arrived_ns
        self._least_ns = min(apart_ns, self._least_ns + _DRIFT * elapsed_ns)
        held_up_ns = round(apart_ns - self._least_ns)
        if held_up_ns > 30 * _OLDEST_NS:  # the stream's clock was set back: believe arrival again
            self._least_ns, held_up_ns = float(apart_ns), 0
        return arrived_ns - held_up_ns
