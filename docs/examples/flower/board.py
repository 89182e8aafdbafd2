"""A board in a Flower fleet: says who it is, trains on its samples, and judges a model by them.

What differs from board to board is in the SuperNode's `--node-config`: `train`, a folder that
`edgekit.federated.compile_federated_step` made, `samples`, a `.npz` file with an array for each
input of a batch in order, and perhaps `name` and `partition-id`.
"""

import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import Array as Sent
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from edgekit.array import Array
from edgekit.learning.federated import Guidance, LocalTrainer, Update
from edgekit.learning.federated.codecs import codec_of, with_feedback
from edgekit.learning.federated.framing import encode_update
from edgekit.learning.federated.update import as_vector
from edgekit.learning.npz import read_arrays


def introduce(message: Message, context: Context) -> Message:
    """Who this board is."""
    name, number = _who(context)
    said = ConfigRecord({"name": name, "number": number})
    return Message(RecordDict({"board": said}), reply_to=message)


def train(message: Message, context: Context) -> Message:
    """Trains from the parameters in a message.

    Where the message names a codec, the answer is an update as edgekit's strategies take it, and
    what the codec loses stays here for the next round. Else it is what Flower's own strategies
    take: all parameters and the number of samples.
    """
    asked: dict[str, Any] = {**context.run_config, **message.content["config"]}
    parameters = _arrays(message.content, "arrays")
    name, number = _who(context)
    guidance = Guidance(
        epochs=asked["epochs"],
        rate=asked["rate"],
        proximal=asked.get("proximal", asked.get("proximal-mu", 0.0)),
        control=_arrays(message.content, "control"),
    )
    ours = _arrays(context.state, "control")
    update = _trainer(context.node_config["train"]).train(
        name,
        parameters,
        _samples(context.node_config["samples"]),
        guidance,
        seed=_seed(message, asked, number),
        version=asked.get("version", 0),
        control=ours or None,
    )
    assert update is not None  # nothing stops it
    if update.control:
        moved = {n: ours.get(n, np.float32(0)) + c for n, c in update.control.items()}
        context.state["control"] = _record(moved)
    if "codec" in message.content["config"]:
        content = RecordDict({"update": ConfigRecord({"message": _sent(update, asked, context)})})
    else:
        trained = {n: parameters[n] + change for n, change in update.change.items()}
        metrics = MetricRecord({"num-examples": update.samples, "steps": update.steps})
        content = RecordDict({"arrays": _record(trained), "metrics": metrics})
    return Message(content, reply_to=message)


def evaluate(message: Message, context: Context) -> Message:
    """How well the parameters in a message do on this board's samples."""
    samples = _samples(context.node_config["samples"])
    loss, outputs = _trainer(context.node_config["train"]).evaluate(
        _arrays(message.content, "arrays"), samples
    )
    right = float((outputs.argmax(axis=1) == samples[-1]).mean())
    metrics = MetricRecord({"loss": loss, "accuracy": right, "num-examples": len(outputs)})
    return Message(RecordDict({"metrics": metrics}), reply_to=message)


app = ClientApp()
app.query()(introduce)
app.train()(train)
app.evaluate()(evaluate)


def _who(context: Context) -> tuple[str, int]:
    config = context.node_config
    if "partition-id" in config:
        number = int(config["partition-id"])
        return str(config.get("name", f"client{number:06}")), number
    name = str(config.get("name", f"node{context.node_id}"))
    return name, zlib.crc32(name.encode())


def _seed(message: Message, asked: dict[str, Any], number: int) -> list[int]:
    if "codec" in message.content["config"]:
        return list(asked["seed"])
    return [1000 * int(asked.get("server-round", 1)) + number, int(asked["seed"])]


def _sent(update: Update, asked: dict[str, Any], context: Context) -> bytes:
    codec = codec_of(asked["codec"])
    if codec.name == "float32":  # nothing is lost
        return encode_update(update, codec)
    sizes = [update.change[name].size for name in sorted(update.change)]
    lost = _arrays(context.state, "lost").get("vector")
    data, lost = with_feedback(codec, as_vector(update.change), sizes, lost)
    context.state["lost"] = _record({"vector": lost})
    return encode_update(update, codec, data)


@cache
def _trainer(folder: str) -> LocalTrainer:
    return LocalTrainer(Path(folder))


@cache
def _samples(path: str) -> tuple[Array, ...]:
    return tuple(read_arrays(Path(path)).values())


def _arrays(records: RecordDict, name: str) -> dict[str, Array]:
    """The arrays of a record; none where there is no such record."""
    record = records.array_records.get(name)
    return {} if record is None else {key: array.numpy() for key, array in record.items()}


def _record(arrays: dict[str, Array]) -> ArrayRecord:
    return ArrayRecord({name: Sent(np.ascontiguousarray(a)) for name, a in arrays.items()})
