"""Split learning through a real broker: boards and a label holder that may go away."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from click.testing import CliRunner

from edgekit.array import Array
from edgekit.bundle import InputSpec
from edgekit.cli.splitting import split, vertical
from edgekit.config.vertical import VerticalTable
from edgekit.daemon.standing import status_of
from edgekit.daemon.vertical.board import VerticalBoard
from edgekit.errors import InputError
from edgekit.federated.vertical.job import labels_of, load_vertical_job
from edgekit.federated.vertical.over_mqtt import MqttParties, vertical_line
from edgekit.federated.vertical.running import Passed, run_vertical
from edgekit.messaging.link import MqttLink
from edgekit.messaging.settings import MqttSettings
from edgekit.messaging.topics import Topics
from edgekit.pipeline.parts import Sample
from tests.broker import need_broker
from tests.federated.vertical.networks import PARTIES, bottom, halves, top, weights
from tools.private_broker import PrivateBroker

pytestmark = pytest.mark.broker
FLEET, JOB = "plant", "digits"
COUNT, PERIOD_S, START_MS = 200, 10, 1_700_000_000_000
SPEC = InputSpec(name="pixels", dtype="float32", shape=(1, 32))


@pytest.fixture
def broker() -> Iterator[PrivateBroker]:
    need_broker()
    with PrivateBroker() as broker:
        yield broker


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A network that `edgekit federate split` compiled, a secret, labels and a job."""
    first = weights(0)
    for name in PARTIES:
        ir.save(bottom(name, first), tmp_path / f"{name}.onnx")
    ir.save(top(first), tmp_path / "top.onnx")
    given = [f"--bottom={name}={tmp_path / name}.onnx" for name in PARTIES]
    done = CliRunner().invoke(
        split, [*given, f"--top={tmp_path}/top.onnx", f"--out={tmp_path}/network"]
    )
    assert done.exit_code == 0, done.output
    (tmp_path / "secret").write_text("0123456789abcdef")
    labels = halves(COUNT)[1]
    rows = [f"{START_MS + 1000 * PERIOD_S * n + 5000},{label}" for n, label in enumerate(labels)]
    (tmp_path / "labels.csv").write_text("time,label\n" + "\n".join(rows) + "\n")
    return tmp_path


def job_file(folder: Path, broker: PrivateBroker, **more: object) -> Path:
    said = {"epochs": 6, "rate": 0.3, "patience_s": 20.0} | more
    path = folder / "job.toml"
    path.write_text(
        "\n".join(f"{key} = {json.dumps(value)}" for key, value in said.items())
        + f"""
name = "{JOB}"
fleet = "{FLEET}"
top = "network/top"
secret_file = "secret"
period_s = {PERIOD_S}
labels = {{ path = "labels.csv" }}
parties = {{ left = "press-left", right = "press-right" }}
mqtt = {{ host = "{broker.host}", port = {broker.port} }}
"""
    )
    return path


@dataclass
class Board:
    """One party with its link."""

    link: MqttLink
    board: VerticalBoard


@contextmanager
def board_of(
    folder: Path, broker: PrivateBroker, name: str, *, fill: bool = True
) -> Iterator[Board]:
    topics = Topics(FLEET, f"press-{name}")
    table = VerticalTable(
        pipeline="press",
        bottom=folder / "network" / name,
        secret_file=folder / "secret",
        period_s=PERIOD_S,
        max_age_days=3650,
    )
    settings = MqttSettings(host=broker.host, port=broker.port)
    with MqttLink(settings, topics, status_of("boot", {})) as link:
        with VerticalBoard(
            JOB, table, SPEC, state=folder / f"state-{name}", link=link, topics=topics
        ) as board:
            if fill:
                see(board, halves(COUNT)[0][name], offset_ms={"left": 300, "right": -400}[name])
            yield Board(link, board)
        link.close("done", timeout_s=1)


def see(board: VerticalBoard, rows: Array, *, offset_ms: int) -> None:
    """What the pipeline saw, by a clock that is a little off."""
    for number, row in enumerate(rows):
        taken_at_ms = START_MS + 1000 * PERIOD_S * number + 5000 + offset_ms
        board.samples.take(Sample(row.astype(np.float64), 0, taken_at_ms))
        board.samples.store()


def test_two_boards_and_a_label_holder_learn_over_a_broker(
    folder: Path, broker: PrivateBroker
) -> None:
    with board_of(folder, broker, "left"), board_of(folder, broker, "right"):
        done = CliRunner().invoke(vertical, [str(job_file(folder, broker)), "--json"])
        assert done.exit_code == 0, done.output
        assert "top-6.npz; the boards keep" in done.stderr
        epochs = _documents(done.stdout)
        assert [one["number"] for one in epochs] == [1, 2, 3, 4, 5, 6]
        assert epochs[0]["samples"] == 160
        assert epochs[-1]["held_loss"] < epochs[0]["held_loss"] * 0.8
        assert epochs[-1]["bytes_up"] < 160 * 8 * 4 * 2 * 1.5 + 40 * 8 * 4 * 2 * 1.5
        again = CliRunner().invoke(vertical, [str(job_file(folder, broker, epochs=7)), "--json"])
        assert [one["number"] for one in _documents(again.stdout)] == [7]


def test_a_board_that_comes_back_and_a_broker_that_restarts_cost_an_epoch_at_most(
    folder: Path, broker: PrivateBroker
) -> None:
    straight = _run(folder, broker, "straight")
    with ExitStack() as boards:
        job = load_vertical_job(job_file(folder, broker, patience_s=3.0))
        left = boards.enter_context(ExitStack())
        left.enter_context(board_of(folder, broker, "left"))
        boards.enter_context(board_of(folder, broker, "right"))
        troubles: list[str] = []

        def disturb(one: Passed) -> None:
            epochs.append(one)
            if one.number == 2:  # the board restarts, and has forgotten what it had in memory
                left.close()
                threading.Timer(
                    0.5, lambda: left.enter_context(board_of(folder, broker, "left", fill=False))
                ).start()
            if one.number == 4:
                broker.stop()
                broker.start()

        epochs: list[Passed] = []
        with vertical_line(MqttSettings(host=broker.host, port=broker.port), FLEET, JOB) as line:
            parties = MqttParties(line, FLEET, JOB, job.parties, patience_s=3.0, again_s=0.5)
            run_vertical(
                job,
                *labels_of(job),
                parties.ask,
                on_epoch=disturb,
                on_trouble=troubles.append,
            )
    assert [one.number for one in epochs] == [1, 2, 3, 4, 5, 6]
    assert [one.loss for one in epochs] == [one.loss for one in straight]


def test_what_does_not_fit_is_said_in_one_line(folder: Path, broker: PrivateBroker) -> None:
    path = job_file(folder, broker)
    path.write_text(path.read_text().replace("right = ", "middle = "))
    job = load_vertical_job(path)
    with pytest.raises(InputError, match="check middle, right"):
        run_vertical(job, *labels_of(job), lambda messages: {})
    path.write_text(path.read_text().replace("labels.csv", "none.csv"))
    done = CliRunner().invoke(vertical, [str(path)])
    assert done.exit_code != 0
    assert "labels.path: no such file" in str(done.exception)


def _run(folder: Path, broker: PrivateBroker, name: str) -> list[Passed]:
    """The same training without trouble."""
    where = folder / name
    where.mkdir()
    for file in ("network", "secret", "labels.csv"):
        (where / file).symlink_to(folder / file)
    job = load_vertical_job(job_file(where, broker))
    epochs: list[Passed] = []
    settings = MqttSettings(host=broker.host, port=broker.port)
    with (
        board_of(where, broker, "left"),
        board_of(where, broker, "right"),
        vertical_line(settings, FLEET, JOB) as line,
    ):
        parties = MqttParties(line, FLEET, JOB, job.parties)
        run_vertical(job, *labels_of(job), parties.ask, on_epoch=epochs.append)
    return epochs


def _documents(text: str) -> list[dict[str, float]]:
    decoder, found = json.JSONDecoder(), []
    while text := text.strip():
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:]
    return found
