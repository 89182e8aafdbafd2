"""What may be done to a board from afar: commands, and settings of its twin."""

from collections.abc import Callable, Mapping
from typing import Any

from edgekit.config.surroundings import PicturesTable
from edgekit.daemon.assembly.pipelines import Pipeline
from edgekit.daemon.records import Records
from edgekit.errors import InputError, Unavailable
from edgekit.messaging.commands import Result
from edgekit.messaging.payloads import (
    Collect,
    Label,
    McuCommand,
    Reload,
    SetRate,
    Snapshot,
    TwinPipeline,
    TwinSettings,
)

_SNAPSHOT_S = 5.0
_NOTHING = TwinPipeline()


class Remote:
    """Follows commands and wishes; whether they are allowed was judged before."""

    def __init__(
        self,
        pipelines: Callable[[], Mapping[str, Pipeline]],
        *,
        pictures: PicturesTable,
        records: Records,
        reload: Callable[[], str],
        set_metrics_interval: Callable[[float | None], None],
        label: Callable[[Label], Result] | None = None,
        mcu: Callable[[McuCommand], Result] | None = None,
    ) -> None:
        """Remembers whom to turn to.

        Args:
            pipelines: gives those that run, by name.
            pictures: what the settings allow.
            records: keeps pictures.
            reload: follows changed settings; gives one line of what it did.
            set_metrics_interval: seconds between metrics; `None` is as configured.
            label: labels a sample, where the board learns.
            mcu: commands a microcontroller.
        """
        self._pipelines = pipelines
        self._pictures = pictures
        self._records = records
        self._reload = reload
        self._set_metrics_interval = set_metrics_interval
        self._label = label
        self._mcu = mcu
        self._wished = TwinSettings()

    @property
    def handlers(self) -> Mapping[str, Callable[[Any], Result]]:
        """What follows each command."""
        return {
            "snapshot": self.snapshot,
            "reload": self.reload,
            "set-rate": self.set_rate,
            "collect": self.collect,
            "label": self.label,
            **({} if self._mcu is None else {"mcu": self._mcu}),
        }

    def snapshot(self, arguments: Snapshot) -> Result:
        """The newest picture of a pipeline.

        Raises:
            InputError: there is no such pipeline, or it has no pictures.
            Unavailable: the settings forbid it, or no picture came.
        """
        if not self._pictures.snapshots:
            raise Unavailable("pictures.snapshots is off in this board's settings")
        pipeline = self._named(arguments.pipeline)
        if (camera := pipeline.camera) is None:
            raise InputError(f"pipeline {pipeline.name} has no pictures")
        jpeg = camera.snapshot(_SNAPSHOT_S, full=self._pictures.full_size)
        if jpeg is None:
            raise Unavailable(f"pipeline {pipeline.name} gave no picture in {_SNAPSHOT_S:g} s")
        return Result(f"the newest picture of {pipeline.name}", jpeg=jpeg)

    def reload(self, arguments: Reload) -> Result:
        """Follows changed settings and bundles.

        Raises:
            EdgekitError: they cannot be used; nothing changed.
        """
        return Result(self._reload())

    def set_rate(self, arguments: SetRate) -> Result:
        """Caps a pipeline's samples until the next start.

        Raises:
            InputError: there is no such pipeline.
        """
        pipeline = self._named(arguments.pipeline)
        pipeline.rates.wish("command", arguments.max_hz)
        hz = pipeline.rates.hz
        said = "is not capped" if hz is None else f"takes at most {hz:g} samples a second"
        return Result(f"{pipeline.name} {said}", {"max_hz": hz})

    def collect(self, arguments: Collect) -> Result:
        """Keeps the next pictures of a pipeline.

        Raises:
            InputError: there is no such pipeline, or it has no pictures.
            Unavailable: the settings forbid it, or there is nowhere to keep them.
        """
        if not self._pictures.collect:
            raise Unavailable("pictures.collect is off in this board's settings")
        pipeline = self._named(arguments.pipeline)
        if (keeper := self._records.keeper) is None:
            raise Unavailable("this board has no state directory to keep pictures in")
        if pipeline.camera is None:
            raise InputError(f"pipeline {pipeline.name} has no pictures")
        keeper.collect(pipeline.name, arguments.samples)
        return Result(f"keeping the next {arguments.samples} pictures of {pipeline.name}")

    def label(self, arguments: Label) -> Result:
        """Labels one of the newest samples of a pipeline.

        Raises:
            InputError: nothing is learned from the pipeline, or there is no such class or sample.
            Unavailable: this board learns nothing.
        """
        if self._label is None:
            raise Unavailable("this board learns nothing: its settings have no [federated]")
        return self._label(arguments)

    def apply(self, settings: TwinSettings) -> Mapping[str, str]:
        """Puts settings in force; gives why some cannot be, by their paths."""
        self._wished = settings
        self._set_metrics_interval(settings.metrics_interval_s)
        refused = {}
        if (store := self._records.store) is not None:
            store.keep = settings.pictures_keep or self._pictures.keep
        elif settings.pictures_keep is not None:
            refused["pictures_keep"] = "this board has no state directory to keep pictures in"
        for name, pipeline in self._pipelines().items():
            wish = settings.pipelines.get(name, _NOTHING)
            pipeline.rates.wish("twin", wish.max_hz)
            match pipeline.supervised.runner.session.bundle.manifest.task:
                case "anomaly":
                    pipeline.knobs.anomaly.value = wish.threshold
                case "classification" if wish.threshold is None or 0 <= wish.threshold <= 1:
                    pipeline.knobs.classes.value = wish.threshold
                case "classification":
                    refused[f"pipelines.{name}.threshold"] = "a probability is from 0 to 1"
                case _ if wish.threshold is not None:
                    refused[f"pipelines.{name}.threshold"] = "its model has no threshold"
        return refused

    def apply_again(self) -> None:
        """Puts the twin's settings in force in pipelines that were made anew."""
        self.apply(self._wished)

    def _named(self, name: str | None) -> Pipeline:
        pipelines = self._pipelines()
        if name is None:
            if len(pipelines) == 1:
                return next(iter(pipelines.values()))
            raise InputError(f"say which pipeline: {', '.join(sorted(pipelines))}")
        if name not in pipelines:
            raise InputError(f"no pipeline {name!r}; there are {', '.join(sorted(pipelines))}")
        return pipelines[name]
