"""The capture child: decodes and resizes pictures into memory that it shares with the daemon.

Run as `python -m edgekit.pipeline.capture.child MEMORY_FD SOCKET_FD`. It leaves when its parent
does.
"""

import mmap
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from functools import partial

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.pipeline.capture.exchange import Exchange
from edgekit.pipeline.capture.making import PictureMaker
from edgekit.pipeline.capture.process import GRACE_S, picture_bytes
from edgekit.pipeline.capture.protocol import (
    SLOTS,
    TEXT_LIMIT,
    Alive,
    Ask,
    Ended,
    Failed,
    Release,
    Request,
    SetRate,
    Snapshot,
    receive_order,
    receive_request,
    send,
)
from edgekit.pipeline.capture.readers import READERS
from edgekit.pipeline.capture.readers.reader import reader_for

_SNAPSHOTS_AT_ONCE = 2
_SNAPSHOT_TIMEOUT_S = 30.0


def main(readers: Mapping[str, str] = READERS) -> None:
    """Serves one request.

    Args:
        readers: the class, as `module:Class`, that reads each kind of source.
    """
    # The parent decides when this child ends; it has a session of its own, but others may signal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    memory_fd, link_fd = int(sys.argv[1]), int(sys.argv[2])
    with socket.socket(fileno=link_fd) as link:
        try:
            request = receive_request(link)
            if request is None:
                return
            memory = mmap.mmap(memory_fd, picture_bytes(request.rule) * SLOTS)
            os.close(memory_fd)
            _serve(link, request, np.frombuffer(memory, np.uint8), readers)
        except OSError:
            return  # the parent is gone


def _serve(
    link: socket.socket, request: Request, memory: Array, readers: Mapping[str, str]
) -> None:
    settings = request.settings
    reader = reader_for(settings, readers)
    exchange = Exchange(
        partial(send, link), is_live=reader.is_live, beat_s=min(1.0, settings.stall_s / 4)
    )
    slots = memory.reshape(SLOTS, request.rule.height, request.rule.width, 3)
    maker = PictureMaker(request, reader, exchange, slots, partial(send, link))
    hearing = threading.Thread(target=_hear, args=(link, exchange, maker), daemon=True)
    hearing.start()
    send(link, Alive())  # all is imported
    try:
        maker.run()
    except InputError as error:
        exchange.offer(Failed(str(error)[:TEXT_LIMIT]))
    else:
        exchange.offer(Ended())
    hearing.join()  # the parent may still hand slots back


def _hear(link: socket.socket, exchange: Exchange, maker: PictureMaker) -> None:
    """Does what the parent says until it hangs up."""
    taking = threading.BoundedSemaphore(_SNAPSHOTS_AT_ONCE)
    try:
        while (received := receive_order(link)) is not None:
            order, file = received
            match order:
                case Ask():
                    exchange.ask()
                case Release(slot):
                    exchange.release(slot)
                case SetRate(max_hz):
                    maker.set_rate(max_hz)
                case Snapshot(full) if file is not None:
                    _in_background(taking, maker, socket.socket(fileno=file), full)
    except OSError:
        pass  # the parent is gone
    finally:
        exchange.close()
        # A driver that hangs must not outlive the parent; one that does not, closes in order.
        leaving = threading.Timer(0.8 * GRACE_S, _kill_group)
        leaving.daemon = True
        leaving.start()


def _in_background(
    taking: threading.BoundedSemaphore, maker: PictureMaker, to: socket.socket, full: bool
) -> None:
    if not taking.acquire(blocking=False):
        to.close()
        return

    def take() -> None:
        with to:
            try:
                to.settimeout(_SNAPSHOT_TIMEOUT_S)
                to.sendall(maker.snapshot(full=full) or b"")
            except (InputError, OSError):
                pass  # who asked went away, or there is no picture that JPEG can hold
            finally:
                taking.release()

    threading.Thread(target=take, name="snapshot", daemon=True).start()


def _kill_group() -> None:
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main()
