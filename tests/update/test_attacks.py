"""The rules of trust, by the names of the attacks that they withstand."""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta

import pytest
from securesystemslib.signer import CryptoSigner

from edgekit.bundle import Bundle
from edgekit.errors import BundleError, EdgekitError, InputError, Unavailable
from edgekit.update.answers import Limits
from edgekit.update.pace import Pace
from tests.update.fleet import NAME, START, Board, MemoryRepository, committed, running


def taken(repository: MemoryRepository) -> dict[str, bytes]:
    """The repository as it stands, for an attacker to keep."""
    return dict(repository.files)


def refused(board: Board, *, says: str, error: type[EdgekitError] = BundleError) -> None:
    """Fetching is refused in one line, and what runs still runs."""
    updates = board.open()
    before = updates.state(NAME)
    with pytest.raises(error, match=says) as caught:
        updates.fetch(NAME)
    assert len(str(caught.value).splitlines()) == 1
    assert updates.state(NAME) == before


def test_rollback_to_an_older_repository_is_refused(
    repository: MemoryRepository, board: Board, bundles: Mapping[str, Bundle]
) -> None:
    old = taken(repository)
    repository.add(bundles["1.2.0"])
    committed(board.open())
    repository.files = old
    refused(board, says="older than what this board has seen")
    assert running(board.open()) == "1.2.0"


def test_rollback_of_the_timestamp_alone_is_refused(
    repository: MemoryRepository, board: Board
) -> None:
    old = repository.files["metadata/timestamp.json"]
    repository.renew()
    committed(board.open())
    repository.files["metadata/timestamp.json"] = old
    refused(board, says="older than what this board has seen")


def test_freeze_is_noticed_when_the_timestamp_ends(
    repository: MemoryRepository, board: Board
) -> None:
    committed(board.open())
    repository.pass_days(8)
    refused(board, says=r"timestamp.json is expired; sign the repository again, or set this board")
    repository.renew("snapshot")
    assert board.open().fetch(NAME) is None


def test_a_clock_that_starts_in_the_past_does_not_help_a_freeze(
    repository: MemoryRepository, board: Board
) -> None:
    frozen = taken(repository)
    repository.pass_days(6)
    repository.renew("snapshot")
    committed(board.open())
    repository.pass_days(6)
    repository.renew("snapshot")
    assert board.open().fetch(NAME) is None
    fresh = Board(board.folder, repository, repository.root, clock=lambda: START)
    repository.files = frozen
    for path in (board.folder / "updates" / "metadata").glob("*.json"):
        path.unlink()  # so that nothing but the time can tell
    refused(fresh, says="expired")


def test_a_clock_that_ran_ahead_does_not_lock_a_board_out(
    repository: MemoryRepository, board: Board
) -> None:
    ahead = Board(
        board.folder, repository, repository.root, clock=lambda: START + timedelta(days=6)
    )
    committed(ahead.open())
    far = Board(
        board.folder, repository, repository.root, clock=lambda: START + timedelta(days=999)
    )
    refused(far, says="expired")
    repository.renew()
    assert board.open().fetch(NAME) is None


def test_mix_and_match_of_versions_is_refused(
    repository: MemoryRepository, board: Board, bundles: Mapping[str, Bundle]
) -> None:
    old = taken(repository)
    repository.add(bundles["1.2.0"])
    number = repository.documents.version("snapshot")
    repository.files[f"metadata/{number}.snapshot.json"] = old[
        f"metadata/{number - 1}.snapshot.json"
    ]
    refused(board, says="not what was signed")


def test_an_older_list_under_the_new_snapshot_is_refused(
    repository: MemoryRepository, board: Board, bundles: Mapping[str, Bundle]
) -> None:
    repository.add(bundles["1.2.0"])
    number = repository.documents.version("targets")
    repository.files[f"metadata/{number}.targets.json"] = repository.files[
        f"metadata/{number - 1}.targets.json"
    ]
    refused(board, says="not what was signed")


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_a_wrong_key_is_refused(
    repository: MemoryRepository, board: Board, role: str, bundles: Mapping[str, Bundle]
) -> None:
    stranger = CryptoSigner.generate_ed25519()
    keyid = repository.signers[role][0].public_key.keyid  # type: ignore[index]

    class Posing:
        public_key = repository.all[keyid].public_key

        def sign(self, payload: bytes) -> object:
            signature = stranger.sign(payload)
            signature.keyid = keyid
            return signature

    repository.all[keyid] = Posing()  # type: ignore[assignment]
    repository.add(bundles["1.2.0"])
    refused(board, says=f"{role} was signed by 0/1 keys: not by the keys that this board trusts")


def test_another_repositorys_root_is_refused(
    repository: MemoryRepository, board: Board, bundles: Mapping[str, Bundle]
) -> None:
    other = MemoryRepository()
    other.add(bundles["1.2.0"])
    other.rotate("root")
    repository.files = other.files
    refused(board, says="root was signed by 0/1 keys")


def test_an_expired_root_stops_everything(repository: MemoryRepository, board: Board) -> None:
    repository.pass_days(366)
    repository.renew("targets")
    refused(board, says="root.json is expired")
    repository.renew("root")
    committed(board.open())


class Endless:
    """Answers with the repository's files, and then never stops."""

    def __init__(self, repository: MemoryRepository, path: str) -> None:
        self.name = "endless"
        self.sent = 0
        self._repository = repository
        self._path = path

    def read(self, path: str, *, start: int = 0) -> Iterator[bytes]:
        yield from self._repository.read(path, start=start)
        while self._path in path:
            self.sent += 1 << 16
            yield bytes(1 << 16)


@pytest.mark.parametrize("path", ["timestamp", "snapshot", "targets.json", "tar.xz", "root"])
def test_endless_data_ends(repository: MemoryRepository, board: Board, path: str) -> None:
    if path == "root":
        repository.rotate("root")
    source = Endless(repository, path)
    refused(Board(board.folder, source, repository.root), says="is longer than was signed")
    assert source.sent < 4 << 20


class Trickling:
    """A byte a second, by a clock that it moves itself."""

    name = "trickling"

    def __init__(self, repository: MemoryRepository, path: str) -> None:
        self.now_s = 0.0
        self._repository = repository
        self._path = path

    def read(self, path: str, *, start: int = 0) -> Iterator[bytes]:
        for chunk in self._repository.read(path, start=start):
            if self._path not in path:
                yield chunk
                continue
            for value in chunk:
                self.now_s += 1
                yield bytes([value])


@pytest.mark.parametrize("path", ["timestamp", "tar.xz"])
def test_slow_retrieval_is_given_up(repository: MemoryRepository, board: Board, path: str) -> None:
    source = Trickling(repository, path)
    pace = Pace(monotonic_s=lambda: source.now_s)
    slow = Board(board.folder, source, repository.root, limits=Limits(pace=pace))
    refused(slow, says="too slow: 60 bytes in 60 s", error=Unavailable)
    assert source.now_s < 100


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp"])
def test_rotation_of_a_key_is_followed(
    repository: MemoryRepository, board: Board, role: str, bundles: Mapping[str, Bundle]
) -> None:
    committed(board.open(), "1.0.0")
    repository.rotate(role)  # type: ignore[arg-type]
    repository.add(bundles["1.2.0"])
    committed(board.open())
    assert running(board.open()) == "1.2.0"


def test_every_prefix_of_a_rotation_is_a_repository_that_boards_believe(
    repository: MemoryRepository, board: Board
) -> None:
    for role in ("timestamp", "targets"):
        new = CryptoSigner.generate_ed25519()
        old = repository.signers[role][0].public_key.keyid  # type: ignore[index]
        repository.signers[role] = [new]  # type: ignore[index]
        repository.all[new.public_key.keyid] = new
        repository.documents.rotate(role, old, new.public_key, now=repository.now)  # type: ignore[arg-type]
        for file in repository.documents.signed(repository.all.get):
            repository.files[f"metadata/{file.name}"] = file.data
            fresh = Board(board.folder / file.name, repository, repository.root)
            assert fresh.open().fetch(NAME) is not None


def test_a_board_that_slept_through_many_rotations_catches_up(
    repository: MemoryRepository, board: Board
) -> None:
    committed(board.open(), "1.0.0")
    for _ in range(5):
        repository.rotate("root")
        repository.rotate("timestamp")
    committed(board.open(), "1.1.0")


def test_a_revoked_key_signs_nothing_any_more(
    repository: MemoryRepository, board: Board, bundles: Mapping[str, Bundle]
) -> None:
    old = repository.rotate("targets")
    assert board.open().fetch(NAME) is not None
    repository.renew("targets")
    new = repository.signers["targets"][0].public_key.keyid
    repository.all[new] = old
    repository.add(bundles["1.2.0"])
    refused(board, says="targets was signed by 0/1 keys")


def test_a_fast_forward_with_a_stolen_key_ends_with_its_rotation(
    repository: MemoryRepository, board: Board
) -> None:
    honest = repository.documents.version("timestamp")
    for _ in range(50):
        repository.renew()
    committed(board.open(), "1.0.0")
    document = repository.documents._documents["timestamp"].signed
    document.version = honest
    repository.rotate("timestamp")
    committed(board.open(), "1.1.0")


def test_a_version_below_the_signed_floor_is_refused_even_if_it_is_hinted(
    repository: MemoryRepository, board: Board, bundles: Mapping[str, Bundle]
) -> None:
    repository.add(bundles["1.2.0"], floor="1.1.0")
    with pytest.raises(BundleError, match=r"mean 1.0.0: is below the signed floor 1.1.0"):
        board.open().fetch(NAME, "1.0.0")
    assert board.open().fetch(NAME, "1.1.0") is not None


def test_a_version_lower_than_the_installed_one_is_refused(board: Board) -> None:
    committed(board.open(), "1.1.0")
    with pytest.raises(BundleError, match=r"mean 1.0.0: is lower than the installed 1.1.0"):
        board.open().fetch(NAME, "1.0.0")
    assert running(board.open()) == "1.1.0"


def test_the_shipped_bundle_counts_as_installed(
    board: Board, bundles: Mapping[str, Bundle]
) -> None:
    updates = board.open()
    assert running(updates, bundles["1.1.0"].path) == "1.1.0"
    with pytest.raises(BundleError, match="lower than the installed"):
        updates.fetch(NAME, "1.0.0")
    assert updates.fetch(NAME, "1.1.0") is None


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b"\xff\xfe", b'{"signed": {}}', b"[" * 5000])
def test_a_damaged_timestamp_is_refused(
    repository: MemoryRepository, board: Board, damage: bytes
) -> None:
    repository.files["metadata/timestamp.json"] = damage
    refused(board, says="the metadata is damaged")


def test_a_damaged_timestamp_on_the_board_itself_is_fetched_again(
    repository: MemoryRepository, board: Board
) -> None:
    committed(board.open(), "1.0.0")
    for path in (board.folder / "updates" / "metadata").rglob("*.json"):
        path.write_bytes(b"\0" * path.stat().st_size)
    (board.folder / "updates" / "time.json").write_bytes(b"\0" * 20)
    committed(board.open(), "1.1.0")


def test_an_archive_with_one_byte_changed_is_refused(
    repository: MemoryRepository, board: Board
) -> None:
    for path, data in repository.files.items():
        if "1.1.0" in path:
            repository.files[path] = data[:100] + bytes([data[100] ^ 1]) + data[101:]
    refused(board, says="is not what was signed; the repository is damaged or was tampered with")
    assert not list((board.folder / "updates").rglob("*.part"))


def test_a_note_that_contradicts_its_target_is_refused(
    repository: MemoryRepository, board: Board
) -> None:
    targets = repository.documents._documents["targets"].signed.targets
    stolen = targets[f"{NAME}/{NAME}-1.0.0.tar.xz"].unrecognized_fields
    targets[f"{NAME}/{NAME}-1.1.0.tar.xz"].unrecognized_fields = stolen
    repository.renew("targets")
    refused(board, says=r"says that it is mean 1.0.0")


def test_metadata_of_another_kind_is_refused(repository: MemoryRepository, board: Board) -> None:
    number = repository.documents.version("snapshot")
    repository.files["metadata/timestamp.json"] = repository.files[
        f"metadata/{number}.snapshot.json"
    ]
    refused(board, says="damaged|not by the keys")


def test_a_repository_without_the_name_says_so(board: Board) -> None:
    with pytest.raises(InputError, match="squeezenet: the repository has no release of it"):
        board.open().fetch("squeezenet")


def test_an_empty_place_is_unreachable(repository: MemoryRepository, board: Board) -> None:
    repository.files.clear()
    refused(board, says="no repository there", error=Unavailable)


def test_what_was_verified_is_kept_whatever_else_fails(
    repository: MemoryRepository, board: Board, bundles: Mapping[str, Bundle]
) -> None:
    committed(board.open(), "1.0.0")
    repository.add(bundles["1.2.0"])
    number = repository.documents.version("snapshot")
    del repository.files[f"metadata/{number}.snapshot.json"]
    refused(board, says="no repository there, or not whole", error=Unavailable)
    kept = json.loads((board.folder / "updates" / "metadata" / "timestamp.json").read_bytes())
    assert kept["signed"]["version"] == repository.documents.version("timestamp")
