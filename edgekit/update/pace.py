"""Gives up on a source that sends too slowly or too much: pure but for the clock it is given."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic

from edgekit.errors import BundleError, Unavailable


@dataclass(frozen=True)
class Pace:
    """What a source has to keep up.

    Attributes:
        min_bytes_per_s: on average over every window.
        window_s: how long a window is.
        monotonic_s: seconds that never jump.
    """

    min_bytes_per_s: float = 100.0
    window_s: float = 60.0
    monotonic_s: Callable[[], float] = monotonic

    def held(self, chunks: Iterator[bytes], *, limit_bytes: int, where: str) -> Iterator[bytes]:
        """Passes chunks on.

        Args:
            chunks: what arrives.
            limit_bytes: how much may arrive.
            where: what to call it in an error.

        Raises:
            BundleError: more than the limit arrived.
            Unavailable: a window ended with too little in it.
        """
        began, arrived = self.monotonic_s(), 0
        for chunk in chunks:
            limit_bytes -= len(chunk)
            if limit_bytes < 0:
                raise BundleError(f"{where}: is longer than was signed or allowed; not installed")
            arrived += len(chunk)
            if (passed := self.monotonic_s() - began) >= self.window_s:
                if arrived < self.min_bytes_per_s * passed:
                    raise Unavailable(
                        f"{where}: too slow: {arrived} bytes in {passed:.0f} s; try again later"
                    )
                began, arrived = self.monotonic_s(), 0
            yield chunk
