"""What must hold of a verified bundle before a board tries it."""

from collections.abc import Callable
from importlib.util import find_spec

from edgekit.bundle import Bundle
from edgekit.bundle.manifest import EngineName
from edgekit.errors import BundleError, EdgekitError

_LIBRARIES: dict[EngineName, tuple[str, ...]] = {
    "onnxruntime": ("onnxruntime",),
    "litert": ("ai_edge_litert", "tflite_runtime"),
}

SelfTest = Callable[[Bundle], object]
"""Loads a bundle and reproduces its golden vectors on this machine; raises an `EdgekitError`."""


def installed_engines() -> frozenset[EngineName]:
    """The engines whose library is there; none is imported."""
    return frozenset(
        engine
        for engine, libraries in _LIBRARIES.items()
        if any(find_spec(library) is not None for library in libraries)
    )


def check_engines(bundle: Bundle, installed: frozenset[EngineName]) -> None:
    """Refuses a bundle that no engine of this board runs.

    Raises:
        BundleError: every engine that it has a model for is missing here.
    """
    wanted = {artifact.engine for artifact in bundle.artifacts()}
    if not wanted & installed:
        names = " or ".join(sorted(wanted))
        has = ", ".join(sorted(installed)) or "none"
        raise BundleError(
            f"{bundle.manifest.name} {bundle.manifest.version}: needs {names}, which this board "
            f"does not have (it has {has}); install it, or publish a bundle for the board's engine"
        )


def golden_self_test(bundle: Bundle) -> None:
    """Loads the first of a bundle's models that this board runs, and reproduces its golden vectors.

    Raises:
        EdgekitError: it does not load or does not pass.
    """
    from edgekit.runtime.options import DEFAULTS
    from edgekit.runtime.selftest import check_golden
    from edgekit.runtime.session import Session

    installed = installed_engines()
    check_engines(bundle, installed)
    artifact = next(each for each in bundle.artifacts() if each.engine in installed)
    with Session.of(bundle, artifact, DEFAULTS) as session:
        check_golden(session)


def why_unfit(bundle: Bundle, self_test: SelfTest) -> str | None:
    """Why a bundle must not run here, or `None`."""
    try:
        self_test(bundle)
    except EdgekitError as error:
        return str(error)
    return None
