"""Looks at a pipeline's bundle: whole, and right on this processor."""

from pathlib import Path
from typing import Any

from edgekit.daemon.doctor.finding import Finding, ok, problem, warning
from edgekit.errors import EdgekitError
from edgekit.runtime.selftest import check_golden
from edgekit.runtime.session import Session


def look_at_bundle(about: str, bundle: Path, *, engine: Any = None) -> Finding:
    """Verifies the hashes, loads the model, and reproduces the golden vectors.

    Args:
        about: where the settings name it.
        bundle: the folder.
        engine: which engine; by default the bundle's first.
    """
    try:
        session = Session.open(bundle, engine=engine)
        compared = check_golden(session)
    except EdgekitError as error:
        return problem(about, str(error), "install the bundle again, or another version of it")
    manifest = session.bundle.manifest
    name = f"{manifest.name} {manifest.version} ({session.bundle.short_hash})"
    if not compared:
        return warning(
            about, f"{name} has no golden vectors", "make it again with edgekit compress"
        )
    return ok(about, f"{name} on {session.engine.name}: {compared} golden vectors reproduced")
