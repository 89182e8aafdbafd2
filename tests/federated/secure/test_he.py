"""The homomorphic alternative: the same sum, by a coordinator that holds no key."""

import multiprocessing

import cbor2
import numpy as np
import pytest

from edgekit.errors import InputError
from edgekit.federated import RoundFailed
from edgekit.federated.secure import plan_sum
from edgekit.learning.federated.secure import MessageRefused
from edgekit.learning.federated.secure.messages import encode
from tests.federated.secure.cohorts import parts_of, plain_sum, settings_for

pytest.importorskip("tenseal", reason="TenSEAL is missing: pip install 'edgekit[he]'")

from edgekit.federated.he import HeServer
from edgekit.learning.federated.he import (
    EncryptedSum,
    HeBoard,
    check_ciphertext,
    context_without_keys,
    make_keys,
    new_context,
    tenseal_library,
)

SETTINGS = settings_for(4, size=2500)
PARTS = parts_of(SETTINGS, 4)


@pytest.fixture(scope="module")
def keys():
    return make_keys()


@pytest.fixture(scope="module")
def sent(keys) -> dict[str, bytes]:
    return {
        name: HeBoard(name, SETTINGS, keys.public).encrypt(*part) for name, part in PARTS.items()
    }


@pytest.fixture
def server():
    with HeServer(SETTINGS, invited=PARTS) as server:
        yield server


def test_the_opened_sum_is_the_plain_sum_of_those_who_sent(server, sent, keys) -> None:
    for name in ("board-0", "board-1", "board-3"):
        server.add(name, sent[name])
        server.add(name, sent[name])
    holder = HeBoard("holder", SETTINGS, keys.secret)
    found = server.result("holder", holder.open(server.total("holder")))
    expected = plain_sum(PARTS, {"board-0", "board-1", "board-3"}, SETTINGS)
    assert np.array_equal(found.whole, expected[:-1])
    assert found.samples == expected[-1]
    assert found.boards == {"board-0", "board-1", "board-3"}
    with pytest.raises(MessageRefused, match="late"):
        server.add("board-2", sent["board-2"])


def test_numbers_at_the_ends_add_up_exactly_for_many_boards(keys) -> None:
    chosen = plan_sum(bytes(16), 3, 25, largest=1.0)
    ends = np.array([1.0, -1.0, 0.0])
    with HeServer(chosen) as server:
        for number in range(25):
            board = HeBoard(f"board-{number}", chosen, keys.public)
            server.add(f"board-{number}", board.encrypt(ends))
        opened = HeBoard("holder", chosen, keys.secret).open(server.total("holder"))
        assert list(server.result("holder", opened).whole) == [
            25 * chosen.most,
            -25 * chosen.most,
            0,
        ]


def test_the_coordinator_can_open_nothing(sent) -> None:
    tenseal = tenseal_library()
    context = tenseal.context_from(context_without_keys())
    assert not context.is_private()
    assert not context.has_public_key()
    vector = tenseal.ckks_vector_from(context, cbor2.loads(sent["board-0"])["parts"][0])
    with pytest.raises(ValueError, match="secret_key"):
        vector.decrypt()


def test_boards_with_the_public_key_open_nothing(server, sent, keys) -> None:
    for name in PARTS:
        server.add(name, sent[name])
    with pytest.raises(InputError, match="the public key opens nothing"):
        HeBoard("board-0", SETTINGS, keys.public).open(server.total("board-0"))


def test_one_vector_encrypted_twice_looks_different(keys) -> None:
    board = HeBoard("board-0", SETTINGS, keys.public)
    first, second = (cbor2.loads(board.encrypt(*PARTS["board-0"]))["parts"] for _ in range(2))
    assert first[0] != second[0]


def test_the_holder_opens_no_sum_of_too_few(server, sent, keys) -> None:
    holder = HeBoard("holder", SETTINGS, keys.secret)
    with pytest.raises(RoundFailed, match="0 vectors came, the sum needs 3"):
        server.total("holder")
    parts = tuple(cbor2.loads(sent["board-0"])["parts"])
    one = encode(EncryptedSum(session=SETTINGS.session, board="holder", parts=parts))
    with pytest.raises(MessageRefused, match="a sum of 1 boards is not of 3"):
        holder.open(one)


def test_damaged_ciphertexts_are_refused_or_added_and_the_coordinator_lives(
    server, sent, keys
) -> None:
    rng = np.random.default_rng(0)
    good = cbor2.loads(sent["board-0"])
    for number in range(25):
        part = bytearray(good["parts"][0])
        for place in rng.integers(0, 200, 4):
            part[place] ^= int(rng.integers(1, 256))
        board = f"board-{number % 3}"
        try:
            server.add(
                board,
                cbor2.dumps(good | {"board": board, "parts": [bytes(part), good["parts"][1]]}),
            )
        except MessageRefused as error:
            assert error.sender == board
    server.add("board-3", sent["board-3"])
    assert "board-3" in server.boards


def _ciphertext(size: int = 2048, scale: float = 2.0**21) -> bytes:
    context = new_context()
    context.global_scale = scale
    return tenseal_library().ckks_vector(context, [1.0] * size).serialize()


def test_ciphertexts_of_another_form_are_refused_before_the_library_reads_them() -> None:
    good = _ciphertext()
    check_ciphertext(good, 2048)
    for wrong in (
        bytes(30),
        b"",
        good[:-1],
        good[:4],  # TenSEAL takes the four for a vector
        good[4:],
        b"\x0a\x03\x80\x10\x01" + good[4:],
        good + good,
        _ciphertext(2047),
        _ciphertext(scale=2.0**20),
    ):
        with pytest.raises(InputError, match="not the form of a ciphertext of 2048 numbers"):
            check_ciphertext(wrong, 2048)


def test_a_ciphertext_that_lies_about_its_scale_is_refused_though_it_comes_first(
    server, sent
) -> None:
    """Else the honest ones after it would not fit, and be blamed."""
    good = cbor2.loads(sent["board-0"])
    lie = _ciphertext(scale=2.0**18)[:-8] + _ciphertext()[-8:]
    check_ciphertext(lie, 2048)
    with pytest.raises(MessageRefused, match="of other parameters: scale mismatch") as error:
        server.add("board-0", cbor2.dumps(good | {"parts": [lie, good["parts"][1]]}))
    assert error.value.sender == "board-0"
    server.add("board-1", sent["board-1"])


def test_a_message_that_ends_the_child_is_refused_and_the_sum_is_kept(server, sent, keys) -> None:
    for name in ("board-0", "board-1"):
        server.add(name, sent[name])
    (child,) = multiprocessing.active_children()
    child.kill()
    child.join()
    with pytest.raises(MessageRefused, match="end the process that reads them"):
        server.add("board-2", sent["board-2"])
    server.add("board-2", sent["board-2"])
    opened = HeBoard("holder", SETTINGS, keys.secret).open(server.total("holder"))
    expected = plain_sum(PARTS, {"board-0", "board-1", "board-2"}, SETTINGS)
    assert np.array_equal(server.result("holder", opened).whole, expected[:-1])


def test_wrong_messages_are_refused_and_named(server, sent) -> None:
    good = cbor2.loads(sent["board-0"])
    for change, match in (
        ({"board": "board-1"}, "it names board-1"),
        ({"session": bytes(16)}, "another session"),
        ({"parts": good["parts"][:1]}, "1 ciphertexts are not as many"),
        ({"parts": good["parts"][::-1]}, "not the form"),
        ({"parts": [b"", b""]}, "length"),
        ({"say": "masked"}, "it says 'masked'"),
    ):
        with pytest.raises(MessageRefused, match=match) as error:
            server.add("board-0", cbor2.dumps(good | change))
        assert error.value.sender == "board-0"
    with pytest.raises(MessageRefused, match="not invited"):
        server.add("stranger", sent["board-0"])
    server.add("board-0", sent["board-0"])
    with pytest.raises(MessageRefused, match="it sent another vector before"):
        server.add("board-0", sent["board-1"])


def test_settings_and_keys_that_do_not_fit_are_refused(keys) -> None:
    with pytest.raises(InputError, match="the key is damaged or none"):
        HeBoard("board-0", SETTINGS, b"no key")
    with pytest.raises(InputError, match="words of 32 bits"):
        HeBoard("board-0", settings_for(4, samples=10**9), keys.public)
    with pytest.raises(InputError, match="the noise of 1001 boards is too much"):
        HeBoard("board-0", settings_for(1001), keys.public)
