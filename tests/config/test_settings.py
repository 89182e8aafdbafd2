"""`edgekit.toml`: every mistake at once, with its place and the nearest right word."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.config import Settings, check, check_surroundings, load_settings
from edgekit.errors import ConfigError
from tests.samples import window_bundle

GOOD = """
[mqtt]
host = "broker.local"
[pipelines.door]
bundle = "bundle"
source = { kind = "csv", path = "rows.csv" }
sinks = [{ kind = "mqtt" }, { kind = "jsonl", path = "out.jsonl" }]
"""


def mistakes(tmp_path: Path, text: str) -> str:
    path = tmp_path / "edgekit.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    return str(caught.value)


def test_paths_are_taken_from_the_files_folder(tmp_path: Path) -> None:
    (tmp_path / "edgekit.toml").write_text(GOOD)
    settings = load_settings(tmp_path / "edgekit.toml")
    assert settings.pipelines["door"].bundle == tmp_path / "bundle"
    assert settings.pipelines["door"].source.path == tmp_path / "rows.csv"


def test_every_mistake_is_reported_together(tmp_path: Path) -> None:
    text = GOOD.replace("host", "hots").replace("bundle =", "bundel =").replace('"csv"', '"cvs"')
    said = mistakes(tmp_path, text + "\n[device]\nname = 3\n")
    assert "mqtt.hots: unknown setting; did you mean host?" in said
    assert "pipelines.door.bundel: unknown setting; did you mean bundle?" in said
    assert "pipelines.door.bundle: is missing" in said
    assert "did you mean csv?" in said
    assert "device.name: expected" in said


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"broker.local"', '"b"\npassword = "p"', "password needs a username"),
        ('[mqtt]\nhost = "broker.local"', "", "no [mqtt]"),
        ("[pipelines.door]", '[pipelines."a/b"]', "pipelines.a/b"),
        ('[{ kind = "mqtt" }, { kind = "jsonl", path = "out.jsonl" }]', "[]", "sinks"),
        ("kind =", "kind ==", "not valid TOML"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert says in mistakes(tmp_path, GOOD.replace(old, new))


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path / "none.toml")


def test_what_the_settings_name_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "edgekit.toml").write_text(GOOD)
    settings = load_settings(tmp_path / "edgekit.toml")
    with pytest.raises(ConfigError) as caught:
        check_surroundings(settings, source="edgekit.toml")
    assert len(caught.value.mistakes) == 2
    window_bundle(tmp_path / "bundle")
    (tmp_path / "rows.csv").write_text("a,b\n")
    check_surroundings(settings, source="edgekit.toml")


_toml = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)
_tables = st.sampled_from(["mqtt", "device", "pipelines", "metrics_interval_s", "other"])


@given(st.dictionaries(_tables, _toml, max_size=4))
def test_a_random_document_is_taken_or_refused_never_a_crash(document: dict[str, Any]) -> None:
    try:
        check(document, Settings, source="c", folder=Path("/nowhere"))
    except ConfigError as error:
        assert error.mistakes


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("c") / "edgekit.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError):
        load_settings(path)
