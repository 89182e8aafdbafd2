"""Takes pictures of what happens, for those who asked to keep them."""

import logging
import queue
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from edgekit.daemon.pictures import PictureStore, Why
from edgekit.pipeline.capture.source import CaptureSource
from edgekit.pipeline.parts import Event, Firing, Inference
from edgekit.runtime.prediction import AnomalyScore

_log = logging.getLogger(__name__)
_SNAPSHOT_S = 5.0
_MOST_WAITING = 8
_CLOSE_S = 0.3


@dataclass(frozen=True)
class _Wish:
    pipeline: str
    why: Why
    sequence: int
    taken_ms: int


class PictureKeeper:
    """Keeps the picture a pipeline has when something happens, as the store's settings say.

    Inside its `with` block a thread asks the camera's process for the picture and writes it, so
    that neither makes a prediction late; wishes that find it busy are let go and counted. It is a
    sink for the rules' firings, and hears the predictions of all pipelines.

    Attributes:
        missed: pictures that could not be had in time.
    """

    def __init__(
        self,
        store: PictureStore,
        camera: Callable[[str], CaptureSource | None],
        *,
        full: bool,
    ) -> None:
        """Prepares the thread.

        Args:
            store: where pictures are kept.
            camera: gives a pipeline's source, where that gives pictures.
            full: pictures as the camera gave them, in place of what the model saw.
        """
        self.missed = 0
        self._store = store
        self._camera = camera
        self._full = full
        self._to_collect: dict[str, int] = {}
        self._wishes: queue.Queue[_Wish | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="pictures", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._wishes.put(None, timeout=_CLOSE_S)
        except queue.Full:
            return  # it hangs at a camera, and ends with the process
        self._thread.join(_CLOSE_S)

    def collect(self, pipeline: str, samples: int) -> None:
        """Keeps the pictures of a pipeline's next predictions, so many of them."""
        self._to_collect[pipeline] = samples

    def hear(self, inference: Inference) -> None:
        """Takes a prediction of any pipeline."""
        pipeline, prediction = inference.pipeline, inference.prediction
        left = self._to_collect.get(pipeline, 0)
        if left > 0:
            self._to_collect[pipeline] = left - 1
            self._wish("collected", pipeline, inference.sequence, inference.captured_ms)
        elif isinstance(prediction, AnomalyScore) and prediction.anomalous:
            self._wish("anomaly", pipeline, inference.sequence, inference.captured_ms)

    def send(self, event: Event) -> bool:
        """Takes a rule's firing: keeps a picture of each pipeline that it read."""
        if isinstance(event, Firing):
            for pipeline in dict.fromkeys(re.split(r"[.\[]", name)[0] for name in event.facts):
                self._wish("event", pipeline, event.sequence, event.fired_ms)
        return True

    def _wish(self, why: Why, pipeline: str, sequence: int, taken_ms: int) -> None:
        if not self._store.wants(why) or self._camera(pipeline) is None:
            return
        try:
            self._wishes.put_nowait(_Wish(pipeline, why, sequence, taken_ms))
        except queue.Full:
            self.missed += 1

    def _run(self) -> None:
        while (wish := self._wishes.get()) is not None:
            try:
                self._keep(wish)
            except Exception:
                _log.exception("a bug in keeping pictures")

    def _keep(self, wish: _Wish) -> None:
        camera = self._camera(wish.pipeline)
        jpeg = camera.snapshot(_SNAPSHOT_S, full=self._full) if camera is not None else None
        if jpeg is None:
            self.missed += 1
            return
        self._store.add(
            jpeg,
            why=wish.why,
            pipeline=wish.pipeline,
            sequence=wish.sequence,
            taken_ms=wish.taken_ms,
        )
