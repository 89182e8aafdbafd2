"""`deploy/desired/<bundle>` and `deploy/status/<bundle>`: a hint to update, and how far that is."""

from typing import Annotated, Literal

import msgspec

from edgekit.messaging.payloads.schema import Line, Message, Share, Text, decode

BundleVersion = Annotated[str, msgspec.Meta(pattern=r"\A\d{1,6}\.\d{1,6}\.\d{1,6}\Z")]
DeployPhase = Literal[
    "idle",
    "refreshing",
    "downloading",
    "unpacking",
    "testing",
    "trial",
    "committed",
    "rolled-back",
    "refused",
    "failed",
]


class DeployDesired(Message, frozen=True, kw_only=True):
    """A hint: only what the repository has signed is installed. Retained."""

    version: BundleVersion
    rollout: Text | None = None
    """Which rollout this belongs to, where it does."""
    action: Literal["install", "roll-back"] = "install"
    """`roll-back` leaves `version` for the bundle that this board had committed before."""


class DeployStatus(Message, frozen=True, kw_only=True):
    """Where a bundle's update stands. Retained."""

    boot: Text
    phase: DeployPhase
    running: BundleVersion | None = None
    """The version that answers now."""
    version: BundleVersion | None = None
    """The version that this phase is about."""
    share: Share | None = None
    """How much of the download is there."""
    reason: Line = ""
    """Why it was rolled back, refused, or failed; what a trial still waits for."""
    rollout: Text | None = None


def decode_deploy_desired(payload: bytes) -> DeployDesired:
    """Reads a `deploy/desired/<bundle>` payload.

    Raises:
        InputError: not JSON, another version, or a missing or wrong field.
    """
    return decode(payload, DeployDesired, "deploy/desired")


def decode_deploy_status(payload: bytes) -> DeployStatus:
    """Reads a `deploy/status/<bundle>` payload.

    Raises:
        InputError: not JSON, another version, or a missing or wrong field.
    """
    return decode(payload, DeployStatus, "deploy/status")
