"""The repository on a workstation: made, added to, renewed, rotated and served."""

import http.client
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result

from edgekit.bundle import Bundle, open_bundle
from edgekit.cli.keys import keys as keys_command
from edgekit.cli.repository import repository as repository_command
from edgekit.deploy.keys import make_keys
from edgekit.deploy.repository import Repository
from edgekit.deploy.serving import RepositoryServer
from edgekit.errors import InputError
from edgekit.update.files import DiskFiles
from edgekit.update.sources.folder import FolderSource
from tests.deploy.signing import copy_of, passphrase, ring
from tests.update.fleet import NAME, Board, committed, running, tiny_bundle
from tools.crash_points.disk import CrashDisk, RecordingFiles, lay_out

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of keys."""
    folder = tmp_path_factory.mktemp("made") / "keys"
    make_keys(folder, {}, passphrases=passphrase)
    return folder


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Bundle]:
    folder = tmp_path_factory.mktemp("bundles")
    versions = ("1.0.0", "1.1.0", "1.2.0")
    return {each: tiny_bundle(folder / each, each, gain=1 + n) for n, each in enumerate(versions)}


@pytest.fixture
def keys(made: Path, tmp_path: Path) -> Path:
    return copy_of(made, tmp_path / "keys")


@pytest.fixture
def repository(keys: Path, tmp_path: Path) -> Repository:
    found = Repository(tmp_path / "repository", now=lambda: NOW)
    found.create(ring(keys))
    return found


def board_of(
    repository: Repository, folder: Path, clock: Callable[[], datetime] = lambda: NOW
) -> Board:
    root = (repository.folder / "metadata" / "1.root.json").read_bytes()
    return Board(folder, FolderSource(repository.folder), root, clock=clock)


def test_a_bundle_that_is_added_is_what_a_board_installs(
    repository: Repository, keys: Path, bundles: Mapping[str, Bundle], tmp_path: Path
) -> None:
    (added,) = repository.add([bundles["1.0.0"]], ring(keys))
    assert (added.is_new, added.floor) == (True, "0.0.0")
    board = board_of(repository, tmp_path / "board")
    committed(board.open())
    boot = board.open().boot(NAME)
    assert boot.bundle.digest == bundles["1.0.0"].digest


def test_the_same_bundle_gives_the_same_archive_and_is_added_once(
    repository: Repository, keys: Path, bundles: Mapping[str, Bundle]
) -> None:
    (first,) = repository.add([bundles["1.0.0"]], ring(keys))
    before = sorted(path.name for path in repository.folder.rglob("*.json"))
    (again,) = repository.add([bundles["1.0.0"]], ring(keys))
    assert (again.release, again.is_new) == (first.release, False)
    assert sorted(path.name for path in repository.folder.rglob("*.json")) == before


def test_a_version_that_is_there_cannot_change_its_content(
    repository: Repository, keys: Path, bundles: Mapping[str, Bundle], tmp_path: Path
) -> None:
    repository.add([bundles["1.0.0"]], ring(keys))
    other = tiny_bundle(tmp_path / "other", "1.0.0", gain=99)
    with pytest.raises(InputError, match="with other content; give it a new version"):
        repository.add([other], ring(keys))


def test_a_floor_rises_and_never_falls(
    repository: Repository, keys: Path, bundles: Mapping[str, Bundle], tmp_path: Path
) -> None:
    repository.add([bundles["1.1.0"]], ring(keys), floor="1.1.0")
    with pytest.raises(InputError, match=r"1.0.0: is below the floor 1.1.0"):
        repository.add([bundles["1.0.0"]], ring(keys))
    (added,) = repository.add([bundles["1.2.0"]], ring(keys), floor="1.0.0")
    assert added.floor == "1.1.0"
    (same,) = repository.add([bundles["1.2.0"]], ring(keys), floor="1.2.0")
    assert (same.is_new, same.floor) == (False, "1.2.0")
    with pytest.raises(Exception, match=r"below the signed floor 1.2.0"):
        board_of(repository, tmp_path / "board").open().fetch(NAME, "1.1.0")


def test_sign_renews_what_has_lived_half_its_time_and_nothing_else(
    keys: Path, tmp_path: Path
) -> None:
    now = [NOW]
    repository = Repository(tmp_path / "repository", now=lambda: now[0])
    repository.create(ring(keys))
    assert repository.sign(ring(keys)) == []
    now[0] = NOW + timedelta(days=4)
    assert repository.sign(ring(keys)) == ["timestamp"]
    assert repository.ends()["timestamp"] == now[0] + timedelta(days=7)
    now[0] = NOW + timedelta(days=8)
    assert repository.sign(ring(keys)) == ["snapshot", "timestamp"]
    assert repository.sign(ring(keys), force=True) == ["snapshot", "timestamp"]
    assert repository.sign(ring(keys), ["root", "targets"]) == ["root", "targets"]
    assert repository.ends()["root"] == now[0] + timedelta(days=365)


def test_renewing_needs_the_online_keys_alone(keys: Path, repository: Repository) -> None:
    for path in (keys / "offline").glob("*.key"):
        path.unlink()
    assert repository.sign(ring(keys), force=True) == ["snapshot", "timestamp"]
    with pytest.raises(InputError, match="signing targets takes 1 of its 1 keys, 0 are at hand"):
        repository.sign(ring(keys), ["targets"])


def test_a_nightly_renewal_keeps_a_board_going_for_a_year(
    keys: Path, tmp_path: Path, bundles: Mapping[str, Bundle]
) -> None:
    now = [NOW]
    repository = Repository(tmp_path / "repository", now=lambda: now[0])
    repository.create(ring(keys))
    repository.add([bundles["1.0.0"]], ring(keys))
    board = board_of(repository, tmp_path / "board", clock=lambda: now[0])
    opened = ring(keys)
    for day in range(360):
        now[0] = NOW + timedelta(days=day)
        repository.sign(opened)
        if day % 60 == 0:
            board.open()._repository.refresh()
    assert len(list(repository.folder.glob("metadata/*.snapshot.json"))) == 5


def test_a_threshold_needs_as_many_custodians(
    tmp_path: Path, bundles: Mapping[str, Bundle]
) -> None:
    keys = tmp_path / "keys"
    make_keys(keys, {"root": 3, "targets": 2}, passphrases=passphrase)
    repository = Repository(tmp_path / "repository", now=lambda: NOW)
    repository.create(ring(keys), thresholds={"root": 2, "targets": 2})
    repository.add([bundles["1.0.0"]], ring(keys))
    (keys / "offline" / "targets-2.key").rename(tmp_path / "targets-2.key")
    with pytest.raises(InputError, match="signing targets takes 2 of its 2 keys, 1 are at hand"):
        repository.add([bundles["1.1.0"]], ring(keys))
    (keys / "offline" / "root-3.key").unlink()
    repository.sign(ring(keys), ["root"])
    committed(board_of(repository, tmp_path / "board").open())
    with pytest.raises(InputError, match="a threshold of 4 needs as many keys; there are 2"):
        Repository(tmp_path / "another").create(ring(keys), thresholds={"root": 4})


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp"])
def test_a_rotated_key_is_followed_and_the_old_one_is_worth_nothing(
    repository: Repository, keys: Path, bundles: Mapping[str, Bundle], tmp_path: Path, role: str
) -> None:
    board = board_of(repository, tmp_path / "board")
    repository.add([bundles["1.0.0"]], ring(keys))
    committed(board.open())
    old, new = repository.rotate(role, ring(keys), into=keys, passphrases=passphrase)  # type: ignore[arg-type]
    assert old != new
    (keys / ("offline" if role in ("root", "targets") else "online") / f"{role}-1.key").unlink()
    repository.add([bundles["1.1.0"]], ring(keys))
    committed(board.open())
    assert running(board.open()) == "1.1.0"


def test_a_rotation_that_fails_leaves_no_key_behind(
    repository: Repository, keys: Path, tmp_path: Path
) -> None:
    (keys / "offline" / "root-1.key").rename(tmp_path / "safe.key")
    before = sorted(keys.rglob("*"))
    with pytest.raises(InputError, match="signing root takes 1 of its 1 keys, 0 are at hand"):
        repository.rotate("timestamp", ring(keys), into=keys, passphrases=passphrase)
    assert sorted(keys.rglob("*")) == before
    with pytest.raises(InputError, match="root: abc is not one of its keys"):
        repository.rotate("root", ring(keys), into=keys, passphrases=passphrase, old="abc")


def test_whoever_reads_in_the_middle_of_a_change_gets_a_whole_repository(
    repository: Repository, keys: Path, bundles: Mapping[str, Bundle], tmp_path: Path
) -> None:
    """Also over a power cut: each disk that one may leave is a repository to boards."""
    repository.add([bundles["1.0.0"]], ring(keys))
    start = copy_of(repository.folder, tmp_path / "start")
    files = RecordingFiles(repository.folder)
    changing = Repository(repository.folder, files=files, now=lambda: NOW)
    changing.add([bundles["1.1.0"]], ring(keys))
    changing.rotate("timestamp", ring(keys), into=keys, passphrases=passphrase)
    disk, seen = CrashDisk(start), set()
    for number, change in enumerate(files.changes):
        disk.apply(change)
        for count, left in enumerate(disk.outcomes()):
            folder = tmp_path / f"{number}-{count}"
            lay_out(left, folder)
            board = board_of(Repository(folder), tmp_path / f"board-{number}-{count}")
            release = board.open().fetch(NAME)
            assert release is not None
            seen.add(release.version)
    assert seen == {"1.0.0", "1.1.0"}


def test_a_full_disk_leaves_the_repository_as_it_was(
    repository: Repository, keys: Path, bundles: Mapping[str, Bundle]
) -> None:
    class Full(DiskFiles):
        def sync(self, path: Path) -> None:
            raise OSError(28, "No space left on device")

    before = repository.offers()
    full = Repository(repository.folder, files=Full(), now=lambda: NOW)
    with pytest.raises(InputError, match="the disk is full; nothing was changed"):
        full.add([bundles["1.0.0"]], ring(keys))
    assert repository.offers() == before


def test_a_folder_that_is_none_and_one_that_is_one_already_are_told_apart(
    repository: Repository, keys: Path, tmp_path: Path, bundles: Mapping[str, Bundle]
) -> None:
    with pytest.raises(InputError, match="is a repository already"):
        repository.create(ring(keys))
    with pytest.raises(InputError, match="is no repository; make one"):
        Repository(tmp_path / "none").add([bundles["1.0.0"]], ring(keys))
    (repository.folder / "metadata" / "timestamp.json").write_bytes(b"{")
    with pytest.raises(InputError, match="the repository's metadata cannot be read"):
        repository.offers()


@pytest.mark.parametrize(
    ("asked", "status", "body"),
    [
        (None, 200, b"0123456789"),
        ("bytes=4-", 206, b"456789"),
        ("bytes=2-3", 206, b"23"),
        ("bytes=0-99", 200, b"0123456789"),
        ("bytes=10-", 416, b""),
        ("bytes=-3", 200, b"0123456789"),
        ("bytes=5-2", 416, b""),
        ("lines=1-2", 200, b"0123456789"),
    ],
)
def test_the_server_sends_what_range_is_asked_for(
    tmp_path: Path, asked: str | None, status: int, body: bytes
) -> None:
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "file").write_bytes(b"0123456789")
    with RepositoryServer(tmp_path).running() as address:
        connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
        connection.request("GET", "/metadata/file", headers={"Range": asked} if asked else {})
        response = connection.getresponse()
        assert (response.status, response.read()) == (status, body)
        connection.close()


def test_the_server_shows_nothing_but_the_repository(tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    (folder / "metadata").mkdir(parents=True)
    (folder / "keys").mkdir()
    (folder / "keys" / "root-1.key").write_text("secret")
    (tmp_path / "outside").write_text("secret")
    (folder / "metadata" / "link").symlink_to(tmp_path / "outside")
    (folder / ".lock").write_text("")
    with RepositoryServer(folder).running() as address:
        for path in (
            "/", "/metadata/", "/.lock", "/keys/root-1.key", "/metadata/../../outside",
            "/metadata/%2e%2e/keys/root-1.key", "/metadata/link", "/metadata/%00", "//etc/passwd",
        ):  # fmt: skip
            connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
            connection.request("GET", path)
            assert connection.getresponse().status == 404, path
            connection.close()


def invoke(command: object, *arguments: object, **environment: str) -> Result:
    return CliRunner().invoke(command, list(map(str, arguments)), env=environment)  # type: ignore[arg-type]


def test_the_commands_take_a_bundle_from_keys_to_a_board(
    tmp_path: Path, bundles: Mapping[str, Bundle]
) -> None:
    words = tmp_path / "words"
    words.write_text("correct horse battery\n")
    opened = ("--passphrase-file", words)
    keys, folder = tmp_path / "keys", tmp_path / "repository"
    done = invoke(keys_command, "init", keys, "--root-keys", 2, *opened)
    assert done.exit_code == 0, done.output
    assert len(done.output.splitlines()) == 5
    done = invoke(repository_command, "init", folder, "--keys", keys, *opened)
    assert f"install {folder}/metadata/1.root.json on every board" in done.output
    path = bundles["1.0.0"].path
    done = invoke(repository_command, "add", folder, path, "--keys", keys, *opened)
    assert done.output == "mean 1.0.0: added; the floor of its name is 0.0.0\n"
    done = invoke(keys_command, "rotate", "timestamp", folder, "--keys", keys, *opened)
    assert "took the place of" in done.output
    done = invoke(
        repository_command, "sign", folder, "--keys", keys / "online", "--force",
        EDGEKIT_ONLINE_PASSPHRASE="correct horse battery",
    )  # fmt: skip
    assert "renewed snapshot, timestamp" in done.output, done.exception
    board = board_of(Repository(folder), tmp_path / "board", clock=lambda: datetime.now(UTC))
    committed(board.open())
    assert open_bundle(path).digest == board.open().boot(NAME).bundle.digest


def test_bad_input_of_the_commands_is_one_line(tmp_path: Path, keys: Path) -> None:
    folder = tmp_path / "repository"
    for name in ("EDGEKIT_KEYS_PASSPHRASE", "EDGEKIT_ONLINE_PASSPHRASE"):
        assert name not in os.environ
    for arguments, says in [
        (("init", folder, "--keys", keys), "no passphrase: give --passphrase-file"),
        (("init", folder, "--keys", keys, "--passphrase-file", "/none"), "/none: cannot be read"),
        (("init", folder, "--keys", tmp_path / "no"), "no keys there"),
        (("serve", folder), "is no repository"),
    ]:
        done = invoke(repository_command, *arguments)
        assert isinstance(done.exception, InputError), done.output
        assert says in str(done.exception)
    wrong = invoke(
        repository_command, "init", folder, "--keys", keys, EDGEKIT_KEYS_PASSPHRASE="wrong one"
    )
    assert "the passphrase is wrong" in str(wrong.exception)
    assert not list(folder.glob("metadata/*"))
