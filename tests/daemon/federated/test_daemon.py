"""A daemon that learns beside its pipelines, as a process of its own, with a real broker."""

import json
from pathlib import Path

import pytest

from edgekit.array import Array
from edgekit.federated.tasks import Task
from edgekit.learning.federated import Guidance, LocalTrainer
from edgekit.messaging.payloads import decode_infer
from edgekit.messaging.topics import Topics
from tests.broker import listening
from tests.daemon.federated.conftest import same
from tests.daemon.federated.coordinator import coordinating
from tests.daemon.federated.digits import append, digits_bundle, settings_of
from tests.daemon.process import started
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
