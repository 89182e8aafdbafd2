"""Makes batches in a thread while the engine computes."""

from collections.abc import Generator, Iterator
from queue import Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


_END = object()


def prefetched(items: Iterator[T], ahead: int) -> Generator[T, None, None]:
    """The same items in the same order, made by a thread; their errors are raised here.

    The thread ends with the items, or when the iterator is closed.

    Args:
        items: are asked for in the thread.
        ahead: how many may wait; with 0 there is no thread.
    """
    if ahead < 1:
        yield from items
        return
    waiting: Queue[object] = Queue(maxsize=ahead)
    is_over = Event()

    def produce() -> None:
        last: object = _END
        try:
            for item in items:
                waiting.put(item)
                if is_over.is_set():
                    return
        except BaseException as error:  # whoever asks for the next item has to hear of it
            last = _Failure(error)
        waiting.put(last)

    thread = Thread(target=produce, name="edgekit-prefetch", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not _END:
            if isinstance(item, _Failure):
                raise item.error
            yield item  # type: ignore[misc]
    finally:
        is_over.set()
        while thread.is_alive():
            while not waiting.empty():
                waiting.get_nowait()
            thread.join(0.01)
