"""Gates: what is missed, by how much, and what cannot be measured."""

import re
from pathlib import Path

import msgspec
import pytest

from edgekit.bundle import Measured
from edgekit.compress import Recipe, compress_model
from edgekit.compress.gates import (
    hurting_layers,
    missed_gates,
    require_measurable,
    unsettled_gates,
)
from edgekit.compress.measure import Against, Spread
from edgekit.compress.recipe import Gates, InputRecipe
from edgekit.compress.report import Report
from edgekit.compress.sensitivity import LayerSensitivity
from edgekit.compress.statistics import Difference
from edgekit.errors import ConfigError, GateMissed
from tests.samples import conv_net, pictures, save

CAFFE = InputRecipe(convention="caffe")


def artifact(**changed: object) -> Against:
    figures = Measured(
        samples=400, top1=0.6, agreement=0.93, kl=0.03, size_bytes=1_200_000, travels_bytes=900_000
    )
    found = Against(
        engine="onnxruntime",
        measured=figures,
        top1=Difference(-0.005, -0.012, 0.002),
        latency=Spread(0.45, 0.42, 0.5),
        milliseconds=2.0,
    )
    return msgspec.structs.replace(found, **changed)


@pytest.mark.parametrize(
    ("gates", "says"),
    [
        (Gates(agreement=0.95), "agreement: 93.0%, 2.0 points below the 95.0% asked for"),
        (Gates(kl=0.01), "kl: 0.03 nats, 3 times the 0.01 allowed"),
        (Gates(size="600 kB"), "size: 900.0 kB, 50.0% above the 600 kB allowed"),
        (Gates(latency=0.4), "latency: 0.45 of the original's time, the gate allows 0.4"),
    ],
)
def test_a_missed_gate_says_by_how_much(gates: Gates, says: str) -> None:
    assert [miss.text for miss in missed_gates(gates, [artifact()])] == [says]


def test_gates_that_hold_say_nothing() -> None:
    gates = Gates(agreement=0.9, kl=0.05, top1_drop=0.5, size="1 MB", latency=0.5)
    assert missed_gates(gates, [artifact()]) == []


def test_a_drop_within_chance_is_not_a_miss_but_said_to_be_unsettled() -> None:
    gates = Gates(top1_drop=0.3)
    assert missed_gates(gates, [artifact()]) == []
    (text,) = unsettled_gates(gates, [artifact()])
    assert "-0.5 points" in text
    assert "more labelled samples" in text


def test_a_drop_beyond_chance_is_a_miss() -> None:
    worse = artifact(top1=Difference(-0.02, -0.03, -0.011))
    (miss,) = missed_gates(Gates(top1_drop=1.0), [worse])
    assert miss.gate == "top1_drop"
    assert unsettled_gates(Gates(top1_drop=1.0), [worse]) == []


def test_every_engine_is_held_to_the_gates() -> None:
    both = [artifact(), artifact(engine="litert", latency=Spread(0.3, 0.3, 0.3))]
    (miss,) = missed_gates(Gates(latency=0.4), both)
    assert miss.text.startswith("latency with onnxruntime")


def test_gates_on_what_cannot_be_measured_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"gates\.kl"):
        require_measurable(Gates(kl=1.0), is_classifier=False, has_targets=True, where="r")
    with pytest.raises(ConfigError, match=r"gates\.top1_drop"):
        require_measurable(Gates(top1_drop=1.0), is_classifier=True, has_targets=False, where="r")


def test_the_layers_that_hurt_are_named_worst_first() -> None:
    layers = [LayerSensitivity(name, kl, 10) for name, kl in (("a", 0.1), ("b", 0.5), ("c", 0.2))]
    assert hurting_layers(layers, count=2) == (
        "the layers that hurt most when rounded: b (0.5), c (0.2)"
    )
    assert hurting_layers([]) is None


def test_a_missed_gate_writes_the_report_and_nothing_else(tmp_path: Path) -> None:
    model, folder = save(conv_net(), tmp_path / "m.onnx"), pictures(tmp_path / "p")
    recipe = Recipe(input=CAFFE, gates=Gates(size="100 B"))
    with pytest.raises(GateMissed) as caught:
        compress_model(model, data=folder, out=tmp_path / "b", recipe=recipe)
    lines = str(caught.value).splitlines()
    assert re.match(r"size: [\d.]+ kB, [\d,.]+% above the 100 B allowed", lines[0])
    assert "the layers that hurt most when rounded: " in lines[1]
    assert str(tmp_path / "b.report.html") in lines[2]
    assert not (tmp_path / "b").exists()
    assert "Gates missed" in (tmp_path / "b.report.html").read_text()
    assert isinstance(caught.value.report, Report)
    assert caught.value.report.missed[0].gate == "size"
