"""A simulated board: its updates are the real ones; what a model would answer is made up."""

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.bundle import Bundle
from edgekit.errors import EdgekitError, Unavailable
from edgekit.messaging.payloads import (
    DeployDesired,
    DeployPhase,
    DeployStatus,
    EngineInUse,
    ModelName,
    Status,
    Versions,
)
from edgekit.update import CanaryLog, CanaryPolicy, Step, Updates
from edgekit.update.sources import Source

Tell = Callable[[DeployStatus], None]

_SAMPLES = 40
_VERSIONS = Versions(edgekit="0", python="3", onnxruntime="1")


def no_self_test(bundle: Bundle) -> None:
    """Takes every bundle: a thousand engines would measure engines."""


@dataclass
class CountingSource:
    """A source that counts what passes.

    Attributes:
        source: gives the bytes.
        requests: how many files were asked for.
        count_bytes: how many came.
    """

    source: Source
    requests: int = 0
    count_bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        """What people call it."""
        return self.source.name

    def read(self, path: str, *, start: int = 0) -> Iterator[bytes]:
        """The bytes of a file from an offset on."""
        with self._lock:
            self.requests += 1
        for chunk in self.source.read(path, start=start):
            with self._lock:
                self.count_bytes += len(chunk)
            yield chunk


class SimulatedBoard:
    """A board with a folder of its own. Its work is done on one thread at a time.

    Attributes:
        name: in the fleet.
        told: its last `deploy/status`.
        busy: held by whoever works for it.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        shipped: Bundle,
        *,
        root: Path,
        source: Source,
        labels: dict[str, str],
        fails: Callable[[str, str], bool],
    ) -> None:
        """Starts it.

        Args:
            name: in the fleet.
            folder: its disk.
            shipped: what it runs at first.
            root: the repository's trusted root.
            source: where the repository is.
            labels: what it says of itself.
            fails: whether a version fails its canary on a board, by board and version.
        """
        self.name = name
        self.told: DeployStatus | None = None
        self.busy = threading.Lock()
        self._bundle = shipped.manifest.name
        self._shipped = shipped
        self._labels = labels
        self._fails = fails
        self._rollout: str | None = None
        self._updates = Updates.open(folder, root=root, source=source, self_test=no_self_test)
        self._running = self._updates.boot(self._bundle, shipped.path).bundle.manifest.version

    @property
    def running(self) -> str:
        """The version that answers."""
        return self._running

    def status(self, state: str) -> Status:
        """What it says of itself."""
        model = ModelName(name=self._bundle, version=self._running, hash="0")
        return Status(
            state="online" if state == "online" else "offline",
            boot="simulated",
            versions=_VERSIONS,
            pipelines=("one",),
            engines={"one": EngineInUse(engine="simulated", model=model)},
            labels=self._labels,
        )

    def follow(self, wish: DeployDesired, tell: Tell) -> bool:
        """Does what a hint asks for; says whether to try again later."""
        self._rollout = wish.rollout or self._rollout
        try:
            if wish.action == "roll-back":
                self._go_back(wish.version, tell)
            else:
                self._install(wish.version, tell)
        except Unavailable as error:
            self._say(tell, "failed", wish.version, str(error))
            return True
        except EdgekitError as error:
            self._say(tell, "refused", wish.version, str(error))
        return False

    def _install(self, version: str, tell: Tell) -> None:
        last: list[str] = []

        def went(step: Step) -> None:
            if last != [step.phase]:
                last[:] = [step.phase]
                self._say(tell, step.phase, version)

        release = self._updates.fetch(self._bundle, version, tell=went)
        if release is None:
            self._say(tell, "idle", version)
            return
        self._updates.begin_trial(self._bundle)
        self._say(tell, "trial", version)
        verdict = _judged(random.Random(f"{self.name} {version}"), self._fails(self.name, version))
        if verdict is not None:
            self._updates.roll_back(self._bundle, verdict)
            self._say(tell, "rolled-back", version, verdict)
            return
        self._updates.commit(self._bundle)
        self._running = version
        self._say(tell, "committed", version)

    def _go_back(self, version: str, tell: Tell) -> None:
        if self._running != version:
            self._say(tell, "idle", version)
            return
        bundle = self._updates.go_back(self._bundle, "an operator wished it") or self._shipped
        self._running = bundle.manifest.version
        self._say(tell, "rolled-back", version, "an operator wished it")

    def _say(self, tell: Tell, phase: DeployPhase, version: str, reason: str = "") -> None:
        self.told = DeployStatus(
            boot="simulated",
            phase=phase,
            running=self._running,
            version=version,
            reason=" ".join(reason.split())[:1000],
            rollout=self._rollout,
        )
        tell(self.told)


def _judged(rng: random.Random, fails: bool) -> str | None:
    """What the real judge says of made-up samples; why it is to be rolled back, or `None`."""
    policy, log = CanaryPolicy(), CanaryLog()
    for _ in range(_SAMPLES):
        score = rng.random()
        off = rng.uniform(0.7, 0.9) if fails else rng.uniform(-0.01, 0.01)
        log.saw(
            scores=[score + off],
            running_scores=[score],
            latency_ms=rng.uniform(4, 5),
            running_latency_ms=rng.uniform(4, 5),
        )
    for elapsed_s in (0.0, policy.window_s):  # the window passes at once
        verdict = policy.judge(log.observations(elapsed_s))
        if verdict.kind == "roll back":
            return verdict.reason
    assert verdict.kind == "commit"
    return None
