"""Which boards of a fleet a new rollout is for: pure rules over what they have said."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from edgekit.deploy.rollout.picture import versions_of
from edgekit.deploy.rollout.targets import Selector
from edgekit.errors import InputError
from edgekit.messaging.payloads import DeployStatus, Status
from edgekit.update.release import version_key

_NAMED = 3


@dataclass(frozen=True)
class Chosen:
    """The boards of a rollout.

    Attributes:
        boards: those that are to install.
        already: those that run the version.
        others: those that are meant, but run no such bundle.
    """

    boards: tuple[str, ...]
    already: tuple[str, ...]
    others: tuple[str, ...]

    def notes(self, bundle: str, version: str) -> list[str]:
        """What an operator should know of those that are left out."""
        found = []
        if self.already:
            found.append(f"{_named(self.already)} {_run(self.already)} {bundle} {version} already")
        if self.others:
            found.append(f"{_named(self.others)} {_run(self.others)} no {bundle}: left out")
        return found


def choose_boards(
    statuses: Mapping[str, Status],
    updates: Mapping[str, DeployStatus],
    *,
    fleet: str,
    bundle: str,
    version: str,
    selector: Selector,
    devices: Collection[str] = (),
) -> Chosen:
    """Chooses.

    Args:
        statuses: what each board of the fleet said last of itself.
        updates: what it said last of the bundle's update.
        fleet: the fleet's name.
        bundle: the bundle's name.
        version: which is to be installed.
        selector: by labels.
        devices: by name; all that the selector takes where left out.

    Raises:
        InputError: no board is meant or there, or one of them runs a newer version.
    """
    if unknown := sorted(set(devices) - set(statuses)):
        raise InputError(f"fleet {fleet}: {_named(unknown)} never spoke to this broker")
    meant = [
        board
        for board, status in sorted(statuses.items())
        if (not devices or board in devices) and selector.fits(status.labels)
    ]
    if not meant:
        raise InputError(
            f"fleet {fleet}: no board matches; its {len(statuses)} have these labels: "
            f"{_labels(statuses.values())}"
        )
    boards, already, others, newer = [], [], [], []
    for board in meant:
        runs = _runs(statuses[board], updates.get(board), bundle)
        if not runs and (statuses[board].engines or statuses[board].pipelines == ()):
            others.append(board)
        elif runs == {version}:
            already.append(board)
        elif any(_is_newer(each, version) for each in runs):
            newer.append(board)
        else:
            boards.append(board)
    if newer:
        raise InputError(
            f"{bundle} {version}: is lower than what {_named(newer)} {_run(newer)}; boards go "
            "back only by a rollback: publish the old content as a higher version"
        )
    if not boards:
        if already:
            raise InputError(f"{bundle} {version}: all {len(already)} boards run it already")
        raise InputError(f"fleet {fleet}: none of the {len(others)} boards meant runs a {bundle}")
    return Chosen(tuple(boards), tuple(already), tuple(others))


def _runs(status: Status, update: DeployStatus | None, bundle: str) -> set[str]:
    if update is not None and update.running is not None:
        return {update.running}
    return versions_of(status, bundle)


def _is_newer(runs: str, version: str) -> bool:
    try:
        return version_key(runs) > version_key(version)
    except ValueError:
        return False


def _labels(statuses: Collection[Status]) -> str:
    found = sorted({f"{key}={value}" for each in statuses for key, value in each.labels.items()})
    return ", ".join(found[:8]) + (", ..." if len(found) > 8 else "") or "none"


def _named(boards: Collection[str]) -> str:
    names = ", ".join(sorted(boards)[:_NAMED])
    more = len(boards) - _NAMED
    return names + (f" and {more} more" if more > 0 else "")


def _run(boards: Collection[str]) -> str:
    return "runs" if len(boards) == 1 else "run"
