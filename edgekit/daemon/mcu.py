"""The microcontrollers that the settings name: their scores become events, commands reach them."""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np

from edgekit.bridge.host import Scored
from edgekit.bridge.listening import Heard
from edgekit.bridge.packets import NOTHING
from edgekit.bridge.port import Port
from edgekit.bridge.ports import Ports
from edgekit.config.mcu import McuTable
from edgekit.errors import EdgekitError, InputError
from edgekit.messaging.authority import Allowance
from edgekit.messaging.commands import Result
from edgekit.messaging.payloads import McuCommand
from edgekit.pipeline.parts import Inference, Sink
from edgekit.pipeline.runner import Counts
from edgekit.runtime.prediction import (
    AnomalyScore,
    Classification,
    ClassScore,
    Prediction,
    RawValues,
    Timing,
    label_of,
)

_log = logging.getLogger(__name__)
_MOST_WAITING = 256
_LINES_A_MINUTE = 30


class CommandFailed(EdgekitError):
    """A microcontroller followed a command, and says that it came to nothing."""


@dataclass(frozen=True)
class _Told:
    scored: Scored
    captured_ms: int
    age_ms: float


class Mcu:
    """One microcontroller: keeps its port open, and tells what its model says.

    The port's thread only notes scores; sinks and listeners are called on a thread of this. Where
    more than 256 wait the oldest are lost, and counted as `skipped`.

    Attributes:
        name: what the settings call it; its events are `infer/<name>`.
        port: where it is.
        counts: of its predictions, as a pipeline's.
    """

    def __init__(
        self,
        name: str,
        table: McuTable,
        port: Port,
        sinks: Sequence[Sink],
        *,
        boot: str,
        listener: Callable[[Inference], None],
        counts: Counts,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        time_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Prepares; entering opens the port, or waits for it.

        Args:
            name: what the settings call it.
            table: what they say of it.
            port: where it is.
            sinks: what takes its events.
            boot: the id of this run of the daemon.
            listener: hears every prediction.
            counts: to go on from.
            clock_ns: the monotonic clock.
            time_ns: the time since 1970.
        """
        self.name = name
        self.port = port
        self.counts = counts
        self._table = table
        self._sinks = sinks
        self._boot = boot
        self._listener = listener
        self._clock_ns = clock_ns
        self._time_ns = time_ns
        self._lines = Allowance(_LINES_A_MINUTE)
        self._use = ExitStack()
        self._changed = threading.Condition()
        self._waiting: deque[_Told] = deque()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=f"mcu-{name}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._use.enter_context(self.port.using(self, is_patient=True))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._use.close()
        self._thread.join(1.0)

    def hear(self, happening: Heard) -> None:
        """Notes scores; called on the port's thread."""
        if not isinstance(happening, Scored):
            return
        age_ms = (self._clock_ns() - happening.taken_ns) / 1e6
        captured_ms = max(0, self._time_ns() // 1_000_000 - round(age_ms))
        with self._changed:
            self.counts.taken += 1
            if len(self._waiting) >= _MOST_WAITING:
                self._waiting.popleft()
                self.counts.skipped += 1
            self._waiting.append(_Told(happening, captured_ms, max(0.0, age_ms)))
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._stopped:
                    self._changed.wait()
                if self._stopped:
                    return
                told = self._waiting.popleft()
            try:
                self._tell(told)
            except Exception:
                _log.exception("mcu %s: a bug in what hears its predictions", self.name)

    def _tell(self, told: _Told) -> None:
        prediction = prediction_of(told.scored, self._table)
        if isinstance(prediction, str):
            self.counts.refused += 1
            if self._lines.take(self._clock_ns() / 1e9):
                _log.warning("mcu %s: %s", self.name, prediction)
            return
        scored = told.scored
        inference = Inference(
            pipeline=self.name,
            sequence=self.counts.events,
            boot=self._boot,
            model_name=scored.model.name,
            model_version=scored.device.firmware_version or "0",
            model_hash=scored.model.digest.hex()[:12],
            captured_ms=told.captured_ms,
            origin=scored.device.name,
            prediction=prediction,
            timing=Timing(told.age_ms, 0.0, (scored.scores.took_us or 0) / 1000, 0.0),
        )
        self.counts.predictions += 1
        self.counts.events += 1
        self._listener(inference)
        for sink in self._sinks:
            if not sink.send(inference):
                self.counts.lost += 1


def prediction_of(scored: Scored, table: McuTable) -> Prediction | str:
    """What a microcontroller's scores mean by its table, or why they are of no use."""
    scores = scored.scores
    match table.gives:
        case "score":
            threshold = table.threshold if scores.threshold is None else scores.threshold
            if len(scores.scores) != 1:
                return f"gives {len(scores.scores)} scores, where `gives` says that it is one"
            if threshold is None:
                return "a score without a threshold: set `threshold`, or send one"
            return AnomalyScore(float(scores.scores[0]), float(threshold))
        case "class":
            if scores.scores and all(0 <= one <= 1.000001 for one in scores.scores):
                return Classification.of(np.array(scores.scores, float), ())
            if scores.class_id is None:
                return "neither a class nor probabilities"
            only = ClassScore(scores.class_id, label_of(scores.class_id, ()), 1.0)
            return Classification((only,))
        case "values":
            if not scores.scores:
                return "a class, where `gives` says that it is values"
            return RawValues(np.array(scores.scores, float))


class Mcus:
    """All of them, open inside the `with` block, and what `cmd/mcu` does to them."""

    def __init__(self, ports: Ports) -> None:
        """None yet.

        Args:
            ports: of the board.
        """
        self._ports = ports
        self._mcus: dict[str, Mcu] = {}

    def add(self, mcu: Mcu) -> None:
        """One more that can be commanded."""
        self._mcus[mcu.name] = mcu

    def command(self, arguments: McuCommand) -> Result:
        """Has a microcontroller do something, and gives what it answers.

        Raises:
            InputError: there is no such microcontroller, or it does not know the command.
            Unavailable: it is not there, or did not answer in time.
            CommandFailed: it answers with a status other than 0.
        """
        name, port = self._named(arguments.device)
        argument = NOTHING if arguments.args is msgspec.UNSET else arguments.args
        response = port.command(arguments.command, argument, timeout_s=arguments.timeout_s)
        fields: dict[str, Any] = {"device": name, "status": response.status}
        if response.value is not NOTHING:
            fields["value"] = as_json(response.value)
        if response.status != 0:
            said = f": {fields['value']}" if "value" in fields else ""
            raise CommandFailed(
                f"{name}: {arguments.command} came to status {response.status}{said}"[:900]
            )
        return Result(f"{name} did {arguments.command}", fields)

    def _named(self, name: str | None) -> tuple[str, Port]:
        ports = {**self._ports.all, **{mcu.name: mcu.port for mcu in self._mcus.values()}}
        if name is None:
            if len(ports) == 1:
                return next(iter(ports.items()))
            raise InputError(f"say which device: {', '.join(sorted(ports)) or 'there is none'}")
        if name not in ports:
            raise InputError(f"no device {name!r}; there are {', '.join(sorted(ports)) or 'none'}")
        return name, ports[name]


def as_json(value: Any) -> Any:
    """A device's value as JSON can say it: bytes as hexadecimal, what is not finite as null."""
    match value:
        case bytes():
            return value.hex()
        case float():
            return value if math.isfinite(value) else None
        case list():
            return [as_json(one) for one in value]
        case dict():
            found: Mapping[Any, Any] = value
            return {
                key.hex() if isinstance(key, bytes) else str(key): as_json(one)
                for key, one in found.items()
            }
    return value
