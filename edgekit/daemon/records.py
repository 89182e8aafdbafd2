"""What the daemon keeps in its state directory besides messages: decisions, and pictures."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from edgekit.config.schema import Settings
from edgekit.daemon.keeping import PictureKeeper
from edgekit.daemon.pictures import PictureStore
from edgekit.pipeline.capture.source import CaptureSource
from edgekit.pipeline.decisions import DecisionLog, DecisionSink
from edgekit.pipeline.parts import Inference, Sink


class Records:
    """Open inside its `with` block; all empty where there is no state directory.

    Attributes:
        logs: sinks that take every event.
        witnesses: sinks that take every rule's firing.
        listeners: who hears every prediction.
        store: where pictures are kept.
        keeper: takes pictures for the store.
    """

    def __init__(
        self,
        settings: Settings,
        state: Path | None,
        camera: Callable[[str], CaptureSource | None],
    ) -> None:
        """Opens nothing yet.

        Args:
            settings: the daemon's.
            state: the state directory, where there is one.
            camera: gives a pipeline's source, where that gives pictures.
        """
        self.logs: list[Sink] = []
        self.witnesses: list[Sink] = []
        self.listeners: list[Callable[[Inference], None]] = []
        self.store: PictureStore | None = None
        self.keeper: PictureKeeper | None = None
        self._settings = settings
        self._state = state
        self._camera = camera
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        if self._state is not None:
            most = round(self._settings.decisions.max_mb * 1e6)
            decisions = DecisionLog(self._state / "decisions.db", max_bytes=most)
            self.logs.append(DecisionSink(self._resources.enter_context(decisions)))
        pictures = self._settings.pictures
        folder = pictures.folder or (self._state / "pictures" if self._state else None)
        if folder is not None:
            self.store = PictureStore(
                folder,
                keep=pictures.keep,
                max_mb=pictures.max_mb,
                max_age_days=pictures.max_age_days,
            )
            keeper = PictureKeeper(self.store, self._camera, full=pictures.full_size)
            self.keeper = self._resources.enter_context(keeper)
            self.witnesses.append(keeper)
            self.listeners.append(keeper.hear)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._resources.close()

    def tidy(self) -> None:
        """Takes away pictures that have become too old."""
        if self.store is not None:
            self.store.tidy()
