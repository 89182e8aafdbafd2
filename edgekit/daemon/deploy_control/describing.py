"""Finds out what runs on a board, from its settings and the slots of its updates."""

import hashlib
import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

from edgekit import __version__
from edgekit.bundle import open_bundle
from edgekit.config.loading import load_settings
from edgekit.config.schema import Settings
from edgekit.daemon.deploy_control.messages import BoardReport, BundleReport
from edgekit.errors import BundleError, ConfigError, EdgekitError
from edgekit.messaging.payloads import DeployStatus, decode_deploy_status
from edgekit.update import SlotState
from edgekit.update.checks import installed_engines
from edgekit.update.files import DiskFiles
from edgekit.update.state_file import StateFiles

_LARGEST_STATUS_BYTES = 64 * 1024


def describe(config: Path, state: Path) -> BoardReport:
    """What there is on this board; nothing is changed.

    Args:
        config: the settings' file.
        state: the state directory where the settings name none.
    """
    engines = tuple(sorted(installed_engines()))
    if not config.is_file():
        return BoardReport(edgekit=__version__, engines=engines, state=str(state))
    try:
        settings = load_settings(config)
    except ConfigError as error:
        return BoardReport(
            edgekit=__version__,
            engines=engines,
            has_settings=True,
            mistakes=error.mistakes,
            state=str(state),
        )
    state = settings.state or state
    updates = settings.updates
    bundles, missing = _bundles(settings, state)
    return BoardReport(
        edgekit=__version__,
        engines=engines,
        has_settings=True,
        state=str(state),
        repository=None if updates is None else updates.repository,
        folder=None if updates is None else folder_of(updates.repository),
        root_file=None if updates is None else str(updates.root),
        root_sha256=None if updates is None else _hash(updates.root),
        bundles=bundles,
        missing=missing,
        free_bytes=_free_bytes(state),
    )


def status_file(state: Path, name: str) -> Path:
    """Where the daemon says how far the update of a bundle is."""
    return state / "updates" / "status" / f"{name}.json"


def read_status(state: Path, name: str) -> DeployStatus | None:
    """What the daemon said last of a bundle's update; none where there is nothing to be read."""
    try:
        with status_file(state, name).open("rb") as file:
            return decode_deploy_status(file.read(_LARGEST_STATUS_BYTES))
    except (OSError, EdgekitError):
        return None


def report_of(
    state: SlotState, shipped: str, *, pipelines: tuple[str, ...], status: DeployStatus | None
) -> BundleReport:
    """What the slots of a bundle say: pure.

    Args:
        state: the slots.
        shipped: the version that the settings name.
        pipelines: that run it.
        status: what the daemon said last.
    """
    back = None
    if state.current is not None and state.trial is None:
        back = shipped if state.previous is None else state.previous.version
    return BundleReport(
        name=state.name,
        pipelines=pipelines,
        installed=shipped if state.current is None else state.current.version,
        back=back,
        refused=None if state.refused is None else state.refused.version,
        reason="" if state.refused is None or state.outcome is None else state.outcome.reason,
        status=status,
    )


def _bundles(settings: Settings, state: Path) -> tuple[tuple[BundleReport, ...], tuple[str, ...]]:
    slots = StateFiles(state / "updates" / "slots", DiskFiles())
    versions: dict[str, str] = {}
    users: dict[str, list[str]] = {}
    missing: list[str] = []
    for pipeline, table in settings.pipelines.items():
        try:
            manifest = open_bundle(table.bundle).manifest
        except (BundleError, OSError):
            if str(table.bundle) not in missing:
                missing.append(str(table.bundle))
            continue
        versions[manifest.name] = manifest.version
        users.setdefault(manifest.name, []).append(pipeline)
    reports = tuple(
        report_of(
            slots.load(name),
            version,
            pipelines=tuple(users[name]),
            status=read_status(state, name),
        )
        for name, version in versions.items()
    )
    return reports, tuple(missing)


def folder_of(repository: str) -> str | None:
    """The folder that a repository's address names; none where it is elsewhere."""
    parts = urlsplit(repository)
    if parts.scheme == "file":
        return unquote(parts.path)
    return None if "://" in repository else repository


def _hash(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _free_bytes(folder: Path) -> int:
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free
