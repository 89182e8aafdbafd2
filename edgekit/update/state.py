"""What a board keeps of one bundle's slots, and every step between: pure.

    idle ──stage──▶ fetched ──begin_trial──▶ trial ──commit──▶ committed
                       │                       │
                       └────────roll_back──────┴─────────────▶ rolled back

A step never changes `current` but for `commit` and `go_back`, each one atomic write of this state.
"""

from typing import Annotated, Literal

import msgspec

from edgekit.bundle.manifest import Name
from edgekit.errors import InputError
from edgekit.update.release import Release

Phase = Literal["idle", "fetched", "trial", "committed", "rolled-back"]


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the state file: unknown fields are mistakes."""


class Trial(_Record, frozen=True, kw_only=True):
    """A release that runs under watch.

    Attributes:
        release: which.
        restarts: how often the daemon started again while it was on trial.
        max_restarts: at how many it is still tried.
        allowed_s: how long one start may try it. A duration and no time of day: boards have no
            clock chip, and theirs jumps.
    """

    release: Release
    restarts: Annotated[int, msgspec.Meta(ge=0)] = 0
    max_restarts: Annotated[int, msgspec.Meta(ge=0)] = 2
    allowed_s: Annotated[float, msgspec.Meta(gt=0)] = 900.0


class Outcome(_Record, frozen=True, kw_only=True):
    """How the last update ended.

    Attributes:
        kind: whether the release was committed or rolled back.
        release: which.
        reason: why it was rolled back.
    """

    kind: Literal["committed", "rolled-back"]
    release: Release
    reason: str = ""


class SlotState(_Record, frozen=True, kw_only=True):
    """The slots of one bundle name.

    Attributes:
        name: the bundle's name.
        current: what this board committed last; `None` is the bundle that the settings name.
        previous: what it had committed before that: the only one it may go back to.
        staged: fetched, verified and self-tested, and not tried yet.
        trial: what runs under watch.
        outcome: how the last update ended.
        commits: how many updates this board committed.
    """

    name: Name
    current: Release | None = None
    previous: Release | None = None
    staged: Release | None = None
    trial: Trial | None = None
    outcome: Outcome | None = None
    commits: Annotated[int, msgspec.Meta(ge=0)] = 0

    @property
    def phase(self) -> Phase:
        """Where this bundle's update stands."""
        if self.trial is not None:
            return "trial"
        if self.staged is not None:
            return "fetched"
        return "idle" if self.outcome is None else self.outcome.kind

    @property
    def candidate(self) -> Release | None:
        """What would become current: on trial, or staged."""
        return self.trial.release if self.trial is not None else self.staged

    @property
    def refused(self) -> Release | None:
        """What was rolled back last, if nothing was committed since."""
        if self.outcome is None or self.outcome.kind != "rolled-back":
            return None
        return self.outcome.release

    def in_use(self) -> frozenset[str]:
        """The hashes of the bundles that must stay in the store."""
        releases = (self.current, self.previous, self.candidate)
        return frozenset(release.sha256 for release in releases if release is not None)


def stage(state: SlotState, release: Release) -> SlotState:
    """A verified release waits for its trial; one that waited before gives way.

    Raises:
        InputError: a trial runs.
    """
    if state.trial is not None:
        raise InputError(
            f"{state.name}: {state.trial.release.version} is on trial; wait until it has ended"
        )
    return msgspec.structs.replace(state, staged=release)


def begin_trial(state: SlotState, *, max_restarts: int, allowed_s: float) -> SlotState:
    """The staged release runs under watch.

    Raises:
        InputError: nothing is staged.
    """
    if state.staged is None:
        raise InputError(f"{state.name}: nothing was fetched that could be tried")
    trial = Trial(release=state.staged, max_restarts=max_restarts, allowed_s=allowed_s)
    return msgspec.structs.replace(state, staged=None, trial=trial)


def commit(state: SlotState) -> SlotState:
    """The release on trial becomes current, and the current one the previous.

    Raises:
        InputError: nothing is on trial.
    """
    if state.trial is None:
        raise InputError(f"{state.name}: nothing is on trial that could be committed")
    release = state.trial.release
    return SlotState(
        name=state.name,
        current=release,
        previous=state.current,
        outcome=Outcome(kind="committed", release=release),
        commits=state.commits + 1,
    )


def roll_back(state: SlotState, reason: str) -> SlotState:
    """The candidate is given up; what was current stays so.

    Raises:
        InputError: nothing is staged or on trial.
    """
    if state.candidate is None:
        raise InputError(f"{state.name}: nothing is on trial that could be rolled back")
    outcome = Outcome(kind="rolled-back", release=state.candidate, reason=reason)
    return msgspec.structs.replace(state, staged=None, trial=None, outcome=outcome)


def go_back(state: SlotState, reason: str, *, to_settings: bool) -> SlotState:
    """The previous bundle becomes current again, and the current one the previous.

    Args:
        state: as it is.
        reason: who wanted it, or why.
        to_settings: whether the bundle that the settings name is there to go back to.

    Raises:
        InputError: a trial runs, or this board committed nothing before.
    """
    if state.trial is not None:
        raise InputError(
            f"{state.name}: {state.trial.release.version} is on trial: roll that back first"
        )
    if state.current is None or (state.previous is None and not to_settings):
        raise InputError(
            f"{state.name}: this board committed no bundle before this one; "
            "a rollback goes nowhere else"
        )
    return msgspec.structs.replace(
        state,
        current=state.previous,
        previous=state.current,
        staged=None,
        outcome=Outcome(kind="rolled-back", release=state.current, reason=reason),
    )


def start(state: SlotState) -> SlotState:
    """What a start of the daemon makes of it: counts on trial, and gives up after too many."""
    trial = state.trial
    if trial is None:
        return state
    if trial.restarts >= trial.max_restarts:
        times = f"{trial.restarts + 1} time{'s' if trial.restarts else ''}"
        return roll_back(state, f"the daemon ended {times} while it was on trial")
    counted = msgspec.structs.replace(trial, restarts=trial.restarts + 1)
    return msgspec.structs.replace(state, trial=counted)
