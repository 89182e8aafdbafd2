"""What a board keeps to learn from: where labels come from, and what never waits."""

import math
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.array import Array
from edgekit.bundle import open_bundle
from edgekit.config.federated import SamplesTable
from edgekit.daemon.federated.counting import board_key, private_counts
from edgekit.daemon.federated.data import Kind, LocalData, kind_of
from edgekit.errors import BundleError, InputError
from edgekit.learning.files import open_step
from edgekit.pipeline.parts import Inference, Sample
from edgekit.runtime.prediction import Classification, Timing
from tests.daemon.federated.digits import digits_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits_bundle(tmp_path_factory.mktemp("digits")).path


def _kind(path: Path) -> Kind:
    return kind_of(open_bundle(path), open_step(path / "train"))


@pytest.fixture
def opened(tmp_path: Path, bundle: Path) -> Iterator[Callable[..., LocalData]]:
    made: list[LocalData] = []

    def open_it(kind: Kind | None = None, **table: Any) -> LocalData:
        epsilon = table.pop("count_epsilon", None)
        made.append(
            LocalData(
                tmp_path / "job" / "samples.db",
                kind or _kind(bundle),
                SamplesTable(**table),
                count_epsilon=epsilon,
            )
        )
        return made[-1]

    yield open_it
    for data in made:
        data.close()


def _show(data: LocalData, *numbers: int, p: float = 0.4, top: int = 3) -> None:
    """Shows samples that are filled with their number, as a pipeline would."""
    for number in numbers:
        scores = np.full(10, (1 - p) / 9)
        scores[top] = p
        said = Inference(
            "reader",
            number,
            "boot",
            "digits",
            "1.0.0",
            "0" * 12,
            number * 1000,
            "",
            Classification.of(scores, ()),
            Timing(0, 0, 0, 0),
        )
        lent = np.full((1, 64), float(number))
        data.take(Sample(lent, number * 1_000_000_000, number * 1000), said)
        lent[:] = math.nan  # its memory is used again


def _held(data: LocalData) -> list[tuple[float, int]]:
    data.store()
    given, labels = data.samples()
    return [(float(row.max()), int(label)) for row, label in zip(given, labels, strict=True)]


def test_only_samples_with_a_label_are_kept(opened: Callable[..., LocalData]) -> None:
    data = opened()
    _show(data, 1, 2, 3, 4)
    assert data.label(7) == "seven"
    assert data.label("two", back=1) == "two"
    assert data.label(0, sequence=1) == "zero"
    assert _held(data) == [(4.0, 7), (3.0, 2), (1.0, 0)]
    assert data.refresh() == len(data) == 3


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"label": "eigth"}, "did you mean eight"),
        ({"label": 10}, "the class 10 is not in 0..9"),
        ({"label": 1, "sequence": 2}, "held are 3 to 4"),
        ({"label": 1, "back": 2}, "only 2 samples"),
        ({"label": 1, "sequence": 3}, "has its label already"),
    ],
)
def test_a_label_that_cannot_be_given_is_refused_with_why(
    opened: Callable[..., LocalData], given: dict[str, Any], why: str
) -> None:
    data = opened(recent=2)
    _show(data, 1, 2, 3, 4)
    data.label(5, sequence=3)
    with pytest.raises(InputError, match=why):
        data.label(**given)
    assert _held(data) == [(3.0, 5)]


def test_the_model_s_own_answer_labels_only_where_it_is_sure_and_nobody_said_otherwise(
    opened: Callable[..., LocalData],
) -> None:
    data = opened(recent=2, pseudo=0.9)
    _show(data, 1, p=0.95)
    _show(data, 2, p=0.95)
    data.label(8, sequence=2)
    _show(data, 3, p=0.89)
    _show(data, 4, 5, 6, p=0.9)
    assert _held(data) == [(2.0, 8), (1.0, 3), (4.0, 3)]


def test_samples_are_taken_no_closer_together_than_the_settings_say(
    opened: Callable[..., LocalData],
) -> None:
    data = opened(min_gap_s=2.0)
    _show(data, 1, 2, 3, 4)
    assert data.label(1) == "one"
    assert _held(data) == [(3.0, 1)]


def test_a_disk_that_is_too_slow_loses_samples_and_never_makes_a_pipeline_wait(
    opened: Callable[..., LocalData],
) -> None:
    data = opened(recent=200)
    _show(data, *range(200))
    for number in range(200):
        data.label(1, sequence=number)
    assert data.dropped == 136
    assert len(_held(data)) == 64


def test_a_model_that_learns_without_labels_keeps_all_and_takes_no_label(
    tmp_path: Path, opened: Callable[..., LocalData]
) -> None:
    data = opened(_kind(digits_bundle(tmp_path / "same", classes=0, decoder=True).path))
    _show(data, 1, 2)
    with pytest.raises(InputError, match="learns without labels"):
        data.label(1)
    data.store()
    (given,) = data.samples()
    assert given[:, 0, 0].tolist() == [1.0, 2.0]


def test_samples_stay_for_another_model_that_takes_the_same(
    tmp_path: Path, opened: Callable[..., LocalData]
) -> None:
    data = opened()
    _show(data, 1)
    data.label(9)
    data.close()
    wider = _kind(digits_bundle(tmp_path / "wider", hidden=48).path)
    assert _held(opened(wider)) == [(1.0, 9)]
    fewer = _kind(digits_bundle(tmp_path / "fewer", classes=5).path)
    assert _held(opened(fewer)) == []  # it has no class 9


def test_samples_of_another_kind_and_damaged_files_are_begun_anew_with_a_line_in_the_log(
    tmp_path: Path, opened: Callable[..., LocalData], caplog: pytest.LogCaptureFixture
) -> None:
    data = opened()
    _show(data, 1)
    data.label(9)
    data.close()
    other = _kind(digits_bundle(tmp_path / "same", classes=0, decoder=True).path)
    assert len(opened(other)) == 0
    assert "beginning anew" in caplog.text
    caplog.clear()
    path = tmp_path / "job" / "samples.db"
    for name in path.parent.glob("samples.db*"):
        name.unlink()
    path.write_bytes(b"not SQLite" * 1000)
    assert len(opened()) == 0
    assert "beginning anew" in caplog.text
    assert sqlite3.connect(path).execute("select count(*) from sample").fetchone() == (0,)


def test_a_limit_below_one_sample_is_told(opened: Callable[..., LocalData]) -> None:
    with pytest.raises(InputError, match="one sample is 264 bytes"):
        opened(max_mb=0.0001)


def test_a_step_of_something_else_is_refused(tmp_path: Path, bundle: Path) -> None:
    narrow = open_step(digits_bundle(tmp_path / "n", width=32).path / "train")
    with pytest.raises(BundleError, match=r"the step takes \[1, 32\], the model \[1, 64\]"):
        kind_of(open_bundle(bundle), narrow)


def _labelled(count: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    labels = rng.choice(4, count, p=[0.7, 0.1, 0.1, 0.1])
    return rng.normal(size=(count, 3)).astype(np.float32), labels


def test_classes_are_told_only_where_the_settings_say_so_and_never_exactly(
    opened: Callable[..., LocalData], tmp_path: Path
) -> None:
    assert opened().told_classes() is None
    samples = _labelled(4000)
    key = board_key(tmp_path / "key")
    told = private_counts(samples, 4, 2.0, key)
    assert told == private_counts(samples, 4, 2.0, key)  # asking again tells no more
    assert told != private_counts(samples, 4, 2.0, bytes(32))
    true = np.bincount(samples[1], minlength=4)
    assert sum(told) == pytest.approx(4000, abs=1)
    assert np.abs(np.array(told) - true).max() < 200
    assert np.abs(np.array(told) - true).max() > 0
    assert board_key(tmp_path / "key") == key
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0


def test_a_sample_keeps_its_answer_when_others_join(tmp_path: Path) -> None:
    given, labels = _labelled(300)
    key = bytes(32)

    def of(count: int) -> Array:
        return np.array(private_counts((given[:count], labels[:count]), 4, 1.0, key))

    one_more = of(201) - of(200)
    truth = 1 / (1 + 3 * math.exp(-1.0))
    lie = (1 - truth) / 3
    wanted = sorted((answer - lie) / (truth - lie) for answer in (0, 0, 0, 1))
    assert sorted(one_more.tolist()) == pytest.approx(wanted, abs=0.02)
