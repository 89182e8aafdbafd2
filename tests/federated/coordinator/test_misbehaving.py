"""Boards that send what they must not: refused and named, and the others learn on."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from edgekit.learning.federated import Update
from edgekit.learning.federated.codecs import codec_of
from edgekit.learning.federated.framing import chunked, dumped, encode_update, loaded_map
from edgekit.learning.federated.messages import Invite
from tests.federated.coordinator.conftest import BOARDS, Scene
from tools.bench.federated_crowd import Script

BAD = BOARDS[3]
LIMITS = "[limits]\nlongest = 20.0\n"


def scaled(update: Update) -> Update:
    return replace(update, change={n: a * np.float32(100) for n, a in update.change.items()})


def with_nan(update: Update) -> Update:
    return replace(update, change={n: a * np.float32("nan") for n, a in update.change.items()})


def too_short(update: Update) -> Update:
    return replace(update, change={"b0": update.change["b0"]})


def forged(update: Update) -> Update:
    return replace(update, client=BOARDS[0])


def of_an_old_version(update: Update) -> Update:
    return replace(update, version=update.version + 1)


def with_endless_steps(update: Update) -> Update:
    return replace(update, steps=10**5000)


def with_endless_samples(update: Update) -> Update:
    return replace(update, samples=10**5000)


def with_many_samples(update: Update) -> Update:
    return replace(update, samples=10**9)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (scaled, "its norm"),
        (with_nan, "NaN or infinite"),
        (too_short, "bytes"),
        (forged, f"it says that it is of '{BOARDS[0]}'"),
        (of_an_old_version, "it began with version"),
        (with_many_samples, "samples are not in"),
        (with_endless_steps, "more than can be"),
        (with_endless_samples, "more than can be"),
    ],
    ids=[
        "scaled",
        "NaN",
        "wrong shape",
        "forged id",
        "another version",
        "too much weight",
        "endless steps",
        "endless samples",
    ],
)
def test_a_wrong_update_is_refused_and_named(
    scene: Scene, changed: Callable[[Update], Update], said: str
) -> None:
    with scene.crowd({BAD: Script(changed=changed)}) as crowd:
        served = scene.serve(LIMITS, count=1, minimum=9)
        (one,) = served.summary.last
        assert one.updates == 9
        assert list(one.refused) == [BAD]
        assert said in one.refused[BAD]
        assert crowd.wait(lambda: bool(crowd.boards[BAD].receipts))
    number, state, why = crowd.boards[BAD].receipts[0]
    assert (number, state) == (1, "refused")
    assert said in why
    assert any(said in line for line in scene.said(BAD))
    report = (scene.folder / "JOB.state" / "report.html").read_text()
    assert BAD in report


def test_a_board_without_a_control_variate_does_not_end_the_round_of_others(scene: Scene) -> None:
    lacking = Script(changed=lambda update: replace(update, control={}))
    with scene.crowd({BAD: lacking}):
        served = scene.serve(strategy='name = "scaffold"\nclients = 10', count=1, minimum=9)
    (one,) = served.summary.last
    assert one.updates == 9
    assert "control variate" in one.refused[BAD]


def noise(message: bytes, invite: Invite) -> Sequence[bytes]:
    return [os.urandom(100)]


def oversized(message: bytes, invite: Invite) -> Sequence[bytes]:
    return chunked(os.urandom(200_000), 60_000)


def half_of_it(message: bytes, invite: Invite) -> Sequence[bytes]:
    return chunked(message[: len(message) // 2], invite.chunk_bytes)


def of_an_endless_round(message: bytes, invite: Invite) -> Sequence[bytes]:
    endless = dumped(loaded_map(message) | {"round": 10**5000})
    return chunked(endless, invite.chunk_bytes)


def flood(message: bytes, invite: Invite) -> Sequence[bytes]:
    return [payload for _ in range(40) for payload in chunked(os.urandom(20_000), 21_000)]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (noise, "CBOR"),
        (oversized, "larger than"),
        (half_of_it, "CBOR"),
        (of_an_endless_round, "a round that cannot be"),
        (flood, ""),
    ],
    ids=["not CBOR", "oversized", "half an update", "an endless round", "a flood"],
)
def test_what_is_no_update_is_refused_and_named(
    scene: Scene, sent: Callable[[bytes, Invite], Sequence[bytes]], said: str
) -> None:
    with scene.crowd({BAD: Script(sent=sent)}):
        served = scene.serve(count=1, minimum=9)
    (one,) = served.summary.last
    assert one.updates == 9
    assert said in one.refused[BAD]
    assert scene.said(BAD)


def test_replays_of_the_round_and_of_old_rounds_count_for_nothing(scene: Scene) -> None:
    kept: list[bytes] = []

    def again(message: bytes, invite: Invite) -> Sequence[bytes]:
        kept.append(message)
        return [p for one in (message, *kept) for p in chunked(one, invite.chunk_bytes)]

    with scene.crowd({BAD: Script(sent=again)}) as crowd:
        served = scene.serve(count=3)
        assert crowd.wait(lambda: len(crowd.boards[BAD].receipts) >= 9)
    assert [one.updates for one in served.summary.last] == [10, 10, 10]
    said = scene.said(BAD)
    assert any("sent its update of round 1 again; it counts once" in line for line in said)
    states = [(number, state) for number, state, _ in crowd.boards[BAD].receipts]
    assert {state for _, state in states} == {"counted"}


def test_another_update_of_the_same_round_is_refused_and_named(scene: Scene) -> None:
    def two(message: bytes, invite: Invite) -> Sequence[bytes]:
        change = {"b0": np.ones(32, np.float32)} | {
            n: np.ones(shape, np.float32)
            for n, shape in (("b1", (10,)), ("w0", (64, 32)), ("w1", (32, 10)))
        }
        other = Update(BAD, invite.version, 5, 1, change)
        second = encode_update(other, codec_of("float32"), run=invite.run, number=invite.round)
        return [p for one in (message, second) for p in chunked(one, invite.chunk_bytes)]

    with scene.crowd({BAD: Script(sent=two)}) as crowd:
        served = scene.serve(count=2)
        assert crowd.wait(lambda: len(crowd.boards[BAD].receipts) >= 4)
    assert [one.updates for one in served.summary.last] == [10, 10]
    assert any("delivered another update" in line for line in scene.said(BAD))
    assert "refused" in {state for _, state, _ in crowd.boards[BAD].receipts}


def test_who_was_not_invited_is_heard_and_counts_for_nothing(scene: Scene) -> None:
    outsider = BOARDS[9]

    def with_another(message: bytes, invite: Invite) -> Sequence[bytes]:
        update = Update(outsider, invite.version, 5, 1, scene.trainer.parameters)
        other = encode_update(update, codec_of("float32"), run=invite.run, number=invite.round)
        for payload in chunked(other, invite.chunk_bytes):
            crowd.send(outsider, payload)
        return chunked(message, invite.chunk_bytes)

    crowd = scene.crowd({BOARDS[0]: Script(sent=with_another)}, BOARDS[:8])
    with crowd:
        served = scene.serve(count=1, minimum=8)
    assert served.summary.last[0].updates == 8
    assert any("it was not invited" in line for line in scene.said(outsider))


def test_a_board_that_makes_rounds_up_fills_no_history(scene: Scene) -> None:
    def many(message: bytes, invite: Invite) -> Sequence[bytes]:
        update = Update(BAD, invite.version, 5, 1, scene.trainer.parameters)
        made_up = [
            encode_update(update, codec_of("int8"), run=invite.run, number=invite.round + n)
            for n in range(100, 110)
        ]
        return [p for one in (*made_up, message) for p in chunked(one, invite.chunk_bytes)]

    with scene.crowd({BAD: Script(sent=many)}) as crowd:
        served = scene.serve(count=1)
        assert crowd.wait(lambda: len(crowd.boards[BAD].receipts) >= 11)
    assert served.summary.last[0].updates == 10
    assert len([line for line in scene.said(BAD) if "there was no round" in line]) == 1
