"""The tables about learning together."""

import tomllib
from pathlib import Path

import pytest

from edgekit.config.checking import check
from edgekit.config.schema import Settings
from edgekit.errors import ConfigError

BOARD = {
    "state": "state",
    "mqtt": {"host": "mqtt.lan"},
    "pipelines": {
        "door": {
            "bundle": "b",
            "source": {"kind": "camera"},
            "sinks": [{"kind": "mqtt"}],
        }
    },
}


def _settings(**federated: object) -> Settings:
    document = {**BOARD, "federated": {"digits": {"pipeline": "door", **federated}}}
    return check(document, Settings, source="edgekit.toml", folder=Path())


def test_a_pipeline_is_enough() -> None:
    table = _settings().federated["digits"]
    assert (table.personal, table.use, table.count_epsilon) == ((), False, None)
    assert (table.samples.max_mb, table.samples.pseudo, table.policy.mains) == (20.0, None, True)


@pytest.mark.parametrize(
    ("federated", "mistake"),
    [
        ({"pipeline": "hall"}, "federated.digits learns from no pipeline 'hall'"),
        ({"samples": {"rules": {"late": "a"}}}, "there is no rule 'late'"),
        ({"policy": {"hours": "22-6"}}, "federated.digits.policy.hours"),
        ({"policy": {"hours": "24:00-06:00"}}, "federated.digits.policy.hours"),
        ({"policy": {"max_busy": 1.1}}, "federated.digits.policy.max_busy"),
        ({"samples": {"pseudo": 0.4}}, "federated.digits.samples.pseudo"),
        ({"samples": {"max_mb": 0}}, "federated.digits.samples.max_mb"),
        ({"count_epsilon": 0}, "federated.digits.count_epsilon"),
        ({"sample": {}}, "did you mean samples?"),
    ],
)
def test_each_mistake_names_its_key(federated: dict[str, object], mistake: str) -> None:
    with pytest.raises(ConfigError) as refused:
        _settings(**federated)
    assert mistake in str(refused.value)


def test_learning_together_needs_a_broker() -> None:
    document = {**BOARD, "federated": {"digits": {"pipeline": "door"}}}
    document.pop("mqtt")
    document["pipelines"]["door"]["sinks"] = [{"kind": "jsonl", "path": "o"}]  # type: ignore[index]
    with pytest.raises(ConfigError, match=r"there is \[federated\], but there is no \[mqtt\]"):
        check(document, Settings, source="edgekit.toml", folder=Path())


def test_the_page_shows_each_setting_with_its_default() -> None:
    page = (Path(__file__).parents[2] / "docs" / "federated_board.md").read_text()
    whole = next(text for text in page.split("```toml")[1:] if "count_epsilon" in text)
    shown = tomllib.loads(whole.partition("```")[0])["federated"]["gate-sounds"]
    given = {"pipeline": "door", **shown, "samples": {**shown["samples"], "rules": {}}}
    table = _settings(**{**given, "pipeline": "door"}).federated["digits"]
    plain = _settings().federated["digits"]
    optional = {"count_epsilon", "pseudo", "hours", "rules"}
    for shown_one, of, default in (
        (shown, table, plain),
        (shown["samples"], table.samples, plain.samples),
        (shown["policy"], table.policy, plain.policy),
    ):
        assert set(shown_one) == set(of.__struct_fields__)
        for name in set(shown_one) - optional - {"samples", "policy", "pipeline"}:
            assert getattr(of, name) == getattr(default, name), name
