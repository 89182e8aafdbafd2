"""Old settings still run, and are rewritten without losing a comment."""

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.config.migration import VERSION, migrated
from edgekit.config.rewriting import rewrite_settings, rewritten
from edgekit.errors import ConfigError

OLD = """\
# The pump house.
metrics_interval_s = 30  # often

[device]
name = "pump-house"

[pipelines.pump]
bundle = "bundles/pump"
policy = "every"  # not one may be missed
# Where rows come from.
source = { kind = "csv", path = "pump.csv" }
sinks = [
  { kind = "mqtt" },  # the broker
]

[pipelines.door]
policy = "newest" # late pictures are of no use
bundle = "bundles/door"
sinks = [{ kind = "jsonl", path = "door.jsonl" }]
[pipelines.door.source]
kind = "video" # a film
path = "door.mp4"

[pipelines.plain]
bundle = "bundles/door"
source = { kind = "images", path = "pictures" }
sinks = [{ kind = "mqtt" }]
"""


def test_version_1_has_its_policy_moved_into_each_source() -> None:
    document = tomllib.loads(OLD)
    before = copy.deepcopy(document)
    new, changes = migrated(document)
    assert document == before
    assert new["version"] == VERSION
    assert new["pipelines"]["pump"]["source"]["policy"] == "every"
    assert new["pipelines"]["door"]["source"]["policy"] == "newest"
    assert "policy" not in new["pipelines"]["plain"]["source"]
    assert not any("policy" in pipeline for pipeline in new["pipelines"].values())
    assert changes == [
        "pipelines.pump.policy is now pipelines.pump.source.policy ('every')",
        "pipelines.door.policy is now pipelines.door.source.policy ('newest')",
    ]


def test_todays_version_is_left_alone() -> None:
    new, _ = migrated(tomllib.loads(OLD))
    assert migrated(new) == (new, [])


def test_a_policy_in_both_places_is_left_for_the_schema_to_refuse() -> None:
    document = {"pipelines": {"a": {"policy": "every", "source": {"policy": "newest"}}}}
    new, changes = migrated(document)
    assert new["pipelines"] == document["pipelines"]
    assert changes == []


def test_a_version_from_the_future_is_one_clear_line() -> None:
    with pytest.raises(ConfigError, match="version: 99 is newer than this edgekit") as caught:
        migrated({"version": 99}, source="x.toml")
    assert len(caught.value.mistakes) == 1
    assert str(caught.value).startswith("x.toml: ")


@pytest.mark.parametrize("version", [0, -1, True, "2", 2.0, [], {}])
def test_what_is_no_version_is_refused(version: Any) -> None:
    with pytest.raises(ConfigError, match="version: expected a number"):
        migrated({"version": version})


def test_a_file_is_rewritten_with_every_comment_and_the_old_one_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "edgekit.toml"
    path.write_text(OLD)
    path.chmod(0o640)
    done = rewrite_settings(path)
    new = path.read_text()
    for line in OLD.splitlines():
        if "#" in line:
            assert line.partition("#")[2].strip() in new
    assert tomllib.loads(new) == migrated(tomllib.loads(OLD))[0]
    assert done.backup == tmp_path / "edgekit.toml.v1"
    assert done.backup.read_text() == OLD
    assert path.stat().st_mode & 0o777 == done.backup.stat().st_mode & 0o777 == 0o640
    assert sorted(file.name for file in tmp_path.iterdir()) == ["edgekit.toml", "edgekit.toml.v1"]
    assert rewrite_settings(path).backup is None
    assert path.read_text() == new


def test_an_older_backup_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "edgekit.toml"
    (tmp_path / "edgekit.toml.v1").write_text("precious")
    path.write_text(OLD)
    assert rewrite_settings(path).backup == tmp_path / "edgekit.toml.v1.1"
    assert (tmp_path / "edgekit.toml.v1").read_text() == "precious"


def test_a_link_to_the_settings_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/board.toml").write_text(OLD)
    (tmp_path / "edgekit.toml").symlink_to("real/board.toml")
    rewrite_settings(tmp_path / "edgekit.toml")
    assert (tmp_path / "edgekit.toml").is_symlink()
    assert "version = 2" in (tmp_path / "real/board.toml").read_text()


@pytest.mark.parametrize(
    ("data", "says"),
    [(b"\xff", "UTF-8"), (b"a = = 1", "not valid TOML"), (b"version = 3", "newer than this")],
)
def test_a_file_that_cannot_be_migrated_stays_as_it_is(
    tmp_path: Path, data: bytes, says: str
) -> None:
    path = tmp_path / "edgekit.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=says):
        rewrite_settings(path)
    assert path.read_bytes() == data
    assert list(tmp_path.iterdir()) == [path]


_leaves = st.booleans() | st.integers(-9, 9) | st.text(max_size=6) | st.sampled_from(["newest"])
_keys = st.sampled_from(["policy", "source", "pipelines", "version", "bundle", "a b", ""])
_values = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=12,
)
_sources = st.dictionaries(_keys, _values, max_size=3)
_pipelines = st.dictionaries(
    st.sampled_from(["a", "b", "c.d"]),
    _values | st.fixed_dictionaries({}, optional={"policy": _leaves, "source": _sources}),
    max_size=3,
)
_documents = st.dictionaries(_keys, _values, max_size=4) | st.fixed_dictionaries(
    {"pipelines": _pipelines}, optional={"version": st.integers(-1, 4)}
)


@settings(max_examples=300, deadline=None)
@given(_documents)
def test_a_random_document_is_migrated_once_and_for_all_or_refused(
    document: dict[str, Any],
) -> None:
    before = copy.deepcopy(document)
    try:
        new, _ = migrated(document)
    except ConfigError as error:
        assert len(error.mistakes) == 1
    else:
        assert new["version"] == VERSION
        assert migrated(new) == (new, [])
    assert document == before


@settings(max_examples=150, deadline=None)
@given(_documents)
def test_a_random_file_says_the_same_after_it_was_rewritten(document: dict[str, Any]) -> None:
    import tomlkit

    text = tomlkit.dumps(document)
    try:
        new, _ = rewritten(text)
    except ConfigError:
        return
    assert tomllib.loads(new) == migrated(tomllib.loads(text))[0]
