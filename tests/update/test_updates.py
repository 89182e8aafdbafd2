"""What a board does with updates: fetch, try, keep, give up, start again; and with a full disk."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from edgekit.bundle import Bundle
from edgekit.errors import BundleError, InputError, Unavailable
from edgekit.update.answers import Limits, Step
from edgekit.update.sources import NotThere
from tests.update.fleet import NAME, Board, MemoryRepository, committed, running, tiny_bundle


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_an_update_goes_from_idle_to_committed_and_says_how_far_it_is(board: Board) -> None:
    updates, told = board.open(), []
    assert updates.phase(NAME) == "idle"
    release = updates.fetch(NAME, tell=told.append)
    assert release is not None
    assert (release.version, updates.phase(NAME)) == ("1.1.0", "fetched")
    assert [step.phase for step in told] == ["refreshing", "downloading", "unpacking", "testing"]
    assert told[1] == Step("downloading", release, told[1].total_bytes, told[1].total_bytes)
    candidate = updates.begin_trial(NAME)
    assert (candidate.release, updates.phase(NAME)) == (release, "trial")
    assert updates.commit(NAME) == release
    assert (updates.phase(NAME), running(board.open())) == ("committed", "1.1.0")
    assert updates.fetch(NAME) is None


def test_a_trial_never_touches_what_runs(board: Board) -> None:
    committed(board.open(), "1.0.0")
    updates = board.open()
    store = updates._store.place(updates.state(NAME).current.sha256)  # type: ignore[union-attr]
    before = tree(store)
    updates.fetch(NAME)
    updates.begin_trial(NAME)
    assert tree(store) == before
    assert updates.state(NAME).current.version == "1.0.0"  # type: ignore[union-attr]


def test_a_rolled_back_release_is_not_hinted_back_but_may_be_asked_for(board: Board) -> None:
    committed(board.open(), "1.0.0")
    updates = board.open()
    updates.fetch(NAME)
    updates.begin_trial(NAME)
    assert updates.roll_back(NAME, "its scores differ by 0.9").version == "1.1.0"
    state = board.open().state(NAME)
    assert state.phase == "rolled-back"
    assert state.outcome is not None
    assert state.outcome.reason == "its scores differ by 0.9"
    with pytest.raises(BundleError, match=r"1.1.0: was rolled back on this board before"):
        updates.fetch(NAME, "1.1.0")
    assert updates.fetch(NAME, "1.1.0", again=True) is not None


def test_a_bundle_that_fails_its_golden_vectors_is_not_tried(
    repository: MemoryRepository, board: Board, bundles: Mapping[str, Bundle]
) -> None:
    committed(board.open(), "1.0.0")
    repository.add(bundles["9.9.9"])
    updates = board.open()
    with pytest.raises(BundleError, match=r"golden input 0 is off by .* do not use this bundle"):
        updates.fetch(NAME)
    assert updates.phase(NAME) == "rolled-back"
    assert running(board.open()) == "1.0.0"
    with pytest.raises(InputError, match="nothing was fetched"):
        updates.begin_trial(NAME)


def test_a_daemon_that_dies_on_trial_falls_back_and_says_so(board: Board) -> None:
    committed(board.open(), "1.0.0")
    updates = board.open()
    updates.fetch(NAME)
    updates.begin_trial(NAME)
    for _ in range(2):
        boot = board.open().boot(NAME)
        assert boot.bundle.manifest.version == "1.0.0"
        assert boot.trial is not None
        assert boot.trial.release.version == "1.1.0"
    boot = board.open().boot(NAME)
    assert boot.trial is None
    assert boot.notes == ("mean 1.1.0: the daemon ended 3 times while it was on trial",)
    assert running(board.open()) == "1.0.0"


def test_a_rollback_goes_to_what_was_committed_before_and_nowhere_else(board: Board) -> None:
    with pytest.raises(InputError, match="committed no bundle before this one"):
        board.open().go_back(NAME, "wish")
    committed(board.open(), "1.0.0")
    with pytest.raises(InputError, match="committed no bundle before this one"):
        board.open().go_back(NAME, "wish")
    committed(board.open(), "1.1.0")
    back = board.open().go_back(NAME, "wish")
    assert back is not None
    assert back.manifest.version == "1.0.0"
    assert running(board.open()) == "1.0.0"
    with pytest.raises(BundleError, match="was rolled back on this board before"):
        board.open().fetch(NAME)
    board.open().go_back(NAME, "changed my mind")
    assert running(board.open()) == "1.1.0"


def test_a_rollback_of_the_first_update_goes_to_the_shipped_bundle(
    board: Board, bundles: Mapping[str, Bundle]
) -> None:
    updates, shipped = board.open(), bundles["1.0.0"].path
    assert running(updates, shipped) == "1.0.0"
    committed(updates)
    assert updates.go_back(NAME, "wish") is None
    assert running(board.open(), shipped) == "1.0.0"


def test_a_failed_trial_leaves_the_way_back_open(
    repository: MemoryRepository, board: Board, bundles: Mapping[str, Bundle]
) -> None:
    committed(board.open(), "1.0.0")
    committed(board.open(), "1.1.0")
    repository.add(bundles["1.2.0"])
    updates = board.open()
    updates.fetch(NAME)
    updates.begin_trial(NAME)
    updates.roll_back(NAME, "too slow")
    back = updates.go_back(NAME, "wish")
    assert back is not None
    assert back.manifest.version == "1.0.0"


def test_nothing_is_fetched_over_a_trial(board: Board) -> None:
    updates = board.open()
    updates.fetch(NAME)
    updates.begin_trial(NAME)
    with pytest.raises(InputError, match=r"1.1.0 is on trial; wait until it has ended"):
        updates.fetch(NAME)
    with pytest.raises(InputError, match=r"1.1.0 is on trial: roll that back first"):
        updates.go_back(NAME, "wish")


def test_a_bundle_that_rots_is_passed_over_and_then_fetched_again(board: Board) -> None:
    committed(board.open(), "1.0.0")
    committed(board.open(), "1.1.0")
    updates = board.open()
    place = updates._store.place(updates.state(NAME).current.sha256)  # type: ignore[union-attr]
    model = place / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"?")
    boot = board.open().boot(NAME)
    assert boot.bundle.manifest.version == "1.0.0"
    assert "SHA-256 is not the manifest's" in boot.notes[0]
    assert updates.fetch(NAME) is None
    assert running(board.open()) == "1.1.0"


def test_a_board_with_no_bundle_that_may_run_says_which_and_why(
    board: Board, tmp_path: Path
) -> None:
    with pytest.raises(BundleError, match="no bundle that may run: the settings name none"):
        board.open().boot(NAME)
    with pytest.raises(BundleError, match="no bundle that may run: .*no such folder"):
        board.open().boot(NAME, tmp_path / "nothing")


def test_a_bundle_for_an_engine_that_is_missing_here_says_what_to_install(board: Board) -> None:
    updates = board.open()
    updates._engines = frozenset({"litert"})
    with pytest.raises(
        BundleError, match=r"mean 1.1.0: needs onnxruntime, which this board does not have"
    ):
        updates.fetch(NAME)


def test_garbage_goes_when_room_is_needed_and_what_a_slot_uses_never(
    repository: MemoryRepository, board: Board, bundles: Mapping[str, Bundle]
) -> None:
    each = sum(path.stat().st_size for path in bundles["1.0.0"].path.rglob("*") if path.is_file())
    board.limits = Limits(store_bytes=each * 3 + each // 2)
    committed(board.open(), "1.0.0")
    committed(board.open(), "1.1.0")
    repository.add(bundles["1.2.0"])
    updates = board.open()
    updates.fetch(NAME)
    store = board.folder / "updates" / "store"
    assert len(list(store.iterdir())) == 3
    updates.begin_trial(NAME)
    updates.commit(NAME)  # 1.0.0 is garbage now
    repository.add(tiny_bundle(board.folder / "made", "1.3.0", gain=7))
    updates.fetch(NAME)
    kept = {path.name for path in store.iterdir()}
    assert kept == updates.state(NAME).in_use()
    assert len(kept) == 3
    board.limits = Limits(store_bytes=each * 2)
    repository.add(tiny_bundle(board.folder / "another", "1.4.0", gain=8))
    with pytest.raises(InputError, match="does not fit beside those in use .* raise it"):
        board.open().fetch(NAME)
    assert {path.name for path in store.iterdir()} == kept


def test_a_lost_state_makes_no_bundle_garbage(board: Board) -> None:
    committed(board.open(), "1.0.0")
    slots = board.folder / "updates" / "slots"
    for path in slots.iterdir():
        path.write_bytes(b"?")
    assert board.open()._states.in_use() is None
    assert running(board.open(), next((board.folder / "updates" / "store").iterdir())) == "1.0.0"


def test_a_damaged_state_is_read_from_its_copy(board: Board) -> None:
    committed(board.open(), "1.0.0")
    (board.folder / "updates" / "slots" / "mean.json").write_bytes(b"{}")
    assert running(board.open()) == "1.0.0"


def test_a_download_goes_on_where_it_broke_off(repository: MemoryRepository, board: Board) -> None:
    class Breaking:
        name = "breaking"

        def read(self, path: str, *, start: int = 0) -> Iterator[bytes]:
            for chunk in repository.read(path, start=start):
                if "tar.xz" in path and len(chunk) > 100:
                    yield chunk[:100]
                    raise Unavailable("breaking: broke off")
                yield chunk

    board.source = Breaking()
    for _ in range(3):
        with pytest.raises(Unavailable, match="broke off"):
            board.open().fetch(NAME)
    board.source = repository
    repository.asked.clear()
    committed(board.open())
    assert [start for path, start in repository.asked if "tar.xz" in path] == [300]


def test_a_torn_download_is_found_by_its_hash_and_fetched_anew(
    repository: MemoryRepository, board: Board
) -> None:
    archive = next(path for path in repository.files if "1.1.0" in path)
    sha256 = archive.rpartition("/")[2].split(".")[0]
    part = board.folder / "updates" / "downloads" / f"{sha256}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(repository.files[archive][:200] + bytes(200))
    committed(board.open())
    assert running(board.open()) == "1.1.0"


def test_an_archive_that_is_signed_but_missing_says_so(
    repository: MemoryRepository, board: Board
) -> None:
    for path in [path for path in repository.files if "1.1.0" in path]:
        del repository.files[path]
    with pytest.raises(Unavailable, match="signed, but not there; upload targets/ whole"):
        board.open().fetch(NAME)


def test_a_source_that_lacks_a_file_is_not_taken_for_an_end(board: Board) -> None:
    class Empty:
        name = "empty"

        def read(self, path: str, *, start: int = 0) -> Iterator[bytes]:
            raise NotThere(path)
            yield b""

    board.source = Empty()
    with pytest.raises(Unavailable, match="empty: no repository there, or not whole"):
        board.open().fetch(NAME)


@pytest.mark.parametrize("name", ["../../etc/cron", "a/b", "", ".hidden", "A", "a" * 65, "a\0"])
def test_a_name_that_no_bundle_can_have_touches_nothing(board: Board, name: str) -> None:
    for step in (board.open().fetch, board.open().begin_trial, board.open().boot):
        with pytest.raises(InputError, match="is not the name of a bundle"):
            step(name)
    assert not (board.folder / "updates").exists()
