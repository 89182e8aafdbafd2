"""The repository that a deploy pushes: private and kept fresh, or given, with or without keys."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edgekit.bundle import Bundle
from edgekit.deploy.keys import KeyRing, make_keys
from edgekit.deploy.repository import Repository
from edgekit.deploy.ssh.signing import Signer, private_signer
from edgekit.errors import BundleError, InputError
from tests.deploy.signing import passphrase, ring
from tools.crash_points.making import tiny_bundle


def days_ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


@pytest.fixture
def given(tmp_path: Path) -> Signer:
    """A repository of a fleet, and its keys."""
    make_keys(tmp_path / "keys", {}, passphrases=passphrase)
    Repository(tmp_path / "updates").create(ring(tmp_path / "keys"))
    return Signer(tmp_path / "updates", [tmp_path / "keys"], passphrase)


def test_a_private_repository_is_made_once_and_for_its_owner_alone(
    tmp_path: Path, means: Mapping[str, Bundle]
) -> None:
    first = private_signer("pi@Door-1", trusted=None, home=tmp_path)
    assert first.folder == tmp_path / "door-1" / "repository"
    assert first.offer(means["1.0.0"]) == first.offer(means["1.0.0"])
    assert private_signer("pi@door-1", trusted=None, home=tmp_path).folder == first.folder
    assert (tmp_path / "door-1").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "door-1" / "passphrase").stat().st_mode & 0o777 == 0o600


def test_a_private_repository_is_found_by_what_the_board_trusts_whatever_its_address(
    tmp_path: Path,
) -> None:
    made = private_signer("pi@10.0.0.7", trusted=None, home=tmp_path)
    private_signer("pi@10.0.0.8", trusted=None, home=tmp_path)
    trusted = hashlib.sha256(made.root.read_bytes()).hexdigest()
    assert private_signer("pi@10.0.0.8", trusted=trusted, home=tmp_path).folder == made.folder
    with pytest.raises(InputError, match="trusts a repository that is not among those"):
        private_signer("pi@10.0.0.8", trusted="0" * 64, home=tmp_path)


def test_signatures_of_a_private_repository_are_renewed_by_a_deploy(
    tmp_path: Path, means: Mapping[str, Bundle]
) -> None:
    signer = private_signer("pi@door", trusted=None, home=tmp_path)
    signer.offer(means["1.0.0"])
    old = Repository(signer.folder, now=lambda: days_ago(360))
    keys = KeyRing(signer.keys, signer.passphrases)
    old.sign(keys, ["root", "targets", "snapshot", "timestamp"])
    assert min(Repository(signer.folder).ends().values()) < datetime.now(UTC)
    assert signer.offer(means["1.0.0"]).release.version == "1.0.0"
    assert min(Repository(signer.folder).ends().values()) > datetime.now(UTC)


def test_a_given_repository_needs_its_keys_only_for_what_it_has_not_signed(
    given: Signer, means: Mapping[str, Bundle]
) -> None:
    keyless = Signer(given.folder, [], passphrase)
    with pytest.raises(InputError, match=r"mean 1\.0\.0: is not signed in .*--keys"):
        keyless.offer(means["1.0.0"])
    offer = given.offer(means["1.0.0"])
    assert keyless.offer(means["1.0.0"]) == offer


def test_a_version_with_other_content_is_refused(
    given: Signer, means: Mapping[str, Bundle], tmp_path: Path
) -> None:
    given.offer(means["1.0.0"])
    other = tiny_bundle(tmp_path / "other", "1.0.0", gain=7)
    with pytest.raises(InputError, match="with other content; give it a new version"):
        given.offer(other)


def test_a_repository_that_has_expired_is_not_pushed(
    tmp_path: Path, means: Mapping[str, Bundle]
) -> None:
    make_keys(tmp_path / "keys", {}, passphrases=passphrase)
    Repository(tmp_path / "r", now=lambda: days_ago(20)).create(ring(tmp_path / "keys"))
    with pytest.raises(BundleError, match="expired; sign the repository again"):
        Signer(tmp_path / "r", [tmp_path / "keys"], passphrase).offer(means["1.0.0"])


def test_a_board_is_given_only_the_repository_that_it_trusts(given: Signer, tmp_path: Path) -> None:
    assert given.for_board("pi@door", None) == given
    with pytest.raises(InputError, match="pi@door: trusts another repository"):
        given.for_board("pi@door", "0" * 64)
    with pytest.raises(InputError, match="is no repository; make one"):
        Signer(tmp_path, [], passphrase).for_board("pi@door", None)
