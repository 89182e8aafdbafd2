"""A rollout as it is kept: its three messages, and where they say that it stands."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from edgekit.deploy.rollout.plan import Board, Standing, obey
from edgekit.deploy.rollout.topics import Part
from edgekit.errors import InputError
from edgekit.messaging.payloads import (
    RolloutPlan,
    RolloutProgress,
    RolloutWish,
    decode_rollout_plan,
    decode_rollout_progress,
    decode_rollout_wish,
)

_LONGEST_REASON = 200
_MOST_FAILED = 500


@dataclass(frozen=True)
class Record:
    """What is kept of a rollout.

    Attributes:
        plan: what it is to do.
        wish: what an operator wanted last.
        progress: where it stood last.
    """

    plan: RolloutPlan
    wish: RolloutWish | None = None
    progress: RolloutProgress | None = None

    @property
    def standing(self) -> Standing:
        """Where it stands, an unheard wish to pause or to abort included."""
        standing = standing_of(self.plan, self.progress)
        if self.wish is not None and self.wish.action != "run":
            return obey(standing, self.wish, self.wish.at / 1000)
        return standing


def read_record(parts: Mapping[Part, bytes], rollout: str) -> Record:
    """Reads what is kept of a rollout.

    Raises:
        InputError: there is no plan, or a part cannot be read.
    """
    if not parts.get("plan"):
        raise InputError(f"{rollout}: no such rollout; `edgekit rollout list` has them")
    wish, progress = parts.get("wish"), parts.get("progress")
    return Record(
        decode_rollout_plan(parts["plan"]),
        decode_rollout_wish(wish) if wish else None,
        decode_rollout_progress(progress) if progress else None,
    )


def effective(plan: RolloutPlan, wish: RolloutWish | None) -> RolloutPlan:
    """The plan with the thresholds that an operator has set since."""
    if wish is None:
        return plan
    success, errors = wish.min_success, wish.max_errors
    return msgspec.structs.replace(
        plan,
        min_success=plan.min_success if success is None else success,
        max_errors=plan.max_errors if errors is None else errors,
    )


def kept_thresholds(wish: RolloutWish, before: RolloutWish | None) -> RolloutWish:
    """A wish that leaves the thresholds of the one before as they are, where it names none."""
    if before is None:
        return wish
    success, errors = wish.min_success, wish.max_errors
    return msgspec.structs.replace(
        wish,
        min_success=before.min_success if success is None else success,
        max_errors=before.max_errors if errors is None else errors,
    )


def standing_of(plan: RolloutPlan, progress: RolloutProgress | None) -> Standing:
    """Where a rollout stands; at its beginning where nothing was said yet."""
    if progress is None:
        return Standing(since_s=plan.started / 1000)
    return Standing(
        state=progress.state,
        wave=min(progress.wave, len(plan.waves) - 1),
        since_s=progress.since / 1000,
        passed_s=None if progress.passed is None else progress.passed / 1000,
        reason=progress.reason,
        late=frozenset(progress.late),
    )


def progress_of(standing: Standing, boards: Iterable[Board], by: str) -> RolloutProgress:
    """What to say of where a rollout stands."""
    failed = {
        board.name: board.reason[:_LONGEST_REASON] for board in boards if board.answer == "failed"
    }
    return RolloutProgress(
        by=by,
        state=standing.state,
        wave=standing.wave,
        since=round(standing.since_s * 1000),
        passed=None if standing.passed_s is None else round(standing.passed_s * 1000),
        reason=standing.reason,
        late=tuple(sorted(standing.late)),
        failed=dict(list(failed.items())[:_MOST_FAILED]),
    )
