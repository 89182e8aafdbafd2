"""Scores of a microcontroller's own model, as the daemon takes them."""

import logging
import threading
from contextlib import nullcontext

import pytest

from edgekit.bridge import packets as p
from edgekit.bridge.host import Scored
from edgekit.config.mcu import McuTable
from edgekit.daemon.mcu import Mcu
from edgekit.pipeline.runner import Counts

MODEL = p.Model("rms", bytes(8))
DEVICE = p.Device(0, "still", "f", "1", (), (MODEL,))


class Still:
    """A port that nobody is at; scores are told by hand."""

    def using(self, listener: object, *, is_patient: bool = False) -> nullcontext:
        return nullcontext()


def scored(*scores: float) -> Scored:
    return Scored(MODEL, p.Scores(0, 0, scores, threshold=1.0), 0, DEVICE)


def test_scores_that_do_not_fit_are_all_counted_and_told_30_times_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard = threading.Event()
    mcu = Mcu(
        "motor",
        McuTable(port="/dev/nothing"),
        Still(),
        (),
        boot="b",
        listener=lambda inference: heard.set(),
        counts=Counts(),
        clock_ns=lambda: 0,
    )
    with caplog.at_level(logging.WARNING), mcu:
        for _ in range(100):
            mcu.hear(scored(1.0, 2.0))
        mcu.hear(scored(0.5))
        assert heard.wait(20)
    assert (mcu.counts.refused, mcu.counts.predictions) == (100, 1)
    assert sum("gives 2 scores" in one.message for one in caplog.records) == 30
