import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import InputError
from edgekit.federated.measures import label_skew, update_divergence
from edgekit.federated.splits import split
from edgekit.federated.synthetic import synthetic
from edgekit.federated.tasks import task_of
from edgekit.learning.federated import Update

LABELS = np.random.default_rng(0).integers(0, 10, 2000)


@given(
    st.sampled_from(["even", "dirichlet:0.05", "dirichlet:100", "pathological:2"]),
    st.integers(1, 100),
    st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_each_sample_goes_to_one_client_and_no_client_goes_without(
    how: str, clients: int, seed: int
) -> None:
    parts = split(how, LABELS, clients, np.random.default_rng(seed))
    assert sorted(np.concatenate(parts)) == list(range(2000))
    assert len(parts) == clients
    assert min(map(len, parts)) >= 1


def skew(how: str) -> float:
    parts = split(how, LABELS, 20, np.random.default_rng(0))
    return label_skew(np.stack([np.bincount(LABELS[part], minlength=10) for part in parts]))


def test_a_smaller_alpha_makes_a_larger_skew() -> None:
    assert skew("even") < skew("dirichlet:10") < skew("dirichlet:0.5") < skew("dirichlet:0.05")


def test_two_shards_are_about_two_classes() -> None:
    parts = split("pathological:2", LABELS, 20, np.random.default_rng(0))
    assert max(len(set(LABELS[part])) for part in parts) <= 4
    assert skew("pathological:2") > 0.7


@pytest.mark.parametrize("how", ["", "even:2", "dirichlet", "dirichlet:0", "dirichlet:nan", "x:1"])
def test_other_splits_are_refused(how: str) -> None:
    with pytest.raises(InputError, match="no split"):
        split(how, LABELS, 3, np.random.default_rng(0))


def test_more_clients_than_samples_are_refused() -> None:
    with pytest.raises(InputError, match="not enough"):
        split("dirichlet:1", LABELS, 2001, np.random.default_rng(0))


def test_skew_and_divergence_of_cases_that_are_known() -> None:
    assert label_skew(np.array([[5, 5], [1, 1]])) == 0
    assert label_skew(np.array([[4, 0], [0, 4]])) == pytest.approx(0.5)

    def one(*numbers: float) -> Update:
        return Update("a", 0, 1, 1, {"w": np.array(numbers, np.float32)})

    assert update_divergence([one(1, 2), one(1, 2)]) == 0
    assert update_divergence([one(1, 1), one(1, -1)]) == pytest.approx(1)
    assert update_divergence([one(1), one(-1)]) == np.inf
    assert update_divergence([one(0), one(0)]) == 0


def test_generated_clients_differ_as_asked_for_and_come_again() -> None:
    same, apart = synthetic(0, 0, seed=1), synthetic(1, 1, seed=1)
    again = synthetic(1, 1, seed=1)
    assert apart.arrays[0].tobytes() == again.arrays[0].tobytes()
    assert min(map(len, apart.parts)) >= 45
    means = [
        np.std([clients.samples(number)[0].mean() for number in range(30)])
        for clients in (same, apart)
    ]
    assert means[1] > 2 * means[0]


def test_a_task_that_there_is_not_is_refused() -> None:
    for text in ("", "cats", "synthetic:1", "synthetic:1,x", "synthetic:1,1,1,1"):
        with pytest.raises(InputError, match="no task"):
            task_of(text, 5, "even", 0)


def test_generated_clients_have_no_more_samples_than_are_allowed() -> None:
    clients = task_of("synthetic:1,1,200", 30, "even", 0).clients
    assert max(map(len, clients.parts)) == 180
    assert len(clients) == 30
