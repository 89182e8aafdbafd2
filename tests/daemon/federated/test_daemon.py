"""A daemon that learns beside its pipelines, as a process of its own, with a real broker."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edgekit.array import Array
from edgekit.federated.tasks import Task
from edgekit.learning.federated import Guidance, LocalTrainer
from edgekit.learning.federated.identity import step_digest
from edgekit.messaging.payloads import decode_infer, decode_metrics
from edgekit.messaging.topics import Topics
from edgekit.runtime.interpret import softmax
from tests.broker import listening
from tests.daemon.federated.conftest import same
from tests.daemon.federated.coordinator import coordinating
from tests.daemon.federated.digits import POLICY, append, digits_bundle, fill, settings_of
from tests.daemon.process import run, started, until
from tests.samples import window_bundle
from tools.private_broker import PrivateBroker

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits_bundle(tmp_path_factory.mktemp("digits")).path


def _rows(task: Task, count: int) -> tuple[Array, Array]:
    x, y = task.clients.samples(0)
    return x[:count], y[:count]


def test_it_learns_from_samples_that_commands_label_while_it_answers(
    tmp_path: Path, broker: PrivateBroker, bundle: Path, task: Task
) -> None:
    x, y = _rows(task, 12)
    commands = '[commands]\nallow = ["label"]\nper_minute = 600\n'
    config = settings_of(tmp_path, bundle, broker, more=commands)
    first = LocalTrainer(bundle / "train").parameters
    with (
        coordinating(broker) as coordinator,
        listening(broker, "edgekit/v1/test/board/#") as listener,
        started(config),
    ):
        told = coordinator.next_ready(willing=False)
        assert told.why == "it has fewer than 8 samples"
        append(tmp_path / "rows.csv", x)
        seen = 0
        while seen < len(x):
            message = listener.next()
            if "/infer/" in message.topic:
                assert decode_infer(message.payload).seq == seen
                seen += 1
        for number, label in enumerate(y.tolist()):
            command = {
                "v": 1,
                "id": f"l{number}",
                "arguments": {"label": label, "sequence": number},
            }
            topic = Topics("test", "board").command("label")
            coordinator.link.publish(topic, json.dumps(command).encode())
        assert coordinator.next_ready(willing=True).samples > 7
        model = coordinator.publish_model(first)
        invite = coordinator.invite("board", model, seed=3)
        update, _ = coordinator.next_update(first)
        assert update.samples == len(x)
        alone = LocalTrainer(bundle / "train").train(
            "board", first, (x.reshape(-1, 1, 64), y), Guidance(2, 0.1), seed=3
        )
        assert alone is not None
        assert same(update.change, alone.change)
        coordinator.receipt("board", invite, "counted")
        append(tmp_path / "rows.csv", x[:1])
        while "/infer/" not in (message := listener.next()).topic:
            pass
        assert decode_infer(message.payload).seq == len(x)


def test_rules_label_samples_and_a_reload_follows_settings_and_bundles(
    tmp_path: Path, broker: PrivateBroker, bundle: Path, task: Task
) -> None:
    x, _ = _rows(task, 30)
    rule = '[rules.seen]\nwhen = "reader.p >= 0"\nrepeat = true\ncooldown_s = 0.1\n'
    rule += 'sinks = [{ kind = "mqtt" }]\n'
    labels = '[federated.digits.samples]\nrules = { seen = "three" }\n'
    config = settings_of(tmp_path, bundle, broker, more=labels + rule)
    few = POLICY.replace("min_samples = 8", "min_samples = 1")
    with coordinating(broker) as coordinator, started(config) as daemon:
        before = coordinator.next_ready(willing=False)
        append(tmp_path / "rows.csv", x[:1])
        daemon.says("federated digits: does not take part")
        config.write_text(config.read_text().replace(POLICY, few))
        database = tmp_path / "state/federated/digits/samples.db"
        until(lambda: _count(database) == 1, "a sample")
        daemon.reload()
        told = coordinator.next_ready(willing=True)
        assert (told.samples, told.step) == (1, before.step)
        wider = digits_bundle(tmp_path / "wider", hidden=48, version="1.1.0").path
        config.write_text(config.read_text().replace(str(bundle), str(wider)))
        daemon.reload()
        told = coordinator.next_ready(willing=True)
        while told.step == before.step:
            told = coordinator.next_ready(willing=True)
        assert told.step == step_digest(wider / "train")
        assert told.samples == 1
        decoder = digits_bundle(tmp_path / "same", decoder=True).path
        config.write_text(config.read_text().replace(str(wider), str(decoder)))
        config.write_text(config.read_text().replace("reader.p >= 0", "reader.score >= 0"))
        daemon.reload()
        daemon.says("beginning anew without those samples")
        assert coordinator.next_ready(willing=False).samples == 0
        append(tmp_path / "rows.csv", x[1:4])
        until(lambda: _count(database) == 3, "samples without labels")
        config.write_text(config.read_text().partition("[federated")[0] + rule_of_scores(rule))
        daemon.reload()
        until(lambda: sum("reloaded: " in line for line in daemon.log) == 4, "the last reload")
        append(tmp_path / "rows.csv", x[4:6])
        assert daemon.end() == 0
        assert _count(database) == 3


def rule_of_scores(rule: str) -> str:
    return rule.replace("reader.p >= 0", "reader.score >= 0")


def _count(database: Path) -> int:
    with closing(sqlite3.connect(database)) as opened:
        return int(opened.execute("select count(*) from sample").fetchone()[0])


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ("train", "step.onnx"),
        ("limit", "one sample is 264 bytes"),
        ("state", "federated: needs a state directory"),
    ],
)
def test_what_cannot_be_learned_from_is_told_at_the_start(
    tmp_path: Path, broker: PrivateBroker, bundle: Path, damage: str, why: str
) -> None:
    limit = "[federated.digits.samples]\nmax_mb = 0.0001\n" if damage == "limit" else ""
    given = bundle
    if damage == "train":
        given = window_bundle(tmp_path / "mean").path
    config = settings_of(tmp_path, given, broker, more=limit)
    if damage == "state":
        config.write_text(config.read_text().replace('state = "state"\n', ""))
    done = run(config)
    assert done.returncode in (2, 4)
    assert why in done.stderr
    assert "Traceback" not in done.stderr


def test_metrics_tell_where_each_job_stands(
    tmp_path: Path, broker: PrivateBroker, bundle: Path, task: Task
) -> None:
    fill(tmp_path / "state", bundle, task.clients.samples(0))
    config = settings_of(tmp_path, bundle, broker)
    config.write_text("metrics_interval_s = 0.2\n" + config.read_text())
    first = LocalTrainer(bundle / "train").parameters
    with (
        coordinating(broker) as coordinator,
        listening(broker, "edgekit/v1/test/board/metrics") as listener,
        started(config),
    ):
        coordinator.next_ready(willing=True)
        invite = coordinator.invite("board", coordinator.publish_model(first))
        coordinator.next_update(first)
        coordinator.receipt("board", invite, "counted")
        while True:
            federated = decode_metrics(listener.next().payload).federated
            assert federated is not None
            if federated["digits"].rounds == 1:
                break
    job = federated["digits"]
    assert (job.state, job.last, job.samples) == ("idle", "counted", len(task.clients.parts[0]))


def test_the_pipeline_answers_with_what_was_learned_where_that_suits_the_board(
    tmp_path: Path, broker: PrivateBroker, bundle: Path, task: Task
) -> None:
    samples = task.clients.samples(0)
    fill(tmp_path / "state", bundle, samples)
    federated = 'use = true\npersonal = ["*1"]\n'
    config = settings_of(tmp_path, bundle, broker, federated=federated)
    trainer = LocalTrainer(bundle / "train")
    first = trainer.parameters
    body = {name: first[name] for name in ("b0", "w0")}
    held = (samples[0].reshape(-1, 1, 64), samples[1])
    alone = trainer.train("board", first, held, Guidance(20, 0.1), seed=1)
    assert alone is not None
    own = {name: first[name] + alone.change[name] for name in ("b1", "w1")}
    wanted = softmax(trainer.evaluate(first | own, held)[1].astype(np.float64))
    assert np.abs(wanted - softmax(trainer.evaluate(first, held)[1])).max() > 0.1
    with (
        coordinating(broker) as coordinator,
        listening(broker, "edgekit/v1/test/board/infer/#") as listener,
        started(config) as daemon,
    ):
        coordinator.next_ready(willing=True)
        model = coordinator.publish_model(body)
        invite = coordinator.invite("board", model, epochs=20, seed=1, personal=("*1",))
        coordinator.next_update(body)
        coordinator.receipt("board", invite, "counted")
        daemon.says("reader answers with what was learned")
        append(tmp_path / "rows.csv", samples[0][:1])
        assert _best(listener.next().payload) == pytest.approx(wanted[0].max(), abs=1e-4)
        worse = {name: array * np.float32(100) for name, array in body.items()}
        spoilt = coordinator.publish_model(worse, number=2, version=1)
        invite = coordinator.invite(
            "board", spoilt, round=2, version=1, personal=("*1",), rate=1e-6, epochs=1
        )
        coordinator.next_update(body)
        coordinator.receipt("board", invite, "counted")
        daemon.says("what was learned is not used: its loss on this board's samples is")
        append(tmp_path / "rows.csv", samples[0][1:2])
        assert _best(listener.next().payload) == pytest.approx(wanted[1].max(), abs=1e-4)


def _best(payload: bytes) -> float:
    top = decode_infer(payload).top
    assert top is not None
    return top[0].p
