"""What a Sparkplug B edge node says over the life of a connection; does no input or output.

Sparkplug specification 3.0: the will is the NDEATH with the `bdSeq` of the coming NBIRTH, which
counts connects modulo 256; an NBIRTH has `seq` 0, every name, type and value, and `Node
Control/Rebirth` without an alias; each NDATA has the next `seq`, modulo 256, and aliases for names.
"""

from collections.abc import Mapping

from edgekit.messaging.discovery import Task
from edgekit.messaging.payloads import Infer, Metrics
from edgekit.messaging.sparkplug_payload import DataType, Metric, Value, encode_payload

REBIRTH = "Node Control/Rebirth"
_BDSEQ = "bdSeq"

_OF_TASK: dict[Task, tuple[tuple[str, DataType], ...]] = {
    "classification": (("label", "String"), ("confidence", "Double")),
    "anomaly": (("score", "Double"), ("threshold", "Double"), ("anomalous", "Boolean")),
    "raw": (("value", "Double"),),
}
_OF_PIPELINE: tuple[tuple[str, DataType], ...] = (
    ("state", "String"),
    ("predictions", "UInt64"),
    ("skipped", "UInt64"),
    ("refused", "UInt64"),
    ("latency_p95_ms", "Double"),
)
_OF_BOARD: tuple[tuple[str, DataType], ...] = (
    ("board/temperature_c", "Double"),
    ("board/rate_factor", "Double"),
    ("board/throttled", "Boolean"),
    ("board/uptime_s", "Double"),
)


class SparkplugSession:
    """Knows the metrics, their newest values, and the numbers. Not thread-safe."""

    def __init__(self, pipelines: Mapping[str, Task]) -> None:
        names: list[tuple[str, DataType]] = list(_OF_BOARD)
        for pipeline, task in pipelines.items():
            names += [
                (f"{pipeline}/{name}", type_) for name, type_ in (*_OF_TASK[task], *_OF_PIPELINE)
            ]
        self._types = dict(names)
        self._aliases = {name: number for number, name in enumerate(self._types, start=1)}
        self._values: dict[str, tuple[Value | None, int]] = {}
        self._changed: dict[str, None] = {}
        self._seq = 0
        self._bdseq = 0

    @property
    def has_news(self) -> bool:
        """Whether values changed since they were last sent."""
        return bool(self._changed)

    def death(self, bdseq: int, *, at_ms: int) -> bytes:
        """The NDEATH of the coming connection."""
        self._bdseq = bdseq % 256
        return encode_payload([self._bdseq_metric(at_ms)], at_ms=at_ms, seq=None)

    def birth(self, *, at_ms: int) -> bytes:
        """The NBIRTH, at a connect or when asked for a rebirth."""
        self._seq = 0
        self._changed.clear()
        metrics = [
            self._bdseq_metric(at_ms),
            Metric(REBIRTH, None, "Boolean", False, at_ms),
            *(self._metric(name, name, at_ms) for name in self._types),
        ]
        return encode_payload(metrics, at_ms=at_ms, seq=0)

    def data(self, *, at_ms: int) -> bytes:
        """The NDATA of what changed."""
        self._seq = (self._seq + 1) % 256
        metrics = [self._metric(name, None, at_ms) for name in self._changed]
        self._changed.clear()
        return encode_payload(metrics, at_ms=at_ms, seq=self._seq)

    def predicted(self, message: Infer) -> None:
        """Takes a prediction; one that was stored and sent later says nothing of now."""
        if message.hist:
            return
        values: dict[str, Value | None] = {}
        if message.top is not None:
            best = message.top[0] if message.top else None
            values["label"] = best.label if best else None
            values["confidence"] = best.p if best else None
        elif message.score is not None:
            values["score"] = message.score
            values["threshold"] = message.threshold
            values["anomalous"] = message.anomalous
        elif message.values is not None:
            values["value"] = message.values[0] if message.values else None
        for name, value in values.items():
            self._set(f"{message.pipeline}/{name}", value, message.captured)

    def measured(self, message: Metrics, *, at_ms: int) -> None:
        """Takes a metrics message."""
        self._set("board/uptime_s", message.uptime_s, at_ms)
        if message.board is not None:
            self._set("board/temperature_c", message.board.temperature_c, at_ms)
            self._set("board/rate_factor", message.board.rate_factor, at_ms)
            self._set("board/throttled", bool(message.board.throttled), at_ms)
        for pipeline, one in message.pipelines.items():
            self._set(f"{pipeline}/state", one.state, at_ms)
            for name in ("predictions", "skipped", "refused"):
                self._set(f"{pipeline}/{name}", getattr(one, name), at_ms)
            self._set(f"{pipeline}/latency_p95_ms", one.ms.p95 if one.ms else None, at_ms)

    def _set(self, name: str, value: Value | None, at_ms: int) -> None:
        if name not in self._types:
            return
        if self._values.get(name, (None, 0))[0] != value:
            self._changed[name] = None
        self._values[name] = (value, at_ms)

    def _metric(self, name: str, shown: str | None, at_ms: int) -> Metric:
        value, at = self._values.get(name, (None, at_ms))
        return Metric(shown, self._aliases[name], self._types[name], value, at)

    def _bdseq_metric(self, at_ms: int) -> Metric:
        return Metric(_BDSEQ, None, "Int64", self._bdseq, at_ms)
