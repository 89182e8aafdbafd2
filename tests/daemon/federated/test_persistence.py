"""What a board remembers of its rounds, whatever happens to its disk."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.daemon.federated.downloading import Download
from edgekit.daemon.federated.persistence import Invited, Kept, RoundFiles, Told, Trained
from edgekit.errors import InputError
from edgekit.learning.federated.framing import chunked
from edgekit.learning.federated.messages import Invite
from tests.daemon.federated.conftest import same
from tests.daemon.federated.coordinator import RUN, name_of

INVITE = Invite(
    run=RUN, round=3, version=2, model=bytes(16), model_bytes=9, epochs=1, rate=0.1, seconds=60.0
)
KEPT = Kept(
    "step",
    (RUN, 3),
    np.arange(4, dtype=np.float32),
    {"w": np.ones((2, 2), np.float32)},
    {"head.w": np.zeros(3, np.float32)},
)
TRAINED = Trained(INVITE, b"update", KEPT, 12.5)
TOLD = Told(4, "2026-11-28", 2, "counted", (RUN, 3))
NAMES = ("invited.cbor", "trained.cbor", "kept.cbor", "told.json", "secure.cbor")


def _alike(one: Kept, other: Kept) -> bool:
    assert (one.residual is None) == (other.residual is None)
    residuals = one.residual is None or np.array_equal(one.residual, other.residual)  # type: ignore[arg-type]
    names = (one.step, one.after) == (other.step, other.after)
    return names and residuals and same(one.control, other.control) and same(one.own, other.own)


def test_all_of_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    files = RoundFiles(tmp_path / "job")
    assert (files.invited(), files.trained(), files.told()) == (None, None, Told())
    assert files.kept("step") == Kept("step")
    files.save_invited(Invited(INVITE, 5.5, "step"))
    assert files.invited() == Invited(INVITE, 5.5, "step")
    files.save_secure((RUN, 3), b"secret")
    assert files.secure((RUN, 3)) == b"secret"
    assert files.secure((RUN, 4)) is None
    files.save_trained(TRAINED)
    assert files.invited() is None
    found = files.trained()
    assert found is not None
    assert (found.id, found.message, found.trained_s) == ((RUN, 3), b"update", 12.5)
    assert _alike(found.then, KEPT)
    files.save_told(TOLD)
    assert files.told() == TOLD
    files.count(found)
    assert (files.trained(), files.secure((RUN, 3))) == (None, None)
    assert _alike(files.kept("step"), KEPT)
    assert files.kept("another step") == Kept("another step")


def test_a_round_s_secrets_are_nobody_else_s(tmp_path: Path) -> None:
    files = RoundFiles(tmp_path / "job")
    files.save_secure((RUN, 3), b"secret")
    files.save_secure((RUN, 3), b"another")
    assert (tmp_path / "job" / "secure.cbor").stat().st_mode & 0o077 == 0


@given(name=st.sampled_from(NAMES), junk=st.binary(max_size=200), cut=st.integers(0, 400))
def test_a_damaged_file_is_done_without(
    tmp_path_factory: pytest.TempPathFactory, name: str, junk: bytes, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("job")
    files = RoundFiles(folder)
    files.save_trained(TRAINED)
    files.count(TRAINED)
    files.save_trained(TRAINED)
    files.save_invited(Invited(INVITE, 5.5, "step"))
    files.save_secure((RUN, 3), b"secret")
    files.save_told(TOLD)
    whole = (folder / name).read_bytes()
    for data in (junk, whole[:cut] + junk, whole[: cut // 2] + junk + whole[cut // 2 + 1 :]):
        (folder / name).write_bytes(data)
        files.invited(), files.trained(), files.kept("step"), files.told(), files.secure((RUN, 3))


def test_rounds_are_counted_by_the_day() -> None:
    told = Told().begun(date(2026, 11, 28)).begun(date(2026, 11, 28))
    assert (told.rounds_on(date(2026, 11, 28)), told.rounds_on(date(2026, 11, 29))) == (2, 0)
    assert told.begun(date(2026, 11, 29)).today == 1


@pytest.mark.parametrize(
    ("now_s", "over"), [(100, False), (159, False), (161, True), (-4000, True)]
)
def test_a_round_is_over_when_its_time_is_up_or_the_clock_was_set_back_far(
    now_s: float, over: bool
) -> None:
    assert Invited(INVITE, 100.0, "step").is_over(now_s) is over


@given(message=st.binary(min_size=1, max_size=2000), order=st.randoms(), junk=st.binary())
def test_a_model_comes_together_in_any_order_and_with_anything_between(
    message: bytes, order: object, junk: bytes
) -> None:
    chunks = chunked(message, 256)
    shuffled = [*chunks, *chunks]
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    download = Download(name_of(message), len(message), 0.0)
    for wrong in (junk, chunked(b"another" + message, 256)[0]):
        with pytest.raises(InputError):
            download.add(wrong, 0.0)
    found = [download.add(chunk, 1.0) for chunk in shuffled]
    assert message in found


def test_a_download_stalls_when_nothing_new_comes() -> None:
    message = bytes(1000)
    chunks = chunked(message, 256)
    download = Download(name_of(message), len(message), 0.0)
    assert not download.has_stalled(4.9, 5.0)
    assert download.has_stalled(5.0, 5.0)
    assert not download.has_stalled(9.9, 5.0)
    download.add(chunks[1], 9.0)
    download.add(chunks[1], 13.0)
    assert not download.has_stalled(13.9, 5.0)
    assert download.has_stalled(14.0, 5.0)
