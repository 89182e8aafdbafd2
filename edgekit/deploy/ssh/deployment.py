"""`edgekit deploy BUNDLE user@host`: sign, push, hint, and wait for the board's own verdict."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgekit.bundle import Bundle
from edgekit.daemon.deploy_control.messages import BoardReport, Parcel
from edgekit.deploy.ssh.board import Board
from edgekit.deploy.ssh.bootstrap import Installation, install, set_up, settings_files
from edgekit.deploy.ssh.checks import check_bundle, check_settings, is_running
from edgekit.deploy.ssh.complaints import printable
from edgekit.deploy.ssh.control import Control
from edgekit.deploy.ssh.following import Follower, start
from edgekit.deploy.ssh.pushing import parcel_of, shipping_of
from edgekit.deploy.ssh.signing import Signer
from edgekit.errors import BundleError, InputError, Unavailable
from edgekit.messaging.payloads import DeployDesired, DeployStatus
from edgekit.update.release import Offer


class Progress(Protocol):
    """Is told how far a deploy is."""

    def step(self, text: str) -> None:
        """Something begins, or was found."""

    def sending(self, what: str, done: int, total: int) -> None:
        """So many bytes were sent, of so many."""

    def status(self, status: DeployStatus) -> None:
        """The board says how far it is."""


@dataclass(frozen=True)
class Deployed:
    """A deploy that the board committed, or had committed before.

    Attributes:
        name: the bundle's.
        version: that runs now.
        before: that ran before; `None` where none did.
        sent_bytes: of the repository's files.
        sent_files: how many of them had changed.
        parcel_bytes: of all files that the board now has of it.
    """

    name: str
    version: str
    before: str | None
    sent_bytes: int
    sent_files: int
    parcel_bytes: int


def deploy(
    board: Board,
    bundle: Bundle,
    signer_for: Callable[[str | None], Signer],
    *,
    progress: Progress,
    installation: Installation | None = None,
    deadline_s: float = 1800.0,
    clock_s: Callable[[], float] = time.monotonic,
) -> Deployed:
    """Has a board try a bundle, and waits until it has committed it.

    Nothing on the board changes but files that it looks at only when it is told to; from then on it
    alone decides, and commits or rolls back by itself also where this program is ended.

    Args:
        board: logged in to.
        bundle: verified.
        signer_for: the repository to push, by the SHA-256 of the root that the board trusts.
        progress: is told how far it is.
        installation: how to install edgekit where it is missing; by default it must be there.
        deadline_s: how long to wait for the board's verdict.
        clock_s: seconds that never jump.

    Raises:
        InputError: the board or the bundle cannot be used: why, and what to do.
        BundleError: the board refused the bundle, or tried it and rolled back: the reason.
        Unavailable: the connection was lost, or there was no verdict in time.
    """
    board, report = _ready(board, installation, progress)
    control = Control(board)
    name, version = bundle.manifest.name, bundle.manifest.version
    check_settings(report, board.layout, destination=board.name)
    check_bundle(report, bundle, destination=board.name)
    before = is_running(report, name)
    signer = signer_for(report.root_sha256)
    progress.step(f"signing {name} {version} into {signer.folder}")
    offer = signer.offer(bundle)
    parcel = parcel_of(signer.folder, offer)
    _trust(board, report, signer.root, progress)
    sent, changed = _push(control, parcel, signer.folder, progress)
    if before is None:
        folder = control.ship(shipping_of(offer, parcel))
        progress.step(f"put {name} {version} into {folder}, which the board's settings name")
    start(board, progress.step)
    follower = Follower(board, control, progress, deadline_s=deadline_s, clock_s=clock_s)
    wish = DeployDesired(version=version, rollout=_rollout())
    _conclude(board, offer, follower.wait(name, wish, keep=parcel))
    total = sum(note.size_bytes for note in parcel.files)
    return Deployed(name, version, before, sent, len(changed), total)


def go_back(
    board: Board,
    name: str | None,
    *,
    progress: Progress,
    deadline_s: float = 300.0,
    clock_s: Callable[[], float] = time.monotonic,
) -> tuple[str, str]:
    """Has a board go back to the bundle that it had committed before.

    Args:
        board: logged in to.
        name: the bundle's; `None` where the board runs one alone.
        progress: is told how far it is.
        deadline_s: how long to wait for the board.
        clock_s: seconds that never jump.

    Returns:
        The bundle's name, and the version that runs now.

    Raises:
        InputError: it is not clear which bundle is meant, or there is none to go back to.
        Unavailable: the connection was lost, or the board does not answer.
    """
    control = Control(board)
    report = control.describe()
    check_settings(report, board.layout, destination=board.name)
    names = [each.name for each in report.bundles]
    if name is None and len(names) != 1:
        raise InputError(f"{board.name}: runs {', '.join(names) or 'no bundle'}; say which")
    found = next((each for each in report.bundles if name in (None, each.name)), None)
    if found is None:
        raise InputError(f"{board.name}: runs no bundle {name}; it runs {', '.join(names)}")
    if found.back is None or found.installed is None:
        raise InputError(
            f"{board.name}: {found.name} {found.installed}: the board committed no bundle before "
            "this one; a rollback goes nowhere else"
        )
    start(board, progress.step)
    progress.step(f"{found.name}: going back from {found.installed} to {found.back}")
    wish = DeployDesired(version=found.installed, rollout=_rollout(), action="roll-back")
    follower = Follower(board, control, progress, deadline_s=deadline_s, clock_s=clock_s)
    status = follower.wait(found.name, wish)
    if status.phase != "rolled-back":
        raise InputError(f"{board.name}: {found.name}: not rolled back: {printable(status.reason)}")
    return found.name, found.back


def _ready(
    board: Board, installation: Installation | None, progress: Progress
) -> tuple[Board, BoardReport]:
    """A board with edgekit and settings."""
    is_new = board.facts.edgekit is None
    if is_new:
        if installation is None:
            raise InputError(
                f"{board.name}: has no edgekit in {board.layout.home}; --bootstrap installs it"
            )
        if installation.settings is not None:
            settings_files(installation.settings, board.layout)  # a mistake there shows at once
        progress.step(f"installing edgekit into {board.layout.home}")
        board = install(board, installation, sending=progress.sending)
    progress.step(f"edgekit {board.facts.edgekit} in {board.layout.home}")
    report = Control(board).describe()
    if installation is not None and (is_new or not report.has_settings):
        given: dict[str, bytes] = {}
        if not report.has_settings:
            given = settings_files(installation.settings, board.layout)
        set_up(board, given, replace_units=is_new)
        progress.step(f"wrote {board.layout.config}" if given else "kept the board's settings")
        report = Control(board).describe()
    return board, report


def _trust(board: Board, report: BoardReport, root: Path, progress: Progress) -> None:
    """Gives a board without a trusted root the repository's: whoever is root there may."""
    data = root.read_bytes()
    if report.root_sha256 is not None:
        return
    assert report.root_file is not None
    board.put(report.root_file, data, replace=False)
    progress.step(f"the board trusts this repository from now on ({report.root_file})")


def _push(
    control: Control, parcel: Parcel, folder: Path, progress: Progress
) -> tuple[int, list[str]]:
    def sending(done: int, total: int) -> None:
        progress.sending("repository", done, total)

    sent, changed = control.send(parcel, folder, sending=sending)
    total = sum(note.size_bytes for note in parcel.files)
    progress.step(
        f"pushed {len(changed)} of {len(parcel.files)} files, {sent:,} of {total:,} bytes"
    )
    return sent, changed


def _conclude(board: Board, offer: Offer, status: DeployStatus) -> None:
    """Raises what the board's last word means.

    Raises:
        BundleError: it refused, or rolled back.
        Unavailable: it could not.
    """
    label, reason = offer.release.label, printable(status.reason)
    runs = f"; {status.running} goes on running" if status.running else ""
    if status.phase == "committed":
        return
    if status.phase == "idle":
        if status.running in (None, offer.release.version):
            return
        raise BundleError(f"{board.name}: {label}: not installed; {status.running} runs")
    if status.phase == "failed":
        raise Unavailable(
            f"{board.name}: {label}: failed: {reason}{runs}; the board tries again by itself"
        )
    what = "rolled back" if status.phase == "rolled-back" else "refused"
    raise BundleError(f"{board.name}: {label}: {what}: {reason}{runs}")


def _rollout() -> str:
    """Tells this hint from every other, in what the board says."""
    return f"ssh-{secrets.token_hex(6)}"
