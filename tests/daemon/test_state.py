"""A state directory serves one daemon, and one that cannot be written stops nobody."""

from pathlib import Path

import pytest

from edgekit.config.loading import load_settings
from edgekit.daemon.state import held_alone
from edgekit.errors import ConfigError, Unavailable
from tests.daemon.process import lines, rows, run, settings, started, until
from tests.samples import picture_bundle, video

UPDATES = '[updates]\nrepository = "http://127.0.0.1:9/"\nroot = "root.json"\n'


def test_a_second_daemon_is_kept_out_of_a_state_directory(tmp_path: Path) -> None:
    text = rows(tmp_path).replace('"rows.csv"', '"rows.csv", follow = true')
    config = settings(tmp_path, 'state = "state"\n' + text)
    with started(config) as first:
        second = run(config)
        assert second.returncode == 5
        assert "another edgekitd uses the state directory" in second.stderr
        first.kill()
    with started(config) as third:  # a killed one leaves no lock behind
        assert third.end() == 0


def test_the_lock_is_let_go(tmp_path: Path) -> None:
    with held_alone(tmp_path), pytest.raises(Unavailable), held_alone(tmp_path):
        pass
    with held_alone(tmp_path):
        pass


def test_a_board_with_updates_runs_without_its_state_directory(tmp_path: Path) -> None:
    (tmp_path / "root.json").write_text("{}")
    (tmp_path / "file").write_text("")
    ended = run(settings(tmp_path, 'state = "file/state"\n' + rows(tmp_path) + UPDATES))
    assert "no updates until then" in ended.stderr
    assert ended.returncode == 0
    assert len(lines(tmp_path / "out.jsonl")) == 10


def test_updates_leave_another_bundle_of_the_settings_alone(tmp_path: Path) -> None:
    (tmp_path / "root.json").write_text("{}")
    picture_bundle(tmp_path / "one")
    picture_bundle(tmp_path / "two", version="2.0.0")
    video(tmp_path / "v.avi")
    text = (
        'state = "state"\n[pipelines.hall]\nbundle = "one"\n'
        'source = { kind = "video", path = "v.avi", loop = true, realtime = true }\n'
        f'sinks = [{{ kind = "jsonl", path = "hall.jsonl" }}]\n{UPDATES}'
    )
    with started(settings(tmp_path, text)) as daemon:
        settings(tmp_path, text.replace('"one"', '"two"'))
        daemon.reload()
        assert "swapped the model of hall" in daemon.says("INFO: reloaded:")
        until(
            lambda: b'"2.0.0"' in (tmp_path / "hall.jsonl").read_bytes(), "an answer of the other"
        )
        assert daemon.end() == 0


@pytest.mark.parametrize("table", ["commands", "twin"])
def test_what_only_a_broker_could_bring_needs_one(tmp_path: Path, table: str) -> None:
    allow = {"commands": "reload", "twin": "max_hz"}[table]
    text = f'{rows(tmp_path)}[{table}]\nallow = ["{allow}"]\n'
    with pytest.raises(ConfigError, match=rf"\[{table}\] allows something, but there is no"):
        load_settings(settings(tmp_path, text))


def test_two_pipelines_cannot_share_stdin(tmp_path: Path) -> None:
    pump = rows(tmp_path).replace('kind = "csv", path = "rows.csv"', 'kind = "stdin"')
    with pytest.raises(ConfigError, match="pump, fan would take each other's stdin rows"):
        load_settings(settings(tmp_path, pump + pump.replace("pump", "fan")))


def test_pictures_that_nothing_can_keep_are_told(tmp_path: Path) -> None:
    ended = run(settings(tmp_path, rows(tmp_path) + '[pictures]\nkeep = "events"\n'))
    assert "pictures.keep does nothing" in ended.stderr
