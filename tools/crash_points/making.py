"""Makes what the scenario plays with: tiny bundles, keys, and a signed repository of them."""

from pathlib import Path

import msgspec
import numpy as np
import onnx_ir as ir

from edgekit.bundle import Bundle, InputSpec, Manifest, OutputSpec, Thresholds, WindowRule
from edgekit.bundle import write_bundle as write
from edgekit.compress.golden import golden_file, golden_inputs
from edgekit.deploy.keys import KeyRing, Role, make_keys
from edgekit.deploy.repository import Repository
from edgekit.graph.build import GraphBuilder
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from tools.crash_points.scenario import BAD, FIRST, SECOND, THIRD, Place

NAME = "mean"
_NOTE_BYTES = 100_000
"""So that a download and an unpacked file are several writes each."""
_MANIFEST = Manifest(
    schema=1,
    name=NAME,
    version=FIRST,
    task="anomaly",
    input=InputSpec(
        name="window",
        dtype="float32",
        shape=(1, 4, 2),
        window=WindowRule(length=4, hop=4, columns=("a", "b")),
    ),
    output=OutputSpec(name="score", kind="score"),
    models={"onnxruntime": "model.onnx"},
    files={},
    golden="golden.npz",
    thresholds=Thresholds(anomaly=10.0),
)


def tiny_bundle(
    folder: Path, version: str, *, gain: float = 1.0, passes: bool = True, note: bytes = b""
) -> Bundle:
    """A bundle `mean` whose score is the mean of a window, times a gain.

    Args:
        folder: where to write it.
        version: its version.
        gain: what tells it from another version.
        passes: whether its golden vectors are its own.
        note: one more file, two folders deep; none where it is empty.
    """
    data = _model(gain)
    engine = OnnxRuntimeEngine(data if passes else _model(gain + 1))
    inputs = golden_inputs(_MANIFEST.input, ())
    files = {"model.onnx": data, "golden.npz": golden_file(inputs, engine, [engine], "score")}
    if note:
        files["deep/folder/note.txt"] = note
    return write(folder, msgspec.structs.replace(_MANIFEST, version=version), files=files)


def passphrase(role: Role) -> bytes:
    """What all keys that are made here are encrypted with."""
    return b"only for a test"


def make_place(folder: Path) -> Place:
    """A repository with every version of the scenario."""
    make_keys(folder / "keys", {}, passphrases=passphrase)
    ring = KeyRing([folder / "keys"], passphrase)
    repository = Repository(folder / "repository")
    root = repository.create(ring)
    bundles = [
        tiny_bundle(
            folder / "bundles" / version,
            version,
            gain=1 + number / 10,
            passes=version != BAD,
            note=np.random.default_rng(number).bytes(_NOTE_BYTES),
        )
        for number, version in enumerate((FIRST, SECOND, THIRD, BAD))
    ]
    repository.add(bundles, ring)
    each = max(offer.note.unpacked_bytes for offer in repository.offers())
    return Place(NAME, repository.folder, root, store_bytes=3 * each + each // 2)


def make_board(place: Place, folder: Path) -> Path:
    """A board's folder that has committed the first version."""
    folder.mkdir()
    updates = place.updates(folder)
    updates.fetch(place.name, FIRST)
    updates.begin_trial(place.name)
    updates.commit(place.name)
    return folder


def _model(gain: float) -> bytes:
    build = GraphBuilder("mean")
    window = build.input("window", np.float32, (1, 4, 2))
    flat = build.op("Reshape", window, np.array([1, 8]))
    mean = build.op("ReduceMean", flat, axes=[1], keepdims=0)
    scaled = build.op("Mul", mean, np.array([gain], np.float32))
    data: bytes = ir.to_proto(build.finish(score=(scaled, np.float32, (1,)))).SerializeToString()
    return data
