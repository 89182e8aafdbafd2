"""What `edgekit config init` writes is what `edgekit config check` takes."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.config import Settings, check, load_settings
from edgekit.config.generating import Wish, settings_text
from edgekit.errors import InputError
from tests.cli.running_field import run_module as run
from tests.samples import picture_bundle, pictures, video, window_bundle

WISHES = {
    "camera": ("camera", None),
    "a camera by its path": ("camera", "/dev/v4l/by-id/usb-cam"),
    "picamera2": ("picamera2", None),
    "rpicam": ("rpicam", None),
    "rtsp": ("rtsp", "rtsp://camera.local/stream"),
    "video": ("video", "v.avi"),
    "images": ("images", "pictures"),
    "csv": ("csv", "rows.csv"),
    "stdin": ("stdin", None),
    "mqtt": ("mqtt", "plant/+/pump"),
    "iio": ("iio", "bme280"),
}


@pytest.mark.parametrize("broker", [None, "broker.local", "broker.local:1884"])
@pytest.mark.parametrize(("source", "place"), WISHES.values(), ids=WISHES.keys())
def test_every_kind_of_source_makes_settings_that_load(
    tmp_path: Path, source: str, place: str | None, broker: str | None
) -> None:
    broker = "broker.local" if source == "mqtt" else broker
    file = tmp_path / "edgekit.toml"
    file.write_text(settings_text(Wish("b", source, place, broker=broker)))  # type: ignore[arg-type]
    made = load_settings(file)
    assert made.version == 2
    assert (made.mqtt is None) == (broker is None)
    assert file.read_text().count("#") >= 3


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        (Wish("b", "rtsp"), "needs its url: give --at"),
        (Wish("b", "rtsp", "http://x"), "source.url"),
        (Wish("b", "rtsp", "rtsp://user:secret@x/"), "credentials_file"),
        (Wish("b", "stdin", "x"), "has no place"),
        (Wish("b", "mqtt", "plant"), "no .mqtt."),
        (Wish("b", "camera", pipeline="a/b"), "pipelines"),
        (Wish("b", "camera", fleet="#"), "fleet"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_with_its_place(wish: Wish, says: str) -> None:
    with pytest.raises(InputError, match=says):
        settings_text(wish)


def test_the_command_writes_a_file_that_passes_check_and_is_never_replaced(tmp_path: Path) -> None:
    picture_bundle(tmp_path / "pictures-bundle")
    window_bundle(tmp_path / "rows-bundle")
    pictures(tmp_path / "p", count=2)
    video(tmp_path / "v.avi", frames=3)
    (tmp_path / "rows.csv").write_text("a,b\n1,1\n")
    for number, (bundle, source, place) in enumerate(
        [
            ("pictures-bundle", "images", "p"),
            ("pictures-bundle", "video", "v.avi"),
            ("rows-bundle", "csv", "rows.csv"),
        ]
    ):
        out = f"{number}.toml"
        options = ("--bundle", bundle, "--source", source, "--at", place, "--out", out)
        done = run("config", "init", *options, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert run("config", "check", out, cwd=tmp_path).returncode == 0
        before = (tmp_path / out).read_text()
        assert run("config", "init", *options, cwd=tmp_path).returncode == 2
        assert (tmp_path / out).read_text() == before


def test_what_is_not_there_yet_is_a_warning(tmp_path: Path) -> None:
    done = run("config", "init", "--bundle", "none", "--source", "camera", cwd=tmp_path)
    assert done.returncode == 0
    assert "warning:" in done.stderr
    assert (tmp_path / "edgekit.toml").exists()


def test_the_command_migrates_an_old_file(tmp_path: Path) -> None:
    file = tmp_path / "edgekit.toml"
    file.write_text(
        "[pipelines.a]\nbundle = 'b'\npolicy = 'newest' # late is useless\n"
        "source = { kind = 'images', path = 'p' }\n"
        "sinks = [{ kind = 'jsonl', path = 'o.jsonl' }]\n"
    )
    done = run("config", "migrate", file)
    assert done.returncode == 0, done.stderr
    assert "pipelines.a.policy is now" in done.stdout
    assert "# late is useless" in file.read_text()
    assert load_settings(file).pipelines["a"].source.policy == "newest"
    assert "up to date" in run("config", "migrate", file).stdout


_words = st.text(max_size=12).filter(lambda word: not word.startswith("~"))  # a home


@settings(max_examples=200, deadline=None)
@given(
    bundle=_words,
    source=st.sampled_from([source for source, _ in WISHES.values()]),
    place=st.none() | _words,
    name=st.none() | _words,
    pipeline=_words | st.just("a.b"),
    broker=st.none() | _words,
)
def test_any_words_make_settings_or_one_refusal(
    bundle: str, source: str, place: str | None, name: str | None, pipeline: str, broker: str | None
) -> None:
    wish = Wish(bundle, source, place, pipeline, name=name, broker=broker)  # type: ignore[arg-type]
    try:
        text = settings_text(wish)
    except InputError:
        return
    check(tomllib.loads(text), Settings, source="c", folder=Path())
