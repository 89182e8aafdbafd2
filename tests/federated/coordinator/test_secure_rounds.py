"""Rounds whose updates are seen as their sum alone, over a real broker."""

import sqlite3
from collections.abc import Sequence

import numpy as np
import pytest

from edgekit.federated.coordinator.serving import MEMORY
from edgekit.learning.federated import Update
from edgekit.learning.federated.codecs import codec_of
from edgekit.learning.federated.framing import chunked, encode_update
from edgekit.learning.federated.messages import Invite, Secure, encode
from edgekit.learning.federated.secure.settings import PHASES
from tests.federated.coordinator.conftest import BOARDS, Scene
from tests.federated.coordinator.test_serving import seed_as_the_reference
from tools.bench.federated_crowd import Script

SECURE = "[secure]\n"
pytest.importorskip("cryptography")


def test_a_secure_round_learns_what_a_plain_one_learns(scene: Scene) -> None:
    with scene.crowd():
        plain = scene.serve(count=2, seed_of=seed_as_the_reference)
        (scene.folder / "JOB.state").rename(scene.folder / "plain")
        secure = scene.serve(SECURE, count=2, seed_of=seed_as_the_reference)
    assert [one.updates for one in secure.summary.last] == [10, 10]
    for name, array in plain.model.parameters.items():
        assert np.abs(array - secure.model.parameters[name]).max() < 1e-3
    with sqlite3.connect(scene.folder / "JOB.state" / MEMORY) as memory:
        kept = memory.execute("SELECT length(message) FROM updates").fetchall()
    memory.close()
    assert {length for (length,) in kept} <= {None, 0}  # no update was ever seen


@pytest.mark.parametrize("phase", PHASES)
def test_boards_may_drop_out_of_any_phase(scene: Scene, phase: str) -> None:
    gone = {name: Script(drops=phase) for name in BOARDS[:2]}
    with scene.crowd(gone) as crowd:
        served = scene.serve(SECURE, count=1, minimum=8, grace_s=0)
        assert crowd.wait(lambda: all(crowd.boards[name].receipts for name in BOARDS[2:]))
    (one,) = served.summary.last
    assert one.updates == (10 if phase == "unmask" else 8)
    states = {n: {s for _, s, _ in b.receipts} for n, b in crowd.boards.items()}
    assert all(states[name] == {"counted"} for name in BOARDS[2:])


def test_too_few_boards_void_a_secure_round_and_say_so(scene: Scene) -> None:
    gone = {name: Script(drops="share") for name in BOARDS[:6]}
    with scene.crowd(gone):
        served = scene.serve(SECURE, count=1, minimum=4, grace_s=0, attempts=1)
    assert served.summary.state == "stopped"
    assert "boards are left after the phase share" in served.summary.reason


def test_distributed_noise_is_added_by_boards_and_summed(scene: Scene) -> None:
    table = SECURE + (
        '[privacy]\nmechanism = "distributed"\nclip = 1.0\nnoise = 1.0\nboards = 10\n'
        "delta = 1e-3\nsharers = 8\n"
    )
    with scene.crowd() as crowd:
        served = scene.serve(table, count=1)
    (one,) = served.summary.last
    assert one.epsilon is not None
    assert one.updates == 10
    (order,) = {invite.privacy for board in crowd.boards.values() for invite in board.invited}
    assert order is not None
    assert order.deviation == pytest.approx(1.0 / np.sqrt(8))


def wrong_message(invite: Invite) -> Sequence[bytes]:
    wrong = Secure(run=invite.run, round=invite.round, phase="mask", data=b"nonsense")
    return chunked(encode(wrong), invite.chunk_bytes)


def test_a_wrong_message_of_a_sum_is_named_and_the_sum_goes_on(scene: Scene) -> None:
    with scene.crowd({BOARDS[4]: Script(before=wrong_message)}):
        served = scene.serve(SECURE, count=1)
    (one,) = served.summary.last
    assert one.updates == 10
    assert list(one.refused) == [BOARDS[4]]


def test_a_bare_update_in_a_secure_round_is_refused_and_named(scene: Scene) -> None:
    def bare(invite: Invite) -> Sequence[bytes]:
        update = Update(BOARDS[4], invite.version, 5, 1, scene.trainer.parameters)
        message = encode_update(update, codec_of("float32"), run=invite.run, number=invite.round)
        return chunked(message, invite.chunk_bytes)

    with scene.crowd({BOARDS[4]: Script(before=bare)}):
        served = scene.serve(SECURE, count=1, minimum=9)
    (one,) = served.summary.last
    assert "takes sums alone" in one.refused[BOARDS[4]]
    assert one.updates >= 9
