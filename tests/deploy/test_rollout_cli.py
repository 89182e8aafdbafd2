"""`edgekit rollout` as a user calls it, and the repository that it publishes in first."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from edgekit.cli.rolling import OneOrFleet
from edgekit.deploy.repository import Repository
from edgekit.deploy.rollout.publishing import offer_for_boards, publish
from edgekit.errors import BundleError, EdgekitError, InputError, Unavailable
from tests.broker import PATIENCE_S, need_broker
from tests.cli.running import run
from tools.fleet.place import FLEET, Place, WebServer, make_place
from tools.private_broker import PrivateBroker

SHIPPED, FIRST, SECOND = "1.0.0", "1.1.0", "1.2.0"
BOARDS = tuple(f"b{number}" for number in range(6))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """An empty signed repository, and bundles."""
    return make_place(tmp_path_factory.mktemp("place"), [SHIPPED, FIRST, SECOND])


@dataclass
class Terminal:
    """Where commands are typed."""

    place: Place
    broker: PrivateBroker

    def type(self, *arguments: object, broker: bool = True) -> "subprocess.CompletedProcess[str]":
        """A command of `edgekit rollout`."""
        where = ["--broker", self.broker.host, "--port", self.broker.port] if broker else []
        memory = self.place.folder / "rollouts.db"
        return run("rollout", *arguments, "--state", memory, "--fleet", FLEET, *where)

    def start(self, version: str, *more: object) -> "subprocess.CompletedProcess[str]":
        """Begins a rollout that publishes first."""
        return self.type(
            *("start", self.place.bundles[version].path, "--pause", "0", "--deadline", "1m"),
            *("--repository", self.place.repository, "--keys", self.place.keys),
            *("--passphrase-file", self.place.folder / "passphrase", *more),
        )


@pytest.fixture(scope="module")
def terminal(place: Place) -> Iterator[Terminal]:
    """A fleet whose second half fails the first version."""
    need_broker()
    with (
        PrivateBroker() as broker,
        WebServer(place.repository) as web,
        place.crowd(
            BOARDS,
            broker,
            web.address,
            fails=lambda board, version: version == FIRST and board >= "b3",
            labels=lambda board: {"half": "first" if board < "b3" else "second"},
        ) as (crowd, _),
    ):
        assert crowd.wait_online(len(BOARDS), PATIENCE_S)
        yield Terminal(place, broker)


def test_a_rollout_from_the_first_command_to_the_last(terminal: Terminal) -> None:
    stopped = terminal.start(FIRST, "--waves", "all", "--max-errors", "0")
    assert stopped.returncode == 8, stopped.stderr
    assert stopped.stderr == ""
    lines = stopped.stdout.splitlines()
    assert any("rolled-back: its scores differ by" in line for line in lines)
    assert "mean-1.1.0: stopped, wave 1 of 1 (6 of 6 boards)" in stopped.stdout
    assert "failed: its scores differ by" in lines[-1]
    shown = terminal.type("show", "mean-1.1.0", "--boards")
    assert "mean-1.1.0: stopped" in shown.stdout
    assert sum(line.startswith("b") for line in shown.stdout.splitlines()) == 6
    aborted = terminal.type("abort", "mean-1.1.0", "--revert")
    assert aborted.returncode == 0, aborted.stderr
    assert "mean-1.1.0: aborted, wave 1 of 1 (6 of 6 boards), 0 committed" in aborted.stdout
    done = terminal.start(SECOND, "--where", "half=first", "--json")
    assert done.returncode == 0, done.stderr
    documents = [json.loads(line) for line in done.stdout.splitlines()]
    assert {each["board"] for each in documents if each.get("what") == "committed"} == {*BOARDS[:3]}
    assert documents[-1]["summary"]["state"] == "finished"
    for broker in (True, False):
        listed = terminal.type("list", "--json", broker=broker)
        states = {
            each["name"]: each["state"] for each in map(json.loads, listed.stdout.split("\n")[:-1])
        }
        assert states == {"mean-1.1.0": "aborted", "mean-1.2.0": "finished"}
    assert "mean-1.2.0  mean 1.2.0  fleet  3 boards" in terminal.type("list").stdout
    assert terminal.type("forget", "mean-1.1.0").stdout == "mean-1.1.0: forgotten\n"
    assert "mean-1.1.0" not in terminal.type("list").stdout
    assert "mean-1.1.0" not in terminal.type("list", broker=False).stdout


@click.command(cls=OneOrFleet)
@click.argument("bundle")
@click.argument("board")
def deploy(bundle: str, board: str) -> None:
    """What a deploy to one board is."""
    click.echo(f"{bundle} to {board}")


def test_a_deploy_to_a_fleet_is_a_rollout(place: Place) -> None:
    assert CliRunner().invoke(deploy, ["a", "pi@b"]).output == "a to pi@b\n"
    bundle = str(place.bundles[SHIPPED].path)
    for fleet in (["--fleet", "f"], ["--fleet=f"]):
        done = CliRunner().invoke(deploy, [bundle, *fleet, "--broker", "127.0.0.1", "--port", "1"])
        assert isinstance(done.exception, Unavailable)
        assert "no MQTT broker at 127.0.0.1:1" in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ("start bundle", 2, "which broker?"),
        ("start bundle --broker 127.0.0.1 --port 1 --fleet f", 5, "no MQTT broker at 127.0.0.1:1"),
        ("start bundle --broker 127.0.0.1 --port 1", 2, "which fleet?"),
        ("start none --broker 127.0.0.1 --fleet f", 4, "none: not a bundle: no such folder"),
        ("start bundle --broker b --fleet f --pause soon", 2, "is no duration"),
        ("start bundle --broker b --fleet f --keys k", 2, "name it with --repository"),
        ("start bundle --broker b --fleet a/b", 2, "which an MQTT topic level cannot"),
        ("resume x --broker 127.0.0.1 --port 1 --fleet f", 5, "no MQTT broker"),
        ("abort a/b --broker 127.0.0.1 --port 1 --fleet f", 2, "which an MQTT topic level"),
        ("show x", 2, "x: no such rollout"),
    ],
)
def test_a_mistake_is_one_clear_line(
    tmp_path: Path, place: Place, arguments: str, code: int, says: str
) -> None:
    (tmp_path / "bundle").symlink_to(place.bundles[SHIPPED].path)
    (tmp_path / "k").mkdir()
    done = run("rollout", *arguments.split(), "--state", tmp_path / "s.db", cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.fixture
def folder(place: Place, tmp_path: Path) -> Path:
    """A repository of one test's own, with the first version in it."""
    copy = Path(shutil.copytree(place.repository, tmp_path / "repository"))
    Repository(copy).add([place.bundles[FIRST]], place.ring)
    return copy


def test_a_bundle_is_published_once(place: Place, folder: Path) -> None:
    assert publish(folder, place.bundles[FIRST], None).release.version == FIRST
    with pytest.raises(InputError, match=r"does not offer this mean 1.0.0; give --keys"):
        publish(folder, place.bundles[SHIPPED], None)
    assert publish(folder, place.bundles[SHIPPED], place.ring).release.version == SHIPPED


def expire(folder: Path, place: Place) -> None:
    """Signs everything as of a month ago."""
    long_ago = datetime.now(UTC) - timedelta(days=30)
    Repository(folder, now=lambda: long_ago).sign(place.ring, ("snapshot", "timestamp"))


def tamper(folder: Path, place: Place) -> None:
    """Changes what was signed."""
    path = folder / "metadata" / "timestamp.json"
    data = path.read_bytes()
    assert b'"version":' in data
    path.write_bytes(data.replace(b'"version":', b'"version":9', 1))


def lose(folder: Path, place: Place) -> None:
    """Loses the archives."""
    shutil.rmtree(folder / "targets")


def unsign(folder: Path, place: Place) -> None:
    """Loses the timestamp."""
    (folder / "metadata" / "timestamp.json").unlink()


@pytest.mark.parametrize(
    ("harm", "error", "says"),
    [
        (expire, BundleError, "is expired; sign the repository again"),
        (tamper, BundleError, "not by the keys that this board trusts|damaged"),
        (lose, InputError, "is signed, but not in targets/"),
        (unsign, EdgekitError, "timestamp.json"),
    ],
)
def test_a_repository_that_boards_would_refuse_is_refused_before_anything_begins(
    place: Place, folder: Path, harm: object, error: type[EdgekitError], says: str
) -> None:
    harm(folder, place)  # type: ignore[operator]
    with pytest.raises(error, match=says) as raised:
        offer_for_boards(folder, "mean", FIRST)
    assert "\n" not in str(raised.value)
