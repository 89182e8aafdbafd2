"""A network of two bottoms and a top, and the same network in one piece."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx_ir as ir
from sklearn.datasets import load_digits

from edgekit.array import Array
from edgekit.federated.vertical import compile_bottom, compile_top
from edgekit.graph.build import GraphBuilder
from edgekit.learning.federated.vertical.holder import Ask, LabelHolder
from edgekit.learning.federated.vertical.models import BottomModel, TopModel
from edgekit.learning.federated.vertical.party import Party
from edgekit.train.losses import CrossEntropy

ROWS, WIDTH = 32, 8
PARTIES = ("left", "right")


def weights(seed: int) -> dict[str, Array]:
    rng = np.random.default_rng(seed)

    def drawn(n: int, m: int) -> Array:
        return rng.normal(0, (2 / n) ** 0.5, (n, m)).astype(np.float32)

    found = {f"{name}_w": drawn(32, WIDTH) for name in PARTIES}
    found |= {f"{name}_b": np.zeros(WIDTH, np.float32) for name in PARTIES}
    return found | {"top_w": drawn(2 * WIDTH, 10), "top_b": np.zeros(10, np.float32)}


def bottom(name: str, first: Mapping[str, Array]) -> ir.Model:
    build = GraphBuilder(name)
    value = build.input("pixels", np.float32, (1, 32))
    w, b = (build.constant(first[f"{name}_{part}"], f"{name}_{part}") for part in "wb")
    seen = build.op("Relu", build.op("Gemm", value, w, b))
    return build.finish(seen=(seen, np.float32, (1, WIDTH)))


def top(first: Mapping[str, Array]) -> ir.Model:
    build = GraphBuilder("top")
    inputs = [build.input(name, np.float32, (1, WIDTH)) for name in PARTIES]
    w, b = (build.constant(first[f"top_{part}"], f"top_{part}") for part in "wb")
    logits = build.op("Gemm", build.op("Concat", *inputs, axis=1), w, b)
    return build.finish(logits=(logits, np.float32, (1, 10)))


def whole(first: Mapping[str, Array]) -> ir.Model:
    build = GraphBuilder("whole")
    seen = []
    for name in PARTIES:
        value = build.input(name, np.float32, (1, 32))
        w, b = (build.constant(first[f"{name}_{part}"], f"{name}_{part}") for part in "wb")
        seen.append(build.op("Relu", build.op("Gemm", value, w, b)))
    w, b = (build.constant(first[f"top_{part}"], f"top_{part}") for part in "wb")
    logits = build.op("Gemm", build.op("Concat", *seen, axis=1), w, b)
    return build.finish(logits=(logits, np.float32, (1, 10)))


def halves(samples: int) -> tuple[dict[str, Array], Array]:
    """The left and the right half of digits, and what they are."""
    pixels, classes = load_digits(return_X_y=True)
    pixels = (pixels / 16).astype(np.float32).reshape(-1, 8, 8)[:samples]
    sides = {"left": pixels[:, :, :4], "right": pixels[:, :, 4:]}
    return {name: side.reshape(-1, 32) for name, side in sides.items()}, classes[:samples]


@dataclass(frozen=True)
class Network:
    """A holder and its parties in one process.

    Attributes:
        sent: all that went either way.
    """

    holder: LabelHolder
    top: TopModel
    parties: dict[str, Party]
    bottoms: dict[str, BottomModel]
    sent: list[bytes]


def compiled(folder: Path, first: Mapping[str, Array]) -> None:
    for name in PARTIES:
        compile_bottom(bottom(name, first), rows=ROWS).save(folder / name)
        (folder / name / "kept").mkdir(exist_ok=True)
    compile_top(top(first), CrossEntropy(), rows=ROWS).save(folder / "top")


def network(
    folder: Path,
    features: Mapping[str, Array],
    labels: Array,
    keys: Mapping[str, list[bytes | None]],
    *,
    codec: str = "float32",
    run: str | None = None,
) -> Network:
    bottoms = {name: BottomModel(folder / name) for name in PARTIES}
    parties = {
        name: Party(
            bottoms[name], partial(_both, features[name], keys[name]), folder / name / "kept"
        )
        for name in PARTIES
    }
    top_model = TopModel(folder / "top")
    sent: list[bytes] = []
    ask = asking(parties, sent)
    holder = LabelHolder(top_model, labels, keys["holder"], ask, codec=codec, run=run)
    return Network(holder, top_model, parties, bottoms, sent)


def _both(features: Array, keys: list[bytes | None]) -> tuple[Array, list[bytes | None]]:
    return features, keys


def asking(parties: Mapping[str, Party], sent: list[bytes]) -> Ask:
    def ask(messages: Mapping[str, bytes]) -> dict[str, bytes]:
        answers = {}
        for name, message in messages.items():
            answer = parties[name].answer(message)
            assert answer is not None
            answers[name] = answer
            sent.extend((message, answer))
        return answers

    return ask
