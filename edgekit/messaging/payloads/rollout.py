"""`plan`, `wish` and `progress` of a rollout, for workstations: no board reads or writes them."""

from typing import Annotated, Literal

import msgspec

from edgekit.messaging.payloads.deploy import BundleVersion
from edgekit.messaging.payloads.schema import Count, Line, Message, Share, Text, decode

Board = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=31_536_000)]
WaveSize = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
RolloutState = Literal["running", "paused", "stopped", "aborted", "finished"]


class RolloutPlan(Message, frozen=True, kw_only=True):
    """What a rollout is to do; written once. Retained."""

    bundle: Text
    version: BundleVersion
    started: Count
    """Milliseconds since 1970 UTC."""
    boards: tuple[Board, ...]
    """In the order in which they get their turn; the first are the canaries."""
    waves: Annotated[tuple[WaveSize, ...], msgspec.Meta(min_length=1, max_length=100)]
    """How many boards may have begun by the end of each."""
    deadline_s: Seconds
    """How long a wave waits for its boards."""
    at_once: WaveSize | None = None
    """How many boards may be under way at the same time; all of a wave where left out."""
    pause_s: Seconds = 0.0
    """Between a wave and the next."""
    min_success: Share = 0.95
    """Of the boards that have begun, what must have committed at the end of a wave."""
    max_errors: Share = 0.02
    """Of the boards that may have begun, what may have failed at any time."""
    target: Line = ""
    """What chose the boards, for people."""


class RolloutWish(Message, frozen=True, kw_only=True):
    """What an operator wants of a rollout now. Retained."""

    action: Literal["run", "pause", "abort"]
    by: Text
    """Who wants it; of `run`, the one workstation that may carry the rollout on."""
    at: Count
    revert: bool = False
    """Whether the boards of an aborted rollout that have committed go back."""
    min_success: Share | None = None
    max_errors: Share | None = None


class RolloutProgress(Message, frozen=True, kw_only=True):
    """Where a rollout stands; written by the workstation that carries it on. Retained."""

    by: Text
    state: RolloutState
    wave: Annotated[int, msgspec.Meta(ge=0, le=99)]
    """From 0."""
    since: Count
    """When the wave began."""
    passed: Count | None = None
    """When it was through; the pause counts from here."""
    reason: Line = ""
    late: tuple[Board, ...] = ()
    """Boards that no wave waits for any more."""
    failed: dict[Board, Line] = msgspec.field(default_factory=dict)


def decode_rollout_plan(payload: bytes) -> RolloutPlan:
    """Reads a `plan/<rollout>` payload.

    Raises:
        InputError: not JSON, another version, or a missing or wrong field.
    """
    return decode(payload, RolloutPlan, "plan")


def decode_rollout_wish(payload: bytes) -> RolloutWish:
    """Reads a `wish/<rollout>` payload.

    Raises:
        InputError: not JSON, another version, or a missing or wrong field.
    """
    return decode(payload, RolloutWish, "wish")


def decode_rollout_progress(payload: bytes) -> RolloutProgress:
    """Reads a `progress/<rollout>` payload.

    Raises:
        InputError: not JSON, another version, or a missing or wrong field.
    """
    return decode(payload, RolloutProgress, "progress")
