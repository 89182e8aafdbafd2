"""Which release a board may install: pure rules over the signed list and what is installed."""

from collections.abc import Sequence

from edgekit.errors import BundleError, InputError
from edgekit.update.release import Offer, Release, version_key


def floor_of(name: str, offers: Sequence[Offer]) -> str:
    """The lowest version of a name that may be installed: the highest floor that was signed."""
    floors = [offer.note.floor for offer in offers if offer.release.name == name]
    return max(floors, key=version_key, default="0.0.0")


def choose(
    name: str,
    offers: Sequence[Offer],
    *,
    wanted: str | None = None,
    installed: Release | None = None,
    refused: Release | None = None,
) -> Offer | None:
    """The release to install, or `None` where the board is up to date.

    Args:
        name: the bundle's name.
        offers: the whole signed list.
        wanted: a version that someone hinted at; by default the newest.
        installed: what the board runs.
        refused: what it tried and rolled back: a hint does not bring it again.

    Raises:
        InputError: there is no such release.
        BundleError: the release must not be installed: below the signed floor, lower than what is
            installed, of the same version with other bytes, or rolled back before.
    """
    mine = [offer for offer in offers if offer.release.name == name]
    if not mine:
        raise InputError(f"{name}: the repository has no release of it; add one, or check the name")
    if wanted is None:
        offer = max(mine, key=lambda each: version_key(each.release.version))
    else:
        offer = _named(name, wanted, mine)
    release = offer.release
    if installed is not None:
        if release.sha256 == installed.sha256:
            return None
        if release.version == installed.version and installed.sha256 != UNKNOWN:
            raise BundleError(
                f"{release.label}: is installed already with other bytes; "
                "publish the change as a new version"
            )
        if version_key(release.version) <= version_key(installed.version):
            if wanted is None or release.version == installed.version:
                return None
            raise BundleError(
                f"{release.label}: is lower than the installed {installed.version}; a board goes "
                "back only by a rollback to a bundle that it committed before"
            )
    floor = floor_of(name, mine)
    if version_key(release.version) < version_key(floor):
        raise BundleError(
            f"{release.label}: is below the signed floor {floor}; install {floor} or newer"
        )
    if refused is not None and release.sha256 == refused.sha256:
        raise BundleError(
            f"{release.label}: was rolled back on this board before; publish a new version, or "
            "ask for it again by name"
        )
    return offer


UNKNOWN = "0" * 64
"""The hash of what did not come out of a repository: the bundle that the settings name."""


def _named(name: str, wanted: str, offers: Sequence[Offer]) -> Offer:
    for offer in offers:
        if offer.release.version == wanted:
            return offer
    has = sorted((offer.release.version for offer in offers), key=version_key)
    raise InputError(f"{name}: the repository has no version {wanted}; it has {', '.join(has)}")
