"""The table `[updates]`: what it opens, what it refuses, and that the guide tells all of it."""

import re
from pathlib import Path

import msgspec
import pytest

from edgekit.config.table import Table
from edgekit.errors import ConfigError, InputError
from edgekit.update import CanaryTable, UpdateTable, open_updates
from tests.update.fleet import NAME, START, MemoryRepository

GUIDE = Path(__file__).parents[2] / "docs" / "updates.md"


def test_a_board_is_opened_from_its_settings(repository: MemoryRepository, tmp_path: Path) -> None:
    for path, data in repository.files.items():
        place = tmp_path / "stick" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    root = tmp_path / "root.json"
    root.write_bytes(repository.root)
    table = UpdateTable(repository=str(tmp_path / "stick"), root=root, max_restarts=5)
    updates = open_updates(table, tmp_path / "state", clock_s=START.timestamp)
    assert updates.fetch(NAME) is not None
    updates.begin_trial(NAME)
    trial = updates.state(NAME).trial
    assert trial is not None
    assert (trial.max_restarts, trial.allowed_s) == (5, 900.0)
    assert sorted(path.name for path in (tmp_path / "state" / "updates").iterdir()) == [
        "downloads", "metadata", "slots", "store", "time.json",
    ]  # fmt: skip


def test_a_root_that_is_missing_or_no_root_is_named(tmp_path: Path) -> None:
    table = UpdateTable(repository=str(tmp_path), root=tmp_path / "root.json")
    with pytest.raises(ConfigError, match=r"updates.root: .*copy the repository's metadata/1.root"):
        open_updates(table, tmp_path)
    (tmp_path / "root.json").write_text("{}")
    with pytest.raises(Exception, match="the metadata is damaged"):
        open_updates(table, tmp_path).fetch(NAME)


def test_an_address_and_an_authority_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    root = tmp_path / "root.json"
    root.write_text("{}")
    with pytest.raises(InputError, match="ftp://x: not a repository"):
        open_updates(UpdateTable(repository="ftp://x", root=root), tmp_path)
    table = UpdateTable(repository="https://x", root=root, ca=tmp_path / "none.pem")
    with pytest.raises(ConfigError, match=r"updates.ca: .*none.pem: No such file"):
        open_updates(table, tmp_path)


@pytest.mark.parametrize(
    "wrong",
    ['{"repository": ""}', '{"store_mb": 0}', '{"poll_s": 1}', '{"max_restarts": -1}',
     '{"canary": {"min_agreement": 1.1}}', '{"canary": {"max_latency_ratio": 0.5}}', '{"x": 1}'],
)  # fmt: skip
def test_values_out_of_range_are_refused(wrong: str) -> None:
    given = {"repository": "https://x", "root": "/r", **msgspec.json.decode(wrong)}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given, UpdateTable, strict=False)


@pytest.mark.parametrize(("table", "prefix"), [(UpdateTable, ""), (CanaryTable, "canary.")])
def test_the_guide_names_every_setting_with_its_default(table: type[Table], prefix: str) -> None:
    told = dict(re.findall(r"^\| `([a-z0-9_.]+)` \|([^|]*)\|", GUIDE.read_text(), re.MULTILINE))
    for field in msgspec.structs.fields(table):
        if field.name == "canary":
            continue
        default = told[prefix + field.name].strip()
        if isinstance(field.default, float):
            assert float(default) == field.default, field.name
        elif isinstance(field.default, bool | int):
            assert default == str(field.default).lower(), field.name
