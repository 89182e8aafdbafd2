"""The accountant against values that others published.

Papers before 2020 turned Renyi divergences into epsilon by the tail bound of Abadi et al., 2016,
theorem 2; `dp-accounting` has had a tighter way since. So published values are held against the
same divergences, computed here from Mironov et al., 2019, arXiv:1908.10530, section 3.3, with the
old bound; and the accountant must agree with those divergences, and never be above the old bound.
"""

import math
import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest

from edgekit.errors import InputError
from edgekit.federated.privacy import noise_for, spent_by
from edgekit.federated.privacy.accountant import most_rounds

dp_accounting = pytest.importorskip("dp_accounting", reason="needs dp-accounting")

ORDERS = tuple(range(2, 65))


def divergences(q: float, z: float, rounds: int, orders: Sequence[int] = ORDERS) -> list[float]:
    """Of the sampled Gaussian mechanism, whole orders: the log of the binomial sum, by order."""
    found = []
    for order in orders:
        terms = [
            math.lgamma(order + 1)
            - math.lgamma(k + 1)
            - math.lgamma(order - k + 1)
            + k * math.log(q)
            + (order - k) * math.log1p(-q)
            + k * (k - 1) / (2 * z * z)
            for k in range(order + 1)
        ]
        found.append(rounds * float(np.logaddexp.reduce(terms)) / (order - 1))
    return found


def by_tail_bound(
    q: float, z: float, rounds: int, delta: float, orders: Sequence[int] = ORDERS
) -> float:
    """Epsilon as Abadi et al., 2016, have it."""
    return min(
        divergence + math.log(1 / delta) / (order - 1)
        for order, divergence in zip(orders, divergences(q, z, rounds, orders), strict=True)
    )


def test_the_example_of_abadi_et_al_comes_out() -> None:
    """Deep learning with differential privacy, section 3.2: q 0.01, sigma 4, 10,000 steps: 1.26."""
    assert by_tail_bound(0.01, 4, 10_000, 1e-5) == pytest.approx(1.26, abs=0.005)
    # TensorFlow Privacy, rdp_accountant_test.py, the same with orders 2..32, to more digits:
    short = range(2, 33)
    assert by_tail_bound(0.01, 4, 10_000, 1e-5, short) == pytest.approx(1.258575, abs=1e-5)
    spent = spent_by(10_000, 1e-5, noise=4, share=0.01)
    assert spent.pld < spent.rdp < 1.26


# McMahan et al., 2018, arXiv:1710.06963, table 1: z 1, delta K^-1.1, after 10^0, ... 10^6 rounds.
TABLE_1 = [
    (1e5, 1e2, (0.97, 0.98, 1.00, 1.07, 1.18, 2.21, 7.50)),
    (1e6, 1e3, (1.17, 1.17, 1.20, 1.28, 1.39, 2.44, 8.13)),
    (1e9, 1e3, (0.84, 0.84, 0.84, 0.85, 0.88, 0.88, 0.88)),
]


@pytest.mark.parametrize(("users", "drawn", "published"), TABLE_1)
def test_table_1_of_mcmahan_et_al_comes_out(
    users: float, drawn: float, published: Sequence[float]
) -> None:
    """Within 2 %: whole orders alone, and two digits in print. Ours must not be above it."""
    q, delta = drawn / users, users**-1.1
    for power, wanted in enumerate(published):
        assert by_tail_bound(q, 1.0, 10**power, delta) == pytest.approx(wanted, rel=0.02)
    spent = spent_by(10_000, delta, noise=1.0, share=q)
    assert spent.pld < spent.rdp < published[4]


# tensorflow/privacy, tutorials/README.md: MNIST, batches of 256 of 60,000, delta 1e-5.
TUTORIAL = [(1.12, 60, 2.92), (0.6, 30, 9.74), (1.2, 10, 1.20)]


@pytest.mark.parametrize(("noise", "epochs", "published"), TUTORIAL)
def test_the_epsilons_of_tensorflow_privacys_tutorial_come_out(
    noise: float, epochs: int, published: float
) -> None:
    """Within 1 %; with little noise the best order is no whole number, and costs more: 10 %."""
    steps = epochs * 60_000 // 256
    tolerance = 0.1 if noise < 1 else 0.01
    assert by_tail_bound(256 / 60_000, noise, steps, 1e-5) == pytest.approx(
        published, rel=tolerance
    )
    spent = spent_by(steps, 1e-5, noise=noise, share=256 / 60_000)
    assert spent.pld < spent.rdp < published


def test_loss_distributions_agree_with_another_accountants_fourier_transform() -> None:
    """Koskela et al., 2020, arXiv:1906.03049: their code's README prints, for q 0.01 and sigma 4,
    delta 4.243484e-06 at epsilon 1; the value is that of 10,000 steps. Upper bounds lie above."""
    found = spent_by(10_000, 4.243484012034273e-06, noise=4, share=0.01).pld
    assert 1.0 <= found < 1.001


@pytest.mark.parametrize(("q", "z", "rounds"), [(0.05, 1.0, 100), (0.01, 4.0, 10_000)])
def test_the_accountant_has_the_divergences_of_mironov_et_al(
    q: float, z: float, rounds: int
) -> None:
    from dp_accounting.rdp import compute_epsilon

    ours, _ = compute_epsilon(ORDERS, divergences(q, z, rounds), 1e-5)
    found = spent_by(rounds, 1e-5, noise=z, share=q).rdp
    assert found <= ours + 1e-9
    assert found == pytest.approx(ours, rel=0.02)  # it has orders between whole numbers too


def test_rounds_without_chance_are_one_gaussian_mechanism() -> None:
    """Balle and Wang, 2018, arXiv:1805.06530, theorem 8: delta of the Gaussian mechanism."""

    def normal(x: float) -> float:
        return math.erfc(-x / math.sqrt(2)) / 2

    epsilon, z = spent_by(9, 1e-5, noise=3.0).pld, 1.0  # nine rounds of 3 are one of 1
    delta = normal(1 / (2 * z) - epsilon * z) - math.exp(epsilon) * normal(
        -1 / (2 * z) - epsilon * z
    )
    assert delta == pytest.approx(1e-5, rel=1e-3)


def test_noise_for_a_budget_is_enough_and_hardly_more() -> None:
    for epsilon, share, rounds in ((1.0, 0.05, 50), (8.0, 0.1, 20), (4.0, 1.0, 10)):
        noise = noise_for(epsilon, 1e-5, share=share, rounds=rounds)
        assert spent_by(rounds, 1e-5, noise=noise, share=share).least <= epsilon
        assert spent_by(rounds, 1e-5, noise=noise * 0.995, share=share).least > epsilon


def test_the_most_rounds_of_a_budget_just_fit() -> None:
    most = most_rounds(3.0, 1e-5, noise=4.0)
    assert spent_by(most, 1e-5, noise=4.0).least <= 3.0 < spent_by(most + 1, 1e-5, noise=4.0).least
    assert most_rounds(0.01, 1e-5, noise=1.0) == 0
    assert most_rounds(50.0, 1e-5, noise=100.0, limit=7) == 7


def test_nothing_costs_nothing_and_no_noise_costs_everything() -> None:
    assert spent_by(0, 1e-5, noise=0.0).least == 0
    assert spent_by(1, 1e-5, noise=0.0).least == math.inf


@pytest.mark.parametrize(
    ("delta", "share", "why"), [(0.0, 0.5, "delta"), (1.0, 0.5, "delta"), (1e-5, 0.0, "share")]
)
def test_numbers_that_cannot_be_are_refused(delta: float, share: float, why: str) -> None:
    with pytest.raises(InputError, match=why):
        spent_by(1, delta, noise=1.0, share=share)


def test_nothing_of_the_library_is_loaded_before_it_is_asked() -> None:
    code = (
        "import sys, edgekit.federated.privacy.asked, edgekit.federated.simulation\n"
        "print('dp_accounting' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_without_the_library_one_line_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['dp_accounting'] = None\n"
        "from edgekit.federated.privacy import spent_by\n"
        "from edgekit.errors import InputError\n"
        "try: spent_by(1, 1e-5, noise=1.0)\n"
        "except InputError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == 1
    assert "pip install 'edgekit[privacy]'" in done.stdout
