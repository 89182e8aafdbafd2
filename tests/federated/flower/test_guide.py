"""What docs/flower.md says of the example app is what the app has."""

import re
import tomllib
from pathlib import Path

import pytest

from edgekit.federated.strategies.naming import strategy_of
from edgekit.learning.federated.codecs import codec_of
from tests.guides import run_examples
from tools.flower_app.fleet import APP

_GUIDE = (Path(__file__).parents[3] / "docs/flower.md").read_text(encoding="utf-8")


def test_the_guide_names_every_setting_of_the_app() -> None:
    app = tomllib.loads((APP / "pyproject.toml").read_text(encoding="utf-8"))
    for key in app["tool"]["flwr"]["app"]["config"]:
        assert re.search(rf"`{key}`|{key}=", _GUIDE), key


def test_the_guides_strategy_and_codec_exist() -> None:
    assert '`"wrong=1 keep=3"`' in _GUIDE
    assert strategy_of("krum", {"wrong": "1", "keep": "3"})
    assert "`top-k:0.2+int4`" in _GUIDE
    assert codec_of("top-k:0.2+int4")


def test_the_guides_server_app_can_be_made() -> None:
    pytest.importorskip("flwr", reason="Flower is in an environment of its own: make flower")
    assert run_examples("flower.md") == 1
