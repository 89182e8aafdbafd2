"""A board's round, step by step, with the power cut before and after each write to its disk."""

from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edgekit.array import Array
from edgekit.daemon.federated.persistence import RoundFiles
from edgekit.daemon.federated.rounds import Rounds
from edgekit.daemon.federated.training import Work
from edgekit.daemon.federated.voice import Voice
from edgekit.federated.tasks import Task
from edgekit.learning.federated import LocalTrainer
from edgekit.learning.federated.framing import chunked, decode_chunk, decode_update
from edgekit.learning.federated.inbox import Inbox
from edgekit.learning.federated.messages import Invite, Privacy, Receipt, encode_model
from edgekit.learning.federated.privacy import Randomness, SecretRandomness
from edgekit.learning.federated.update import as_vector, shapes_of
from edgekit.messaging.topics import Topics
from edgekit.messaging.wire import MemoryWire
from tests.daemon.federated.coordinator import RUN, name_of

STEP = "0123456789ab"
TODAY = date(2026, 11, 28)


class PowerCut(BaseException):
    """The board is off."""


class Failing(RoundFiles):
    """A disk whose board loses its power at the n-th write or removal, before or after it."""

    def __init__(self, folder: Path, at: int, *, before: bool) -> None:
        super().__init__(folder)
        self._left, self._before = at, before

    def _write(self, name: str, found: Any, *, secret: bool = False) -> None:
        self._cut(True)
        super()._write(name, found, secret=secret)
        self._cut(False)

    def _remove(self, name: str) -> None:
        if not (self._folder / name).exists():
            return
        self._cut(True)
        super()._remove(name)
        self._cut(False)

    def save_told(self, told: Any) -> None:
        self._cut(True)
        super().save_told(told)
        self._cut(False)

    def _cut(self, is_before: bool) -> None:
        if is_before:
            self._left -= 1
        if self._left == 0 and is_before is self._before:
            raise PowerCut


class Board:
    """A board that is on, and what it has said to a coordinator that repeats itself."""

    def __init__(
        self, step: Path, trainer: LocalTrainer, task: Task, noise: Randomness | None = None
    ) -> None:
        self._step, self._shapes = step, shapes_of(trainer.parameters)
        self.noise = noise or SecretRandomness()
        self._samples = task.clients.samples(0)
        self.message = encode_model(trainer.parameters, run=RUN, number=1, version=0)
        self.invite = Invite(
            run=RUN,
            round=1,
            version=0,
            model=name_of(self.message),
            model_bytes=len(self.message),
            epochs=1,
            rate=0.1,
            codec="top-k:0.1+int8",
            chunk_bytes=4096,
        )
        self.updates: list[bytes] = []

    def lives_through_a_round(self, files: RoundFiles) -> Rounds:
        wire, inbox = MemoryWire(), Inbox(1 << 20)
        rounds = Rounds(
            "digits",
            Work("board", self._shapes),
            self._step,
            step=STEP,
            files=files,
            voice=Voice(wire, Topics("test", "board"), "digits", lambda message: None),
            now_s=lambda: 100.0,
            clock_s=lambda: 0.0,
            noise=self.noise,
        )
        try:
            rounds.resume()
            rounds.consider(self.invite, None, TODAY)
            for chunk in chunked(self.message, 4096):
                rounds.fetched(chunk)
            if rounds.current is not None and rounds.current.model is not None:
                rounds.train(self._samples, lambda: None)
            if rounds.current is not None:
                rounds.repeat()
            for sent in wire.sent:
                whole = inbox.add(sent.payload)
                if whole is not None and b"change" in whole:
                    self.updates.append(whole)
            rounds.heard(Receipt(run=RUN, round=1, state="counted"))
        finally:
            for sent in wire.sent:
                decode_chunk(sent.payload)
        return rounds


class Ones:
    """Randomness that is none."""

    def random(self, size: int, /) -> Array:
        return np.ones(size)

    def standard_normal(self, size: int, /) -> Array:
        return np.ones(size)


def test_privacys_noise_is_made_of_what_the_board_is_given_and_of_nothing_else(
    tmp_path: Path, step: Path, trainer: LocalTrainer, task: Task
) -> None:
    board = Board(step, trainer, task, Ones())
    private = Privacy(clip=1e-6, deviation=2.0)
    board.invite = msgspec.structs.replace(board.invite, codec="float32", privacy=private)
    board.lives_through_a_round(RoundFiles(tmp_path))
    found = decode_update(board.updates[0], shapes_of(trainer.parameters))
    assert np.allclose(as_vector(found.change), 2.0, atol=1e-5)


def _writes(tmp_path: Path, board: Board) -> int:
    files = Failing(tmp_path, 1000, before=True)
    board.lives_through_a_round(files)
    return 1000 - files._left


def test_wherever_the_power_is_cut_the_round_counts_once(
    tmp_path: Path, step: Path, trainer: LocalTrainer, task: Task
) -> None:
    count = _writes(tmp_path / "whole", Board(step, trainer, task))
    wanted = RoundFiles(tmp_path / "whole").kept(STEP)
    assert count > 5
    assert wanted.residual is not None
    for at in range(1, count + 1):
        for before in (True, False):
            folder = tmp_path / f"{at}{before}"
            board = Board(step, trainer, task)
            with pytest.raises(PowerCut):
                board.lives_through_a_round(Failing(folder, at, before=before))
            rounds = board.lives_through_a_round(RoundFiles(folder))
            kept = RoundFiles(folder).kept(STEP)
            assert rounds.current is None
            assert kept.after == (RUN, 1)
            assert kept.residual is not None
            assert np.array_equal(kept.residual, wanted.residual)
            assert len(set(board.updates)) == 1
            assert not [path for path in folder.iterdir() if path.suffix == ".new"]
