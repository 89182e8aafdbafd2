"""Makes a thread that learns give way to all others."""

import logging
import os
import threading
import time
from collections.abc import Callable

_log = logging.getLogger(__name__)
_NICE = 19


def give_way() -> Callable[[], float]:
    """Lowers the calling thread's priority as far as it goes; gives what tells its time.

    On Linux niceness and scheduling policy are a thread's own (sched(7)), and ONNX Runtime with one
    thread computes on its caller's, so that nothing else of the process is slowed. Elsewhere the
    priority stays as it is.

    Returns:
        A function that gives the seconds of processor time that this thread has had.
    """
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        if hasattr(os, "SCHED_BATCH"):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    except OSError as error:
        _log.warning("learning cannot give way to other work: %s", error.strerror)
    if not hasattr(time, "pthread_getcpuclockid"):
        return lambda: 0.0
    clock = time.pthread_getcpuclockid(threading.get_ident())
    return lambda: time.clock_gettime(clock)
