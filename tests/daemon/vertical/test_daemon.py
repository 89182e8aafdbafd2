"""A daemon whose pipeline gives features to a network over several boards."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgekit.federated.vertical import compile_bottom, compile_top
from edgekit.federated.vertical.over_mqtt import MqttParties, vertical_line
from edgekit.graph.build import GraphBuilder
from edgekit.learning.federated.vertical.aligning import timed
from edgekit.learning.federated.vertical.holder import LabelHolder
from edgekit.learning.federated.vertical.models import TopModel
from edgekit.train.losses import CrossEntropy
from tests.broker import need_broker, new_broker, settings_for
from tests.daemon.process import lines, run, settings, started, until
from tests.samples import window_bundle
from tools.private_broker import PrivateBroker

pytestmark = pytest.mark.broker
ROWS, WIDTH, WINDOWS = 8, 4, 60
START_MS, PERIOD_MS = 1_700_000_000_000, 10_000
SECRET = "0123456789abcdef"


@pytest.fixture
def broker() -> Iterator[PrivateBroker]:
    need_broker()
    with new_broker() as broker:
        yield broker


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A bottom of windows of 4 rows of 2 columns, and a top of two classes."""
    rng = np.random.default_rng(0)
    build = GraphBuilder("bottom")
    value = build.op("Flatten", build.input("window", np.float32, (1, 4, 2)), axis=1)
    weights = build.constant(rng.normal(0, 0.5, (8, WIDTH)).astype(np.float32), "w")
    bias = build.constant(np.zeros(WIDTH, np.float32), "b")
    seen = build.op("Relu", build.op("Gemm", value, weights, bias))
    bottom = build.finish(seen=(seen, np.float32, (1, WIDTH)))
    compile_bottom(bottom, rows=ROWS).save(tmp_path / "bottom")
    build = GraphBuilder("top")
    value = build.input("pump", np.float32, (1, WIDTH))
    weights = build.constant(rng.normal(0, 0.5, (WIDTH, 2)).astype(np.float32), "top_w")
    bias = build.constant(np.zeros(2, np.float32), "top_b")
    top = build.finish(logits=(build.op("Gemm", value, weights, bias), np.float32, (1, 2)))
    compile_top(top, CrossEntropy(), rows=ROWS).save(tmp_path / "top")
    return tmp_path


def config(folder: Path, broker: PrivateBroker, *, more: str = "") -> Path:
    window_bundle(folder / "mean")
    (folder / "secret").write_text(SECRET)
    (folder / "rows.csv").write_text("time,a,b\n")
    return settings(
        folder,
        'state = "state"\n'
        '[pipelines.pump]\nbundle = "mean"\n'
        'source = { kind = "csv", path = "rows.csv", time_column = "time", follow = true }\n'
        'sinks = [{ kind = "jsonl", path = "out.jsonl" }]\n'
        '[vertical.wear]\npipeline = "pump"\nbottom = "bottom"\nsecret_file = "secret"\n'
        f"period_s = {PERIOD_MS // 1000}\nmax_age_days = 3650\n{more}",
        broker,
    )


def write(path: Path, times: list[int], windows: np.ndarray) -> None:
    with path.open("a") as file:
        for time_ms, window in zip(times, windows, strict=True):
            for number, (a, b) in enumerate(window):
                file.write(f"{time_ms + number},{a:.6f},{b:.6f}\n")


def test_a_label_holder_learns_from_what_a_daemon_sees(
    network: Path, broker: PrivateBroker
) -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, WINDOWS)
    windows = rng.normal(0, 0.3, (WINDOWS, 4, 2)) + labels[:, np.newaxis, np.newaxis]
    times = [START_MS + PERIOD_MS * number + PERIOD_MS // 2 for number in range(WINDOWS)]
    with started(config(network, broker)) as daemon:
        out, before = network / "out.jsonl", [START_MS - PERIOD_MS]

        def is_read() -> bool:
            write(network / "rows.csv", before, windows[:1])
            return out.exists() and bool(lines(out))

        until(is_read, "the first prediction")  # what the file held when it was opened is skipped
        write(network / "rows.csv", times, windows)
        until(
            lambda: sum(line["captured"] >= START_MS for line in lines(out)) == WINDOWS,
            "all predictions",
        )
        mine = dataclasses.replace(settings_for(broker), client_id=None)
        with vertical_line(mine, "test", "wear") as line:
            parties = MqttParties(line, "test", "wear", {"pump": "board"}, again_s=1.0)
            keys = timed(times, PERIOD_MS, SECRET.encode())
            holder = LabelHolder(TopModel(network / "top"), labels, keys, parties.ask)
            holder.begin()
            assert holder.samples == WINDOWS
            losses = [holder.train(number, rate=0.3).loss for number in range(1, 16)]
            _, outputs = holder.judge()
        assert (outputs.argmax(axis=1) == holder.labels_of()).mean() > 0.9
        assert losses[-1] < losses[0] * 0.6
        assert daemon.end() == 0


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ("secret", "shorter than 16 bytes"),
        ("bottom", "the bottom takes [4, 3], the pipeline's model [1, 4, 2]"),
        ("pipeline", "vertical.wear learns from no pipeline 'pomp'"),
    ],
)
def test_what_does_not_fit_is_told_at_the_start(
    network: Path, broker: PrivateBroker, damage: str, why: str
) -> None:
    path = config(network, broker)
    if damage == "secret":
        (network / "secret").write_text("short")
    elif damage == "pipeline":
        path.write_text(path.read_text().replace('pipeline = "pump"', 'pipeline = "pomp"'))
    else:
        build = GraphBuilder("bottom")
        value = build.op("Flatten", build.input("window", np.float32, (1, 4, 3)), axis=1)
        weights = build.constant(np.ones((12, WIDTH), np.float32), "w")
        seen = build.op("MatMul", value, weights)
        bottom = build.finish(seen=(seen, np.float32, (1, WIDTH)))
        compile_bottom(bottom, rows=ROWS).save(network / "bottom")
    done = run(path)
    assert done.returncode == 2
    assert why in done.stderr
    assert why in done.stderr.splitlines()[-1]
