"""Judges a release on trial by how it does beside the model that runs: pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Observations:
    """What was seen of a release on trial, and of the running model on the same samples.

    Attributes:
        elapsed_s: how long the trial has run in this start of the daemon.
        samples: how many samples both models got.
        errors: how many of them failed on the candidate alone.
        latencies_ms: what the candidate took, prepare to interpret.
        running_latencies_ms: what the running model took on this board at the same time.
        agreement: the share of samples with the same likeliest class; `None` without classes.
        difference: mean absolute difference of scores, on the running model's scale.
        temperature_c: the board's highest since the trial began; `None` without a sensor.
        running_temperature_c: what it was before the trial.
    """

    elapsed_s: float
    samples: int = 0
    errors: int = 0
    latencies_ms: Sequence[float] = ()
    running_latencies_ms: Sequence[float] = ()
    agreement: float | None = None
    difference: float | None = None
    temperature_c: float | None = None
    running_temperature_c: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What becomes of the trial.

    Attributes:
        kind: commit it, roll it back, or go on watching.
        reasons: why, in words; what is still missing where it waits.
    """

    kind: Literal["commit", "roll back", "wait"]
    reasons: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """The reasons in one line."""
        return "; ".join(self.reasons)


@dataclass(frozen=True)
class CanaryPolicy:
    """When a release on trial is good enough to keep.

    Attributes:
        window_s: how long it is watched at least.
        deadline_s: when it is rolled back if it was not seen often enough.
        min_samples: how many samples it must have seen.
        max_errors: the share of samples that may fail on the candidate alone.
        max_latency_ratio: its p95 latency over the running model's.
        min_latency_ms: below this p95 it is fast enough whatever the running model takes.
        min_agreement: the share of samples that must keep their likeliest class.
        max_difference: the mean absolute difference of scores that is let through.
        max_temperature_c: what the board must stay below.
        max_rise_c: how much warmer the board may get than before.
    """

    window_s: float = 120.0
    deadline_s: float = 900.0
    min_samples: int = 30
    max_errors: float = 0.0
    max_latency_ratio: float = 1.5
    min_latency_ms: float = 1.0
    min_agreement: float = 0.8
    max_difference: float = 0.25
    max_temperature_c: float = 80.0
    max_rise_c: float = 15.0

    def judge(self, seen: Observations) -> Verdict:
        """Decides. What surely fails fails at once; nothing is committed before the window ends."""
        failed = [*self._errors(seen), *self._temperature(seen)]
        if seen.samples >= self.min_samples:
            failed += [*self._latency(seen), *self._drift(seen)]
        if failed:
            return Verdict("roll back", tuple(failed))
        missing = []
        if seen.samples < self.min_samples:
            missing.append(f"saw {seen.samples} samples of the {self.min_samples} it needs")
        if missing and seen.elapsed_s >= self.deadline_s:
            return Verdict("roll back", (f"{missing[0]} in {seen.elapsed_s:.0f} s",))
        if seen.elapsed_s < self.window_s:
            missing.append(f"is watched for {self.window_s - seen.elapsed_s:.0f} s more")
        return Verdict("wait" if missing else "commit", tuple(missing))

    def _errors(self, seen: Observations) -> list[str]:
        allowed = math.floor(self.max_errors * max(seen.samples, self.min_samples))
        if seen.errors <= allowed:
            return []
        return [f"failed on {seen.errors} of {seen.samples} samples (at most {allowed})"]

    def _temperature(self, seen: Observations) -> list[str]:
        if seen.temperature_c is None:
            return []
        if seen.temperature_c >= self.max_temperature_c:
            limit = f"at most {self.max_temperature_c:.0f}"
            return [f"the board reached {seen.temperature_c:.0f} °C ({limit})"]
        if seen.running_temperature_c is None:
            return []
        rise = seen.temperature_c - seen.running_temperature_c
        if rise <= self.max_rise_c:
            return []
        return [f"the board got {rise:.0f} °C warmer (at most {self.max_rise_c:.0f})"]

    def _latency(self, seen: Observations) -> list[str]:
        if not seen.latencies_ms or not seen.running_latencies_ms:
            return []
        p95, running = percentile(seen.latencies_ms), percentile(seen.running_latencies_ms)
        if p95 <= max(self.min_latency_ms, self.max_latency_ratio * running):
            return []
        return [
            f"takes {p95:.1f} ms at p95 where the running model takes {running:.1f} "
            f"({_ratio(p95, running)}; at most {self.max_latency_ratio:g})"
        ]

    def _drift(self, seen: Observations) -> list[str]:
        found = []
        if seen.agreement is not None and not seen.agreement >= self.min_agreement:
            found.append(
                f"agrees with the running model on {seen.agreement:.0%} of the samples "
                f"(at least {self.min_agreement:.0%})"
            )
        if seen.difference is not None and not seen.difference <= self.max_difference:
            found.append(
                f"its scores differ by {seen.difference:.3g} on average "
                f"(at most {self.max_difference:g})"
            )
        return found


def percentile(values: Sequence[float], share: float = 0.95) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _ratio(value: float, reference: float) -> str:
    return f"{value / reference:.2f} times" if reference > 0 else "far longer"


@dataclass
class CanaryLog:
    """Gathers observations sample by sample, in bounded memory. For one thread.

    Attributes:
        keep: how many of the latest latencies are kept.
    """

    keep: int = 4096
    _samples: int = 0
    _errors: int = 0
    _agreed: int = 0
    _compared: int = 0
    _difference: float = 0.0
    _differed: int = 0
    _latencies_ms: list[float] = field(default_factory=list)
    _running_ms: list[float] = field(default_factory=list)
    _warmest_c: float | None = None

    def saw(
        self,
        *,
        scores: Sequence[float],
        running_scores: Sequence[float],
        latency_ms: float,
        running_latency_ms: float,
    ) -> None:
        """Notes a sample that both models answered: every class's score, or the one score."""
        self._samples += 1
        _keep(self._latencies_ms, latency_ms, self.keep)
        _keep(self._running_ms, running_latency_ms, self.keep)
        if len(scores) != len(running_scores):
            return  # other classes: only their speed can be compared
        if len(scores) > 1:
            self._compared += 1
            self._agreed += _likeliest(scores) == _likeliest(running_scores)
        pairs = zip(scores, running_scores, strict=True)
        self._difference += sum(abs(a - b) for a, b in pairs) / max(1, len(scores))
        self._differed += 1

    def failed(self) -> None:
        """Notes a sample that the running model answered and the candidate did not."""
        self._samples += 1
        self._errors += 1

    def felt(self, temperature_c: float | None) -> None:
        """Notes the board's temperature."""
        if temperature_c is not None:
            self._warmest_c = max(temperature_c, self._warmest_c or temperature_c)

    def observations(
        self, elapsed_s: float, *, running_temperature_c: float | None = None
    ) -> Observations:
        """What was seen so far."""
        return Observations(
            elapsed_s=elapsed_s,
            samples=self._samples,
            errors=self._errors,
            latencies_ms=tuple(self._latencies_ms),
            running_latencies_ms=tuple(self._running_ms),
            agreement=self._agreed / self._compared if self._compared else None,
            difference=self._difference / self._differed if self._differed else None,
            temperature_c=self._warmest_c,
            running_temperature_c=running_temperature_c,
        )


def _keep(values: list[float], value: float, count: int) -> None:
    values.append(value)
    del values[:-count]


def _likeliest(scores: Sequence[float]) -> int:
    return max(range(len(scores)), key=scores.__getitem__)
