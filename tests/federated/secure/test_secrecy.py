"""The coordinator learns the sum, and nothing of one board."""

import itertools
import pickle

import cbor2
import numpy as np
import pytest
from scipy.stats import chisquare

from edgekit.errors import InputError
from edgekit.learning.federated.secure import MessageRefused, SecureBoard
from edgekit.learning.federated.secure.fixed_point import as_words, quantised
from edgekit.learning.federated.secure.masks import own_mask, pair_mask
from edgekit.learning.federated.secure.primitives import KeyPair
from edgekit.learning.federated.secure.shamir import combined
from edgekit.learning.federated.secure.state import decode_state
from tests.federated.secure.cohorts import Round, settings_for

SILENT = {"share": {"board-1"}, "mask": {"board-2", "board-3"}, "unmask": {"board-4"}}


@pytest.fixture(scope="module")
def played() -> Round:
    run = Round(settings_for(13, size=4000), 13)
    run.states = {}
    for phase in ("advertise", "share", "mask", "unmask"):
        run.play((phase,), SILENT)
        run.states[phase] = dict(run.saved)
        if phase == "share":
            run.late = run.asked["board-2"]
    return run


def looks_random(words: np.ndarray) -> bool:
    """By a chi-square test of its bytes, at one in ten million."""
    counts = np.bincount(words.view(np.uint8), minlength=256)
    return chisquare(counts).pvalue > 1e-7


def masked_words(run: Round, name: str) -> np.ndarray:
    return np.frombuffer(cbor2.loads(run.answers[name, "mask"])["words"], "<u4")


def secrets_of(run: Round, name: str):
    """The keys and the seed that a board had, which it keeps to itself."""
    return decode_state(run.states["share"][name])


def test_no_message_to_the_coordinator_holds_a_vector_a_key_or_a_seed(played: Round) -> None:
    for name, (vector, samples) in played.parts.items():
        plain = as_words(quantised(vector, samples, played.settings), played.settings).tobytes()
        kept = secrets_of(played, name)
        hidden = [plain[at : at + 16] for at in range(0, len(plain) - 16, 16)]
        hidden += [kept.seal_key, kept.mask_key, kept.seed, vector.tobytes()[:16]]
        for message in played.answers.values():
            assert not any(secret in message for secret in hidden)


def test_a_plain_vector_would_fail_the_test_that_masked_ones_pass(played: Round) -> None:
    for name, phase in played.answers:
        if phase == "mask":
            plain = as_words(quantised(*played.parts[name], played.settings), played.settings)
            assert not looks_random(plain)
            assert looks_random(masked_words(played, name))


def test_the_sum_of_all_but_one_masked_vector_says_nothing(played: Round) -> None:
    alive = sorted(played.server.result().boards)
    for left_out in alive:
        rest = sum(masked_words(played, name) for name in alive if name != left_out)
        assert looks_random(rest)


def test_with_all_that_it_recovered_the_coordinator_still_sees_no_single_vector(
    played: Round,
) -> None:
    """It knows the seeds of all that stayed, and the mask keys of all that dropped out."""
    alive = sorted(played.server.result().boards)
    for name in alive:
        left = masked_words(played, name) - own_mask(secrets_of(played, name).seed, played.settings)
        for gone in ("board-2", "board-3"):
            private, public = (secrets_of(played, one).mask_key for one in (gone, name))
            left = left + pair_mask(
                gone, KeyPair(private), name, KeyPair(public).public, played.settings
            )
        assert looks_random(left)


def test_a_vector_that_comes_late_from_one_whose_mask_key_is_open_still_says_nothing(
    played: Round,
) -> None:
    """Its own mask is left: why there are two kinds."""
    late, settings = SecureBoard.resumed(played.states["share"]["board-2"]), played.settings
    words = np.frombuffer(
        cbor2.loads(late.mask(played.late, *played.parts["board-2"]))["words"], "<u4"
    )
    left = words.copy()
    pair = KeyPair(secrets_of(played, "board-2").mask_key)
    others = played.parts.keys() - {"board-1", "board-2"}
    for name in others:
        public = KeyPair(secrets_of(played, name).mask_key).public
        left -= pair_mask("board-2", pair, name, public, settings)
    assert looks_random(left)
    plain = as_words(quantised(*played.parts["board-2"], settings), settings)
    seed = secrets_of(played, "board-2").seed
    assert np.array_equal(left - own_mask(seed, settings), plain)
    with pytest.raises(MessageRefused, match="of the phase 'mask', all is done"):
        played.server.add("mask", "board-2", late.answer)


def test_of_no_board_the_coordinator_was_told_shares_of_both_secrets(played: Round) -> None:
    seeds, keys = set(), set()
    for (_, phase), message in played.answers.items():
        if phase == "unmask":
            told = cbor2.loads(message)
            seeds |= told["seeds"].keys()
            keys |= told["keys"].keys()
    assert seeds == played.server.result().boards
    assert keys == {"board-2", "board-3"}


def test_no_memory_of_the_coordinator_gives_the_key_of_one_that_stayed(played: Round) -> None:
    held = {name: value for name, value in vars(played.server).items() if name != "_any"}
    memory = pickle.dumps(held)  # all but a key that is made from a constant
    recovered = secrets_of(played, "board-2").mask_key
    assert KeyPair(recovered).public in memory
    for name in played.server.result().boards:
        kept = secrets_of(played, name)
        assert kept.mask_key not in memory
        assert kept.seal_key not in memory
    for name in ("board-2", "board-3"):
        assert secrets_of(played, name).seed not in memory


def test_one_share_less_than_the_threshold_gives_another_secret(played: Round) -> None:
    told = [
        cbor2.loads(message)["seeds"].get("board-0")
        for (_, phase), message in sorted(played.answers.items())
        if phase == "unmask"
    ]
    points = [p for p, n in enumerate(sorted(played.server._graph), 1) if n in _told(played)]
    shares = dict(zip(points, told, strict=True))
    seed = secrets_of(played, "board-0").seed
    enough = played.settings.threshold
    assert combined(dict(itertools.islice(shares.items(), enough))) == seed
    try:
        fewer = combined(dict(itertools.islice(shares.items(), enough - 1)))
    except InputError:
        return
    assert fewer != seed


def _told(run: Round) -> set[str]:
    return {name for name, phase in run.answers if phase == "unmask"}


def test_two_rounds_with_one_sum_look_the_same() -> None:
    """Vectors that are exchanged between boards leave the sum, and no masked vector, as it was."""
    runs = [Round(settings_for(5, size=2000), 5) for _ in range(2)]
    a, b = "board-0", "board-1"
    runs[1].parts[a], runs[1].parts[b] = runs[1].parts[b], runs[1].parts[a]
    for run in runs:
        run.play()
    first, second = (run.server.result() for run in runs)
    assert np.array_equal(first.whole, second.whole)
    for name in runs[0].parts:
        difference = masked_words(runs[0], name) - masked_words(runs[1], name)
        assert looks_random(difference)
