"""What the board says of itself: its versions, and what runs each pipeline."""

import platform
from collections.abc import Mapping

from edgekit import __version__
from edgekit.messaging.payloads import EngineInUse, ModelName, Status, Versions
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from edgekit.runtime.session import Session


def status_of(
    boot: str, sessions: Mapping[str, Session], *, labels: Mapping[str, str] | None = None
) -> Status:
    """The `status` message of a board that is online, with these models."""
    return Status(
        state="online",
        boot=boot,
        versions=Versions(
            edgekit=__version__,
            python=platform.python_version(),
            onnxruntime=OnnxRuntimeEngine.version,
        ),
        pipelines=tuple(sessions),
        labels=dict(labels or {}),
        engines={name: _in_use(session) for name, session in sessions.items()},
    )


def _in_use(session: Session) -> EngineInUse:
    manifest, artifact = session.bundle.manifest, session.artifact
    return EngineInUse(
        engine=session.engine.name,
        model=ModelName(
            name=manifest.name, version=manifest.version, hash=session.bundle.short_hash
        ),
        variant=artifact.variant,
        provider=session.engine.provider,
    )
