"""Drains something that gives data as it comes, and hands over only the newest."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")


def newest_of(
    items: Iterator[T], *, clock_ns: Callable[[], int] = time.monotonic_ns
) -> Iterator[tuple[T, int, int]]:
    """The newest item each time one is asked for: `(item, when it came, how many were let go)`.

    A thread of its own takes the items, so whoever makes them never waits for whoever uses them.
    Ends when `items` does, or when it is closed in the middle of reading.
    """
    box: list[tuple[T, int, int]] = []
    changed, over = threading.Condition(), threading.Event()

    def drain() -> None:
        try:
            for item in items:
                with changed:
                    missed = box.pop()[2] + 1 if box else 0
                    box.append((item, clock_ns(), missed))
                    changed.notify()
        except (OSError, ValueError):
            pass  # its file was closed under it
        finally:
            with changed:
                over.set()
                changed.notify()

    threading.Thread(target=drain, name="drain", daemon=True).start()
    while True:
        with changed:
            while not box and not over.is_set():
                changed.wait()
            if not box:
                return
            newest = box.pop()
        yield newest
