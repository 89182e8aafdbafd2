"""Boards that deal or tell wrong shares are got round where enough others are there, and named."""

import random

import cbor2
import pytest

from edgekit.federated import RoundFailed
from edgekit.federated.secure.unmasking import recovered
from edgekit.learning.federated.secure import PHASES
from edgekit.learning.federated.secure.shamir import split
from tests.federated.secure.cohorts import Round, plain_sum, settings_for


def lying(message: bytes, owner: str) -> bytes:
    """A message of shares, one of them wrong."""
    told = cbor2.loads(message)
    for kind in ("seeds", "keys"):
        if owner in told[kind]:
            share = told[kind][owner]
            told[kind][owner] = share[:-1] + bytes([share[-1] ^ 1])
    return cbor2.dumps(told)


@pytest.mark.parametrize("owner", ["board-1", "board-8"])
def test_a_wrong_share_is_got_round_and_its_holder_named(owner: str) -> None:
    run = Round(settings_for(9), 9)
    run.play(PHASES[:3], {"mask": {"board-8"}})
    for name in run.asked:
        answer = run.answer(name, "unmask")
        run.server.add("unmask", name, lying(answer, owner) if name == "board-0" else answer)
    run.server.end_phase()
    found = run.server.result()
    expected = plain_sum(run.parts, run.parts.keys() - {"board-8"}, run.settings)
    assert (found.whole == expected[:-1]).all()
    what = "seed" if owner == "board-1" else "mask key"
    assert found.liars == {"board-0": f"told a wrong share of the {what} of {owner}"}


def test_where_no_share_is_to_spare_a_wrong_one_fails_the_round_and_the_owner_is_named() -> None:
    run = Round(settings_for(4), 4)
    run.play(PHASES[:3], {"mask": {"board-3"}})
    for name in run.asked:
        answer = run.answer(name, "unmask")
        run.server.add("unmask", name, lying(answer, "board-1") if name == "board-0" else answer)
    with pytest.raises(RoundFailed, match="the shares of board-1 do not give its seed"):
        run.server.end_phase()


def test_a_box_that_does_not_open_is_named_and_its_owner_recovered_from_others() -> None:
    run = Round(settings_for(9), 9)
    run.play(PHASES[:1])
    for name in run.asked:
        answer = run.answer(name, "share")
        if name == "board-5":
            found = cbor2.loads(answer)
            found["boxes"]["board-2"] = bytes(94)
            answer = cbor2.dumps(found)
        run.server.add("share", name, answer)
    run.asked = run.server.end_phase()
    run.play(PHASES[2:])
    result = run.server.result()
    assert (result.whole == plain_sum(run.parts, set(run.parts), run.settings)[:-1]).all()
    assert result.liars == {"board-2": "could not read what board-5 sealed for it"}


def test_a_vector_that_no_board_could_send_fails_the_round_instead_of_the_model() -> None:
    run = Round(settings_for(4), 4)
    run.play(PHASES[:2])
    for name in run.asked:
        answer = run.answer(name, "mask")
        if name == "board-2":
            found = cbor2.loads(answer)
            # The count's highest bit, through all masks.
            found["words"] = found["words"][:-1] + bytes([found["words"][-1] ^ 0x80])
            answer = cbor2.dumps(found)
        run.server.add("mask", name, answer)
    run.asked = run.server.end_phase()
    with pytest.raises(RoundFailed, match="the sum is none of vectors within the settings"):
        run.play(PHASES[3:])


@pytest.mark.parametrize("liars", [1, 2, 3])
def test_a_few_liars_among_many_holders_are_all_found(liars: int) -> None:
    rng = random.Random(liars)
    secret = rng.randbytes(32)
    shares = dict(enumerate(split(secret, 25, 40, rng.randbytes), 1))
    wrong = frozenset(rng.sample(range(1, 26), liars))
    for point in wrong:
        shares[point] = rng.randbytes(32).rjust(33, b"\0")
    assert recovered(shares, 25, lambda found: found == secret) == (secret, wrong)


def test_shares_of_no_number_of_the_field_are_lies_too() -> None:
    secret = bytes(range(32))
    shares = dict(enumerate(split(secret, 3, 5, random.Random(0).randbytes), 1))
    shares[2] = b"\xff" * 33
    assert recovered(shares, 3, lambda found: found == secret) == (secret, frozenset({2}))
    assert recovered(shares, 6, lambda found: True) is None
